"""What an edit costs: which edits are worked out on a part of the cluster, and what the step then says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from builders import (
    address_frontend,
    balancing,
    cluster,
    host,
    local_redirect,
    namespace,
    node,
    pod,
    port,
    service,
    service_frontend,
    slice_,
    slice_port,
)

from balancer.desired import narrow
from balancer.desired.compute import compute, compute_around
from balancer.desired.narrow import Following
from balancer.desired.ordered import Unfit
from balancer.desired.step import Step
from balancer.desired.types import AddressFlags, Desired, Rules
from balancer.model.cluster import Cluster
from balancer.model.edit import Edit

WEB = service("web", cluster_ips="10.96.0.1")
WEB_SLICE = slice_("10.244.0.1", service="web")
DNS = service("dns", cluster_ips="10.96.0.2", ports=[port(53, "dns", "UDP")])
NODE = node("n1", "192.168.0.1")
HELD = (WEB, WEB_SLICE, DNS, NODE)


def edited(before: tuple[Any, ...], *after: Any, under: Rules | None = None) -> tuple[Following, Step]:
    """Following `before` until `after` is there in place of it."""
    old, new = ({(one.meta.kind, *one.meta.key): one for one in objects} for objects in (before, after))
    same = {key for key in old.keys() & new.keys() if old[key] == new[key]}
    edit = Edit(
        before={key: one for key, one in old.items() if key not in same},
        after={key: one for key, one in new.items() if key not in same},
    )
    rules = under or Rules()
    following = Following(cluster(*before), host(), rules)
    step = following.update(edit, cluster(*after), host())
    assert step.after == compute(cluster(*after), host(), rules)
    return following, step


def texts(frontends: tuple[Any, ...]) -> list[str]:
    return [f"{item.address}:{item.port} {len(item.backends)}" for item in frontends]


def test_a_slice_changes_the_frontends_of_its_service() -> None:
    """EndpointSlices belong to one service, by their label."""
    _, step = edited(HELD, WEB, slice_("10.244.0.1", "10.244.0.2", service="web"), DNS, NODE)
    assert not step.whole
    assert texts(step.gone) == ["10.96.0.1:80 1"]
    assert texts(step.put) == ["10.96.0.1:80 2"]
    assert not step.addresses_put


def test_only_the_part_that_is_touched_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the edit and after it; the other service is looked at in neither."""
    parts: list[list[str]] = []

    def counted(part: Cluster, *rest: Any) -> Desired:
        parts.append([item.meta.name for item in (*part.services, *part.slices)])
        return compute_around(part, *rest)

    following = Following(cluster(*HELD), host(), Rules())
    monkeypatch.setattr(narrow, "compute_around", counted)
    edit = Edit(before={("EndpointSlice", *WEB_SLICE.meta.key): WEB_SLICE})
    following.update(edit, cluster(WEB, DNS, NODE), host())
    assert parts == [["web", "web-ipv4"], ["web"]]


def test_a_slice_that_moves_changes_both_services() -> None:
    """Its label names another service; the one before has lost it."""
    moved = replace(
        slice_("10.244.0.1", service="dns", ports=[slice_port(53, "dns", "UDP")]), meta=WEB_SLICE.meta
    )
    _, step = edited(HELD, WEB, moved, DNS, NODE)
    assert not step.whole
    assert texts(step.put) == ["10.96.0.1:80 0", "10.96.0.2:53 1"]


def test_what_did_not_change_stays_the_very_same_object() -> None:
    following, step = edited(HELD, replace(WEB, affinity_seconds=60), WEB_SLICE, DNS, NODE)
    other = [item for item in step.before.frontends if item.object == "Service default/dns"]
    assert [item for item in step.after.frontends if item is other[0]] == other
    assert step.after.addresses is step.before.addresses
    assert following.desired is step.after


def test_a_new_service_and_one_that_goes() -> None:
    _, step = edited(HELD, WEB, WEB_SLICE, service("new", cluster_ips="10.96.0.3"), NODE)
    assert texts(step.put) == ["10.96.0.3:80 0"]
    assert texts(step.gone) == ["10.96.0.2:53 0"]
    assert dict(step.addresses_put) == {ip_address("10.96.0.3"): AddressFlags.VIP}
    assert step.addresses_gone == (ip_address("10.96.0.2"),)


def test_an_edit_without_effect_leaves_the_state_as_it_is() -> None:
    """A resourceVersion decides nothing once there is one place of an object."""
    touched = replace(WEB_SLICE, meta=replace(WEB_SLICE.meta, resource_version="7"))
    _, step = edited(HELD, WEB, touched, DNS, NODE)
    assert step.after is step.before
    assert step.empty


@pytest.mark.parametrize("share", ["external_ips", "lb"])
def test_a_service_that_goes_leaves_its_address_to_another(share: str) -> None:
    """Of two services with one address and port the older one has it."""
    old = service("old", cluster_ips="10.96.0.8", age=2, **{share: "198.51.100.1"})
    young = service("young", cluster_ips="10.96.0.9", age=1, **{share: "198.51.100.1"})
    _, step = edited((*HELD, old, young), *HELD, young)
    assert not step.whole
    assert ("198.51.100.1:80 0", "Service default/young") in [
        (*texts((item,)), item.object) for item in step.put
    ]


def test_a_node_port_meets_the_port_of_a_service_at_the_address_of_a_node() -> None:
    """externalTrafficPolicy Local: another node's address answers with that node's endpoints."""
    held = (*HELD, node("n2", "192.168.0.2"))
    exact = service("exact", cluster_ips="10.96.0.8", ports=[port(80, "", "TCP", 30080)], external="Local")
    taker = service("taker", cluster_ips="10.96.0.9", external_ips="192.168.0.2", ports=[30080], age=1)
    _, step = edited((*held, exact, taker), *held, exact)
    assert not step.whole
    assert [item.object for item in step.put if str(item.address) == "192.168.0.2"] == [str(exact.meta)]


def test_a_heartbeat_of_a_node_changes_nothing() -> None:
    beat = replace(NODE, meta=replace(NODE.meta, resource_version="8"))
    _, step = edited(HELD, WEB, WEB_SLICE, DNS, beat)
    assert step.after is step.before


@pytest.mark.parametrize(
    "new", [node("n2", "192.168.0.2"), node("n1", "192.168.0.3"), node("n1", zone="x"), namespace("x")]
)
def test_what_every_service_is_worked_out_with_changes_everything(new: Any) -> None:
    _, step = edited(HELD, *(one for one in HELD if one.meta.key != new.meta.key), new)
    assert step == Step(before=step.before, after=step.after, whole=True)


def test_another_address_of_the_host_changes_everything() -> None:
    following = Following(cluster(*HELD), host(), Rules())
    step = following.update(Edit(), cluster(*HELD), host(addresses="192.0.2.1"))
    assert step.whole
    assert ip_address("192.0.2.1") in step.after.addresses


def test_a_large_share_of_the_cluster_is_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "_ALWAYS_FEW", 1)
    tied = [
        service(name, cluster_ips=f"10.96.1.{n}", external_ips="198.51.100.1")
        for n, name in enumerate("abcd")
    ]
    _, step = edited((*HELD, *tied), *HELD, *tied[1:])
    assert step.whole


def test_policies_are_left_alone_by_a_pod_that_none_of_them_selects() -> None:
    """A policy looks at the pods that its endpointSelector accepts."""
    held = (*HELD, local_redirect(frontend=service_frontend("dns")), pod("other", labels={"app": "x"}))
    _, step = edited(held, *held[:-1], pod("other", ip="10.244.3.3", labels={"app": "x"}))
    assert step.after is step.before


def test_a_selected_pod_moves_a_redirect() -> None:
    chosen = {"app": "web"}
    held = (
        *HELD,
        local_redirect(frontend=service_frontend("web")),
        pod("cache", ip="10.244.3.1", labels=chosen),
    )
    _, step = edited(held, *held[:-1], pod("cache", ip="10.244.3.2", labels=chosen))
    assert not step.whole
    assert [str(item.backends[0].address) for item in step.put] == ["10.244.3.2"]
    assert step.after.redirect_pods == step.before.redirect_pods


@pytest.mark.parametrize("left", [(), (pod("cache", ip="10.244.3.1", labels={"app": "x"}),)])
def test_a_selected_pod_that_goes_or_loses_its_label_ends_a_redirect(left: tuple[Any, ...]) -> None:
    """Without a backend, the service answers as if there were no policy."""
    policy = local_redirect(frontend=service_frontend("web"))
    _, step = edited(
        (*HELD, policy, pod("cache", ip="10.244.3.1", labels={"app": "web"})), *HELD, policy, *left
    )
    assert [item.object for item in step.put] == ["Service default/web"]
    assert step.after.redirect_pods == ()


def test_a_policy_leaves_its_address_to_the_service_that_takes_it() -> None:
    """A virtual address of a policy is nobody else's."""
    held = (*HELD, balancing(frontend=address_frontend("198.18.0.1"), addresses="203.0.113.9"))
    _, step = edited(held, *held, service("taker", cluster_ips="198.18.0.1"))
    assert not step.whole
    assert [item.object for item in step.put] == ["Service default/taker"]
    assert not step.after.policies[0].applies


def test_an_edit_that_does_not_fit_is_refused_and_restart_puts_it_right() -> None:
    following = Following(cluster(*HELD), host(), Rules())
    before = following.desired
    stranger = service("stranger", cluster_ips="10.96.0.7")
    following._holdings.services[stranger.meta.key] = stranger  # as after a mistake in following
    with pytest.raises(Unfit):
        following.update(Edit(before={("Service", *stranger.meta.key): stranger}), cluster(*HELD), host())
    assert following.desired is before
    step = following.restart(cluster(*HELD), host(), Rules())
    assert step.before is before
    assert step.after == before
