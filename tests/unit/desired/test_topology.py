"""Topology hints of EndpointSlices."""

from __future__ import annotations

from builders import endpoint, host, node, service, slice_

from .asking import answer, desired

VIP = "10.96.0.10:80"
HERE = node("n1", "192.168.0.1", zone="a")
A, B = endpoint("10.244.1.5", hint_zones="a"), endpoint("10.244.2.5", hint_zones="b")
ENDING = {"ready": False, "serving": True, "terminating": True}


def test_zone_hints_keep_traffic_in_the_zone() -> None:
    """KEP-2433: with hints on every endpoint a node uses those for its own zone."""
    assert answer(desired(service(), slice_(A, B), HERE), VIP) == ["10.244.1.5:8080"]


def test_one_endpoint_without_a_hint_switches_hints_off() -> None:
    """KEP-2433: hints count only if every ready endpoint has them."""
    state = desired(service(), slice_(A, B, "10.244.3.5"), HERE)
    assert answer(state, VIP) == ["10.244.1.5:8080", "10.244.2.5:8080", "10.244.3.5:8080"]


def test_unready_endpoints_without_hints_do_not_matter() -> None:
    """kube-proxy looks at the hints of ready endpoints only."""
    state = desired(service(), slice_(A, B, endpoint("10.244.3.5", ready=False)), HERE)
    assert answer(state, VIP) == ["10.244.1.5:8080"]


def test_hints_for_other_zones_only_are_ignored() -> None:
    """KEP-2433: no endpoint for this zone means all endpoints."""
    elsewhere = node("n1", "192.168.0.1", zone="c")
    assert answer(desired(service(), slice_(A, B), elsewhere), VIP) == ["10.244.1.5:8080", "10.244.2.5:8080"]


def test_a_host_without_a_zone_ignores_hints() -> None:
    """KEP-2433: the node's label topology.kubernetes.io/zone is needed."""
    outside = desired(service(), slice_(A, B), HERE, on=host("vm", "192.0.2.1"))
    unlabelled = desired(service(), slice_(A, B), node("n1"))
    assert answer(outside, VIP) == answer(unlabelled, VIP) == ["10.244.1.5:8080", "10.244.2.5:8080"]


def test_node_hints_go_before_zone_hints() -> None:
    """KEP-3015 (PreferSameNode): node hints count if all ready endpoints have them and one is for us."""
    mine = endpoint("10.244.2.5", hint_zones="b", hint_nodes="n1")
    other = endpoint("10.244.1.5", hint_zones="a", hint_nodes="n2")
    assert answer(desired(service(), slice_(mine, other), HERE), VIP) == ["10.244.2.5:8080"]


def test_without_a_node_hint_for_us_zone_hints_count() -> None:
    """KEP-3015: PreferSameNode falls back to the zone."""
    mine = endpoint("10.244.1.5", hint_zones="a", hint_nodes="n2")
    other = endpoint("10.244.2.5", hint_zones="b", hint_nodes="n3")
    assert answer(desired(service(), slice_(mine, other), HERE), VIP) == ["10.244.1.5:8080"]


def test_incomplete_node_hints_give_way_to_zone_hints() -> None:
    """KEP-3015: node hints on some endpoints only do not count."""
    mine = endpoint("10.244.2.5", hint_zones="b", hint_nodes="n1")
    assert answer(desired(service(), slice_(mine, A), HERE), VIP) == ["10.244.1.5:8080"]


def test_the_last_resort_ignores_hints() -> None:
    """kube-proxy: falling back to terminating endpoints does not consider topology."""
    far = endpoint("10.244.2.5", hint_zones="b", **ENDING)
    near = endpoint("10.244.1.5", hint_zones="a", **ENDING)
    state = desired(service(), slice_(near, far), HERE)
    assert answer(state, VIP) == ["10.244.1.5:8080", "10.244.2.5:8080"]


def test_a_local_policy_wins_over_hints() -> None:
    """KEP-2433: internalTrafficPolicy Local ignores hints."""
    here = endpoint("10.244.1.5", node="n1", hint_zones="b")
    there = endpoint("10.244.2.5", node="n2", hint_zones="a")
    state = desired(service(internal="Local"), slice_(here, there), HERE)
    assert answer(state, VIP) == ["10.244.1.5:8080"]


def test_several_zones_in_one_hint() -> None:
    """EndpointSlice: forZones is a list, one entry naming our zone is enough."""
    shared = endpoint("10.244.2.5", hint_zones=("b", "a"))
    assert answer(desired(service(), slice_(A, shared), HERE), VIP) == ["10.244.1.5:8080", "10.244.2.5:8080"]
