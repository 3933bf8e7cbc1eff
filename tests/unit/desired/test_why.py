"""Why an endpoint is not among the backends."""

from __future__ import annotations

import pytest
from builders import (
    AnyObject,
    balancing,
    cluster,
    endpoint,
    endpoints_,
    host,
    local_redirect,
    node,
    pod,
    port,
    service,
    slice_,
    slice_port,
)

from balancer.desired.compute import compute
from balancer.desired.types import Rules, ServiceRedirect
from balancer.desired.why import dropped_endpoints

from .asking import at

ENDING = {"ready": False, "serving": True, "terminating": True}
USED = endpoint("10.244.1.5", node="n1")
EDGE = Rules(service_redirect=ServiceRedirect.NODE_PORT)


def dropped(*objects: AnyObject, to: str = "10.96.0.10:80", under: Rules | None = None) -> dict[str, str]:
    """Reason by endpoint address, for the frontend at `to`."""
    known, settings = cluster(*objects), under or Rules()
    frontend = at(compute(known, host(), settings), to)
    assert frontend is not None
    found = dropped_endpoints(known, host(), settings, frontend)
    return {str(item.endpoint.address): str(item.reason) for item in found}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (endpoint("10.244.1.6", ready=False), "not_ready"),
        (endpoint("10.244.1.6", **ENDING), "terminating"),
    ],
)
def test_conditions(other, reason: str) -> None:  # type: ignore[no-untyped-def]
    """Endpoints that lost by their conditions; the chosen one is not listed."""
    assert dropped(service(), slice_(USED, other)) == {"10.244.1.6": reason}


def test_endpoints_of_other_nodes_under_a_local_policy() -> None:
    """InternalTrafficPolicy Local leaves out other nodes, ready or not."""
    slices = slice_(USED, endpoint("10.244.2.5", node="n2", ready=False))
    assert dropped(service(internal="Local"), slices) == {"10.244.2.5": "not_local"}


def test_endpoints_of_other_nodes_for_a_nodes_own_entry() -> None:
    """The scope of an exact node port entry is that node."""
    web = service(external="Local", ports=[port(80, node_port=30080)])
    slices = slice_(USED, endpoint("10.244.2.5", node="n2"))
    nodes = node("n1", "192.168.0.1"), node("n2", "192.168.0.2")
    assert dropped(web, slices, *nodes, to="192.168.0.2:30080") == {"10.244.1.5": "not_local"}


def test_hints_for_elsewhere() -> None:
    """Ready endpoints that the topology hints give to another zone."""
    slices = slice_(endpoint("10.244.1.5", hint_zones="a"), endpoint("10.244.2.5", hint_zones="b"))
    assert dropped(service(), slices, node("n1", zone="a")) == {"10.244.2.5": "other_zone"}


def test_families_and_missing_ports() -> None:
    """Endpoints of slices that cannot serve this port at all."""
    no_port = slice_("10.244.1.9", name="web-x", ports=[slice_port(9, "other")])
    found = dropped(service(), slice_(USED), slice_("fd00::5"), no_port)
    assert found == {"fd00::5": "other_family", "10.244.1.9": "no_port"}


def test_not_ready_addresses_of_an_endpoints_object() -> None:
    """NotReadyAddresses are kept for this answer only."""
    assert dropped(service(), endpoints_("192.0.2.7", not_ready=["192.0.2.8"])) == {"192.0.2.8": "not_ready"}


def test_endpoints_without_a_node_in_the_edge_mode() -> None:
    """Edge mode: an endpoint whose node is unknown stands for nothing."""
    web = service(ports=[port(80, node_port=30080)])
    slices = slice_(USED, endpoint("10.244.2.5", node="gone"))
    assert dropped(web, slices, node("n1"), under=EDGE) == {"10.244.2.5": "no_node"}


def test_endpoints_of_a_service_without_a_node_port_in_the_edge_mode() -> None:
    """Edge mode: nothing can stand for the endpoints, so none is a backend."""
    assert dropped(service(), slice_(USED), node("n1"), under=EDGE) == {"10.244.1.5": "no_node_port"}


ZONES = (endpoint("10.244.1.5", hint_zones="a"), endpoint("10.244.1.6", hint_zones="b"))
NODES = (endpoint("10.244.1.5", hint_nodes="n1"), endpoint("10.244.1.6", hint_nodes="n2"))
SAID = (
    ((USED, endpoint("10.244.1.6", ready=False)), {}, "not ready"),
    ((USED, endpoint("10.244.1.6", **ENDING)), {}, "terminating, and others are ready"),
    (
        (USED, endpoint("10.244.1.6", node="n2")),
        {"internal": "Local"},
        "on node n2, and internalTrafficPolicy Local takes those of n1 only",
    ),
    (ZONES, {}, "its hints are for zone b, this node is in a"),
    (NODES, {}, "its hints are for node n2, this is n1"),
)


@pytest.mark.parametrize(("endpoints", "spec", "words"), SAID)
def test_the_reason_in_words_and_its_place(endpoints, spec, words: str) -> None:  # type: ignore[no-untyped-def]
    """Says what to look at: the node, the zone, the policy; and the line of the slice."""
    known = cluster(service(**spec), slice_(*endpoints), node("n1", zone="a"))
    frontend = at(compute(known, host(), Rules()), "10.96.0.10:80")
    assert frontend is not None
    (found,) = dropped_endpoints(known, host(), Rules(), frontend)
    assert (found.words, found.origin) == (words, known.slices[0].meta.origin)


def test_a_frontend_of_a_service_that_is_gone_has_nothing_to_say() -> None:
    """Objects may have changed since the frontend was made."""
    frontend = at(compute(cluster(service()), host(), Rules()), "10.96.0.10:80")
    assert frontend is not None
    assert dropped_endpoints(cluster(), host(), Rules(), frontend) == ()


APP = {"app": "web"}
PODS = (
    pod("used", "10.244.1.1", labels=APP),
    pod("late", "10.244.1.2", labels=APP, ready=False),
    pod("ending", "10.244.1.3", labels=APP, terminating=True),
    pod("there", "10.244.1.4", labels=APP, node="n2"),
    pod("six", "fd00::5", labels=APP),
    pod("pending", "", labels=APP, ready=False),
    pod("other", "10.244.1.6"),
)


def test_pods_that_a_local_redirect_leaves_out() -> None:
    """balancing.elf.io/v1beta1: ready, not terminating, on this node, and of the frontend's family."""
    assert dropped(service(), *PODS, local_redirect()) == {
        "10.244.1.2": "not_ready",
        "10.244.1.3": "terminating",
        "10.244.1.4": "not_local",
        "fd00::5": "other_family",
    }


def test_pods_that_a_balancing_policy_leaves_out() -> None:
    """balancing.elf.io/v1beta1: pods of every node; in the node modes those of known nodes."""
    assert "10.244.1.4" not in dropped(service(), *PODS, balancing())
    found = dropped(service(), *PODS, node("n1"), balancing(mode="hostPort"))
    assert found["10.244.1.4"] == "no_node"
    assert "fd00::5" not in found


def test_fixed_addresses_have_nothing_to_say() -> None:
    """Whatever the author wrote is a backend."""
    assert dropped(service(), balancing(addresses="203.0.113.9")) == {}
