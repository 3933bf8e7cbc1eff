"""Groups: within which set of backends client affinity and UDP stickiness are kept."""

from __future__ import annotations

from builders import endpoint, node, port, service, slice_

from balancer.desired.types import Rules

from .asking import at, desired

N1, N2 = node("n1", "192.168.0.1"), node("n2", "192.168.0.2")
PODS = slice_(endpoint("10.244.1.5", node="n1"), endpoint("10.244.2.5", node="n2"))
NODE_PORT = [port(80, node_port=30080)]


def group(state, text: str) -> str:  # type: ignore[no-untyped-def]
    frontend = at(state, text)
    assert frontend is not None
    return frontend.group


def test_all_ways_to_the_same_endpoints_share_a_group() -> None:
    """Kubernetes: affinity is per service port, so ClusterIP and node port stick to one backend."""
    state = desired(service(ports=NODE_PORT, external_ips="198.51.100.1", affinity=10800), PODS, N1)
    assert group(state, "10.96.0.10:80") == "default/web:/TCP/4/cluster"
    assert {frontend.group for frontend in state.frontends} == {"default/web:/TCP/4/cluster"}


def test_a_local_policy_makes_a_group_of_its_own() -> None:
    """Another set of endpoints must not share affinity records."""
    state = desired(service(internal="Local", external_ips="198.51.100.1"), PODS, N1)
    assert group(state, "10.96.0.10:80") == "default/web:/TCP/4/local"
    assert group(state, "198.51.100.1:80") == "default/web:/TCP/4/cluster"


def test_each_other_node_has_its_group_under_external_local() -> None:
    """Another node's node port is answered by that node's endpoints."""
    state = desired(service(ports=NODE_PORT, external="Local"), PODS, N1, N2)
    assert group(state, "192.168.0.2:30080") == "default/web:/TCP/4/node:n2"


def test_ports_protocols_and_families_have_groups_of_their_own() -> None:
    """Kubernetes: affinity is per service port; a backend has one family and one protocol."""
    ports = [port(80, "http"), port(53, "dns"), port(53, "dns", "UDP")]
    state = desired(service(ports=ports, cluster_ips=["10.96.0.10", "fd00:96::10"]))
    assert len({frontend.group for frontend in state.frontends}) == len(state.frontends) == 6


def test_affinity_seconds_are_on_every_frontend_of_the_service() -> None:
    """Kubernetes: sessionAffinity is a property of the service, node ports included."""
    on = desired(service(ports=NODE_PORT, lb="203.0.113.100", affinity=90), PODS, N1)
    off = desired(service(ports=NODE_PORT, lb="203.0.113.100"), PODS, N1)
    assert {frontend.affinity_seconds for frontend in on.frontends} == {90}
    assert {frontend.affinity_seconds for frontend in off.frontends} == {0}


def test_the_strict_option_leaves_no_cluster_group() -> None:
    """local_policy_applies_to_all_access: one scope for every own address."""
    strict = Rules(local_policy_applies_to_all_access=True)
    state = desired(service(ports=NODE_PORT, external="Local"), PODS, N1, under=strict)
    assert {frontend.group for frontend in state.frontends} == {"default/web:/TCP/4/local"}
