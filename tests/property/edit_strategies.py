"""Strategies for clusters that are edited again and again: most services stand alone, some meet in every way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from builders import address_frontend, cluster, endpoints_, namespace, port, service, service_frontend, slice_
from cluster_strategies import endpoints, mostly, nodes, pods, policies, slices
from hypothesis import strategies as st

from balancer.model.cluster import Cluster
from balancer.model.edit import AnyObject, Edit, ObjectKey

NAMES = ["a", "b", "c", "d", "e", "f"]
SHARED_VIPS = ["10.96.0.1", "10.96.0.2", "fd00:96::1", "192.168.0.2", "198.18.0.1"]
SHARED_EXTERNALS = [
    *["192.168.0.2"] * 4,  # of a node, where its node ports are as well
    "198.51.100.1",
    "203.0.113.1",
    "2001:db8::1",
    "10.96.0.2",
    "10.96.1.2",
    "198.18.0.1",
]
OTHER_LABELS: list[dict[str, str]] = [
    {"service.kubernetes.io/headless": ""},
    {"service.kubernetes.io/service-proxy-name": "other"},
]

service_ports = st.builds(
    port,
    st.sampled_from([80, 81, 30080, 30080]),
    st.sampled_from(["", "http", "alt"]),
    st.sampled_from(["TCP", "TCP", "UDP", "SCTP"]),
    st.sampled_from([0, 0, 30080, 30081]),
)


def services(name: str) -> st.SearchStrategy[Any]:
    """Most have a ClusterIP of their own."""
    own = [f"10.96.1.{NAMES.index(name)}"]
    return st.builds(
        service,
        st.just(name),
        cluster_ips=mostly(own, [*own, "fd00:96::1"], [], *([vip] for vip in SHARED_VIPS)),
        ports=st.lists(service_ports, min_size=1, max_size=3, unique_by=lambda item: item.name),
        type=mostly("", "ClusterIP", "ExternalName"),
        external_ips=mostly([], *([ip] for ip in SHARED_EXTERNALS)),
        lb=mostly([], *([ip] for ip in SHARED_EXTERNALS)),
        lb_proxy=mostly([], "198.18.0.1"),
        internal=st.sampled_from(["Cluster", "Local"]),
        external=st.sampled_from(["Cluster", "Local"]),
        affinity=st.sampled_from([0, 60]),
        labels=mostly({}, *OTHER_LABELS),
        age=st.sampled_from([None, 1, 2]),
    )


def endpoints_objects(name: str) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda items, labels: endpoints_(*items, service=name, labels=labels),
        st.lists(endpoints("10.244.9."), max_size=2),
        mostly({}, *OTHER_LABELS),
    )


def moving_slices(name: str) -> st.SearchStrategy[Any]:
    """A slice named after one service that may belong to another, or to none."""
    return st.builds(
        lambda items, of, labels: slice_(*items, service=of, name=f"{name}-1", labels=labels),
        st.lists(endpoints("10.244.0."), min_size=1, max_size=3),
        st.sampled_from([*NAMES, ""]),
        mostly({}, *OTHER_LABELS),
    )


@st.composite
def aimed_policies(draw: st.DrawFn) -> Any:
    """Policies for any of the services, and for addresses that services may take."""
    policy = draw(policies)
    frontends = (
        st.just(policy.frontend)
        | st.sampled_from(NAMES).map(service_frontend)
        | st.sampled_from([*SHARED_VIPS, "10.96.1.1"]).map(lambda ip: address_frontend(ip, ports=(80,)))
    )
    return replace(policy, frontend=draw(frontends))


names = st.sampled_from(NAMES)
objects: st.SearchStrategy[Any] = st.one_of(
    *[names.flatmap(services)] * 3,
    st.tuples(names, st.integers(1, 2)).flatmap(lambda pair: slices(*pair)),
    names.flatmap(moving_slices),
    names.flatmap(endpoints_objects),
    pods,
    aimed_policies(),
)
surrounding_objects: st.SearchStrategy[Any] = st.one_of(
    nodes, st.builds(namespace, st.sampled_from(["x", "y"]))
)


class Put(NamedTuple):
    """The object is there from now on, in place of one of its name."""

    one: AnyObject


class Drop(NamedTuple):
    """The object with this number, counted around, goes."""

    number: int


class Nudge(NamedTuple):
    """The object with this number is the same in another place, or in another version only."""

    number: int
    moved: bool


Change = Put | Drop | Nudge
numbers = st.integers(0, 30)
changes: st.SearchStrategy[Change] = st.one_of(
    objects.map(Put),
    objects.map(Put),
    objects.map(Put),
    numbers.map(Drop),
    st.builds(Nudge, numbers, st.booleans()),
)
rare_changes: st.SearchStrategy[Change] = st.one_of(*[changes] * 6, surrounding_objects.map(Put))
edits = st.lists(st.lists(rare_changes, min_size=1, max_size=3), min_size=1, max_size=6)
beginnings: st.SearchStrategy[list[Any]] = st.tuples(
    st.sets(names, min_size=2).flatmap(lambda found: st.tuples(*map(services, sorted(found)))),
    st.lists(objects, max_size=8),
    st.lists(nodes, min_size=1, max_size=3),
    st.lists(pods, max_size=3) | st.just([]),
    st.lists(aimed_policies(), min_size=1, max_size=2) | st.just([]),
).map(lambda parts: [one for part in parts for one in part])


def key_of(one: AnyObject) -> ObjectKey:
    return (one.meta.kind, one.meta.namespace, one.meta.name)


class EditedWorld:
    """Objects by name, and what changes them."""

    def __init__(self, found: Iterable[AnyObject]) -> None:
        self.objects: dict[ObjectKey, AnyObject] = {key_of(one): one for one in found}

    @property
    def cluster(self) -> Cluster:
        return cluster(*self.objects.values())

    def change(self, several: Iterable[Change]) -> Edit:
        before = dict(self.objects)
        for change in several:
            self._one(change)
        after = self.objects
        differing = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        return Edit(
            before={key: before[key] for key in differing & before.keys()},
            after={key: after[key] for key in differing & after.keys()},
        )

    def _one(self, change: Change) -> None:
        if isinstance(change, Put):
            self.objects[key_of(change.one)] = change.one
            return
        if not self.objects:
            return
        key = sorted(self.objects)[change.number % len(self.objects)]
        one = self.objects.pop(key)
        if isinstance(change, Nudge):
            meta = one.meta
            place = replace(meta.origin, line=meta.origin.line + 1)
            new = (
                replace(meta, origin=place)
                if change.moved
                else replace(meta, resource_version=f"{meta.resource_version}1")
            )
            self.objects[key] = replace(one, meta=new)
