"""The chain of priorities behind one answer, from files and from maps with a state file's names."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from builders import AnyObject, cluster, endpoint, local_redirect, pod, port, service, slice_
from memory_store import MemoryStore
from plan_builders import converge, desired, frontend, wanted

from balancer import explain, live, state
from balancer.config import Settings
from balancer.desired.compute import compute
from balancer.desired.lookup import find
from balancer.desired.types import Action, Backend, Frontend, Host, Rules, Source
from balancer.errors import HostError, OperatorError
from balancer.explain import answer
from balancer.explain.why import differences, unused_of
from balancer.explanation import AskedBy, ObjectName, SourceState, Standing
from balancer.kernel.layout import COUNTER_SIZE
from balancer.kernel.libbpf import possible_cpus
from balancer.kernel.reasons import Reason
from balancer.manifests import Manifests
from balancer.model.cluster import Cluster
from balancer.model.problem import Problem
from balancer.model.service import Protocol
from balancer.plan.actual import read_actual
from balancer.plan.entries import MapName
from balancer.sources import Sources
from balancer.views import Explanation, LastPass, LiveFrontend, LivePolicy, Loaded, Outcome, Use

VIP = "10.96.0.10:80"
SERVICE = frontend(VIP, "10.0.0.3:80")
BALANCING = replace(
    frontend(VIP, "10.0.0.2:80", name="BalancingPolicy far"), source=Source.BALANCING, beneath=SERVICE
)
REDIRECT = replace(
    frontend(VIP, "10.0.0.1:80", name="LocalRedirectPolicy near", redirect=True, rate=9), beneath=BALANCING
)
NEAR = LivePolicy(
    kind="LocalRedirectPolicy",
    name="near",
    file="web.yaml:1",
    applies=True,
    target="Service default/web",
    frontends=("10.96.0.10:80/TCP", "10.96.0.99:80/TCP"),
)
PASS = LastPass(
    time=datetime(2026, 1, 2, tzinfo=UTC), result="converged", seconds=0.1, frontends=1, files=1, changes=0
)


class Counting(MemoryStore):
    """Every frontend has forwarded 7, of which 2 fell back and 1 was above the rate, on the last CPU."""

    def read(self, name: MapName, keys: Sequence[bytes]) -> list[bytes | None]:
        if name is not MapName.COUNTERS:
            return super().read(name, keys)
        counts = {Reason.FORWARDED: 4, Reason.FALLBACK: 2, Reason.RATE_LIMITED: 1}
        value = struct.pack(f"={len(Reason)}Q", *(counts.get(reason, 0) for reason in Reason))
        return [bytes(COUNTER_SIZE * (possible_cpus() - 1)) + value.ljust(COUNTER_SIZE, b"\0") for _ in keys]


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """`kernel(frontend, names)` puts a frontend and the names of a state file where commands look."""

    def put(item: Frontend, names: state.State) -> Settings:
        store = Counting()
        converge(wanted(item), store)

        @contextmanager
        def snapshot_of(_settings):
            yield live.Snapshot(store, read_actual(store), names, "")

        monkeypatch.setattr(live, "snapshot_of", snapshot_of)
        monkeypatch.setattr(answer, "snapshot_of", snapshot_of)
        return Settings(state=tmp_path / "state.json")

    return put


def named(*items: Frontend, policies: tuple[LivePolicy, ...] = ()) -> state.State:
    labels, nodes = state.label_frontends(desired(*items))
    return state.State(labels=labels, nodes=nodes, policies=policies)


def loaded(*items: Frontend) -> Loaded:
    manifests = Manifests(cluster=Cluster(), problems=(), files=(), ignored={})
    return Loaded(manifests=manifests, desired=desired(*items))


def chain(found):
    return [(item.use, item.object, backends(item)) for item in found.chain]


def backends(item):
    return None if item.backends is None else [str(backend.address) for backend in item.backends]


ASKED = (ip_address("10.96.0.10"), 80, Protocol.TCP)


def test_the_chain_from_files_goes_down_to_the_service():
    found = explain.file_resolve(loaded(REDIRECT), *ASKED)
    assert chain(found) == [
        (Use.USED, "LocalRedirectPolicy near", ["10.0.0.1"]),
        (Use.FALLBACK, "BalancingPolicy far", ["10.0.0.2"]),
        (Use.UNUSED, "Service default/web", ["10.0.0.3"]),
    ]
    assert found.frontend is not None
    assert (found.frontend.source, found.frontend.rate) == (Source.LOCAL_REDIRECT, 9)


def test_the_live_chain_has_the_backends_of_the_two_priorities_that_maps_hold(kernel):
    found = explain.live_resolve(kernel(REDIRECT, named(REDIRECT)), *ASKED)
    assert chain(found) == [
        (Use.USED, "LocalRedirectPolicy near", ["10.0.0.1"]),
        (Use.FALLBACK, "BalancingPolicy far", ["10.0.0.2"]),
        (Use.UNUSED, "Service default/web", None),
    ]
    assert found.reason == explain.file_resolve(loaded(REDIRECT), *ASKED).reason


@pytest.mark.parametrize("top", [BALANCING, SERVICE])
def test_nothing_falls_back_without_a_local_redirect(kernel, top):
    live_uses, file_uses = (
        [item.use for item in found.chain]
        for found in (
            explain.live_resolve(kernel(top, named(top)), *ASKED),
            explain.file_resolve(loaded(top), *ASKED),
        )
    )
    assert live_uses == file_uses == [Use.USED, Use.UNUSED][: len(file_uses)]


def test_without_a_state_file_the_maps_still_tell_a_redirect_and_its_fallback(kernel):
    found = explain.live_resolve(kernel(REDIRECT, state.State()), *ASKED)
    assert chain(found) == [(Use.USED, "", ["10.0.0.1"]), (Use.FALLBACK, "", ["10.0.0.2"])]
    assert [item.source for item in found.chain] == [Source.LOCAL_REDIRECT, None]


def test_the_map_goes_before_the_state_file(kernel):
    """A fallback that has no backend any more refuses, whatever the names are from."""
    emptied = replace(REDIRECT, beneath=frontend(VIP))
    found = explain.live_resolve(kernel(emptied, named(REDIRECT)), *ASKED)
    assert (found.chain[1].action, found.chain[1].backends) == (Action.REFUSE, ())


def test_problems_of_every_object_of_the_chain_are_notes():
    problem = Problem(origin=SERVICE.origin, message="odd", object="BalancingPolicy far")
    others = replace(problem, object="BalancingPolicy other")
    found = explain.file_resolve(replace(loaded(REDIRECT), problems=(problem, others)), *ASKED)
    assert found.notes == ("BalancingPolicy far: odd",)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (replace(NEAR, reason="no ready pod of this node"), "no ready pod of this node"),
        (NEAR, "it is for other ports"),
        (replace(NEAR, target="10.96.0.10"), "it is for other ports"),
    ],
)
def test_a_policy_for_this_destination_that_has_no_part_is_named(kernel, policy, said):
    found = explain.live_resolve(kernel(SERVICE, named(SERVICE, policies=(policy,))), *ASKED)
    assert found.notes[0] == f"LocalRedirectPolicy near (web.yaml:1) has no part in this: {said}"


@pytest.mark.parametrize("policy", [NEAR, replace(NEAR, target="Service default/other", name="other")])
def test_policies_with_a_part_or_for_others_are_not_named(kernel, policy):
    found = explain.live_resolve(kernel(REDIRECT, named(REDIRECT, policies=(policy,))), *ASKED)
    assert not any("no part" in note for note in found.notes)


def test_live_policies_add_up_the_frontends_that_the_maps_hold(kernel):
    names = replace(named(REDIRECT, policies=(NEAR,)), last_pass=PASS)
    (found,) = live.live_policies(kernel(REDIRECT, names))
    assert found.frontends == ("10.96.0.10:80/TCP",)
    assert (found.forwarded, found.fell_back, found.rate_limited) == (7, 2, 1)


def test_live_policies_need_a_record_of_a_pass(kernel):
    settings: Settings = kernel(REDIRECT, state.State())
    with pytest.raises(HostError, match="no pass is on record in"):
        live.live_policies(settings)


def test_without_a_record_of_manifests_it_says_that_unused_endpoints_are_not_known(kernel):
    found = explain.live_resolve(kernel(SERVICE, named(SERVICE)), *ASKED)
    assert (found.sources, found.unused, found.differences) == (SourceState.UNKNOWN, (), ())
    assert "it is not known which endpoints are not used" in found.notes[-1]


def test_the_map_entry_is_told_as_it_is(kernel):
    maps = explain.live_resolve(kernel(REDIRECT, named(REDIRECT)), *ASKED).maps
    assert maps is not None
    assert maps.entry is not None
    entry = maps.entry
    assert (entry.slot_length, entry.fallback_length, entry.rate, entry.redirect) == (1, 1, 9, True)
    assert entry.counters == {"forwarded": 4, "fallback": 2, "rate_limited": 1}
    assert entry.group == REDIRECT.group


@pytest.mark.parametrize(
    "asked", [ObjectName(name="default/web"), ObjectName(name="LocalRedirectPolicy near")]
)
def test_whoever_has_a_part_in_the_answer_finds_it_by_name(kernel, asked):
    found = explain.live_destinations(kernel(REDIRECT, named(REDIRECT)), asked)
    assert [(str(item.address), item.port) for item in found.destinations] == [("10.96.0.10", 80)]


@pytest.mark.parametrize(
    "asked",
    [
        ObjectName(name="default/other"),
        ObjectName(name="default/web", port="81"),
        ObjectName(name="default/web", protocol=Protocol.UDP),
        ObjectName(address=ip_address("10.96.0.11")),
    ],
)
def test_a_name_that_nothing_answers_for_is_an_error(kernel, asked):
    with pytest.raises(OperatorError, match="nothing answers for"):
        explain.live_destinations(kernel(REDIRECT, named(REDIRECT)), asked)


WEB = service(), slice_(endpoint("10.244.1.5"), endpoint("10.244.1.6", ready=False, pod="d/late"))


def by_objects(*objects: AnyObject, **asked: Any) -> Explanation:
    known, here = cluster(*objects), Settings(node="n1")
    state = compute(known, Host(node_name="n1"), Rules())
    manifests = Manifests(cluster=known, problems=(), files=(), ignored={})
    return explain.file_resolve(Loaded(manifests=manifests, desired=state), *ASKED, here, **asked)


def test_unused_endpoints_are_told_with_reason_and_place():
    (found,) = by_objects(*WEB).unused
    assert (str(found.address), found.port, found.words) == ("10.244.1.6", 8080, "not ready")
    assert (found.object, found.file) == ("Service default/web", str(WEB[1].meta.origin))


def test_pods_of_a_policy_without_a_part_are_told_too():
    late = pod("late", "10.244.1.7", labels={"app": "web"}, ready=False)
    found = by_objects(*WEB, late, local_redirect())
    assert [(item.object, str(item.address)) for item in found.unused] == [
        ("Service default/web", "10.244.1.6"),
        ("LocalRedirectPolicy redirect", "10.244.1.7"),
    ]


def test_ports_that_a_vip_does_have_are_named():
    known = cluster(service(ports=[port(443), port(53, "dns", "UDP")]))
    state = compute(known, Host(node_name="n1"), Rules())
    manifests = Manifests(cluster=known, problems=(), files=(), ignored={})
    found = explain.file_resolve(Loaded(manifests=manifests, desired=state), *ASKED)
    told = [(item.port, item.protocol, item.object, item.port_name) for item in found.neighbours]
    assert told == [(53, "UDP", "Service default/web", "dns"), (443, "TCP", "Service default/web", "")]


NEAR_POD = pod("near", "10.244.1.8", labels={"app": "web"})


def test_a_backend_of_a_redirect_gets_the_fallback():
    found = by_objects(*WEB, NEAR_POD, local_redirect(), asked_by=AskedBy(pod=("default", "near")))
    assert found.asker is not None
    assert found.asker.standing is Standing.OWN_BACKEND
    assert [str(item.address) for item in found.backends] == ["10.244.1.5"]


def test_a_pod_that_opted_out_is_left_alone():
    skipping = pod("aside", "10.244.1.9", labels={"balancing.elf.io/skip": "true"})
    found = by_objects(*WEB, skipping, asked_by=AskedBy(pod=("default", "aside")))
    assert (found.outcome, found.backends) == (Outcome.PASS, ())
    assert found.reason.startswith("pod default/aside is left alone: it opted out")


@pytest.mark.parametrize(
    ("asked_by", "said"),
    [
        (AskedBy(pod=("default", "gone")), "have no Pod default/gone"),
        (AskedBy(pod=("default", "there")), "runs on node n2, and this is n1"),
        (AskedBy(pid=1), "manifests know pods, not processes"),
    ],
)
def test_an_asker_that_cannot_be_told_of_is_an_error(asked_by, said):
    with pytest.raises(OperatorError, match=said):
        by_objects(*WEB, pod("there", node="n2"), asked_by=asked_by)


def test_where_maps_and_manifests_disagree_is_told():
    """A backend that is live is never listed as unused, whatever the manifests say of it now."""
    known = cluster(service(), slice_(endpoint("10.0.0.3", ready=False), endpoint("10.0.0.4")))
    state = compute(known, Host(node_name="n1"), Rules())
    changed = Sources(state=SourceState.CHANGED, cluster=known, host=Host(node_name="n1"), desired=state)
    live_one = as_live(replace(SERVICE, backends=(Backend(address=ip_address("10.0.0.3"), port=8080),)))
    assert unused_of(changed, Rules(), live_one, ()) == ()
    planned = find(state, *ASKED)
    now = "the manifests as they are on disk now"
    assert list(differences(changed, live_one, planned)) == [
        f"10.0.0.4:8080 is in {now}, not in the maps",
        f"10.0.0.3:8080 is in the maps, not in {now}",
    ]


def as_live(item: Frontend) -> LiveFrontend:
    return LiveFrontend(
        address=item.address,
        port=item.port,
        protocol=item.protocol,
        action=item.action,
        backends=item.backends,
    )
