"""Which endpoints are usable: ready ones, or else those that end but still serve."""

from __future__ import annotations

from builders import endpoint, node, port, service, slice_

from .asking import REFUSED, UNREACHABLE, answer, desired

VIP = "10.96.0.10:80"
N1, N2 = node("n1", "192.168.0.1"), node("n2", "192.168.0.2")
ENDING = {"ready": False, "serving": True, "terminating": True}


def test_unready_endpoints_get_nothing() -> None:
    """Upstream: "should not be able to connect to unready pods"."""
    state = desired(service(), slice_(endpoint("10.244.1.5", ready=False), endpoint("10.244.1.6")))
    assert answer(state, VIP) == ["10.244.1.6:8080"]


def test_no_endpoint_at_all_refuses() -> None:
    """Upstream: "should be rejected when no endpoints exist"."""
    assert answer(desired(service()), VIP) == REFUSED
    assert answer(desired(service(), slice_()), VIP) == REFUSED


def test_only_unready_endpoints_refuse() -> None:
    """Kubernetes: an unready endpoint that does not terminate is never a fallback."""
    lame = endpoint("10.244.1.5", ready=False, serving=True)
    assert answer(desired(service(), slice_(lame)), VIP) == REFUSED


def test_terminating_but_serving_endpoints_are_the_last_resort() -> None:
    """Upstream: "should fallback to terminating endpoints when there are no ready endpoints with
    internalTrafficPolicy=Cluster" (KEP-1669).
    """
    down = endpoint("10.244.1.6", ready=False, serving=False, terminating=True)
    state = desired(service(), slice_(endpoint("10.244.1.5", **ENDING), down))
    assert answer(state, VIP) == ["10.244.1.5:8080"]


def test_ready_endpoints_are_preferred_over_terminating_ones() -> None:
    """KEP-1669: one ready endpoint anywhere ends the use of terminating ones."""
    state = desired(service(), slice_(endpoint("10.244.1.5", **ENDING), endpoint("10.244.1.6")))
    assert answer(state, VIP) == ["10.244.1.6:8080"]


def test_published_not_ready_endpoints_are_used() -> None:
    """Kubernetes: publishNotReadyAddresses shows as ready true, even while terminating."""
    published = endpoint("10.244.1.5", ready=True, serving=False, terminating=True)
    assert answer(desired(service(), slice_(published)), VIP) == ["10.244.1.5:8080"]


def test_the_local_set_falls_back_on_its_own() -> None:
    """Upstream: "should fallback to local terminating endpoints when there are no ready endpoints with
    internalTrafficPolicy=Local"; ready endpoints elsewhere do not matter.
    """
    here = endpoint("10.244.1.5", node="n1", **ENDING)
    there = endpoint("10.244.2.5", node="n2")
    state = desired(service(internal="Local"), slice_(here, there))
    assert answer(state, VIP) == ["10.244.1.5:8080"]


def test_a_node_port_with_an_external_local_policy_falls_back_per_node() -> None:
    """Upstream: "should fallback to local terminating endpoints when there are no ready endpoints with
    externalTrafficPolicy=Local", seen from another node.
    """
    web = service(ports=[port(80, node_port=30080)], external="Local")
    slices = slice_(endpoint("10.244.1.5", node="n1"), endpoint("10.244.2.5", node="n2", **ENDING))
    state = desired(web, slices, N1, N2)
    assert answer(state, "192.168.0.2:30080") == ["10.244.2.5:8080"]
    assert answer(state, "192.168.0.1:30080") == ["10.244.1.5:8080"]


def test_local_unready_endpoints_do_not_turn_unreachable_into_refused() -> None:
    """Kubernetes: usable endpoints elsewhere make it "no local endpoint", not "no endpoint"."""
    here = endpoint("10.244.1.5", node="n1", ready=False)
    state = desired(service(internal="Local"), slice_(here, endpoint("10.244.2.5", node="n2")))
    assert answer(state, VIP) == UNREACHABLE
