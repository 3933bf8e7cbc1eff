"""internalTrafficPolicy and externalTrafficPolicy: the destination decides which one counts."""

from __future__ import annotations

import pytest
from builders import endpoint, host, node, port, service, slice_

from balancer.desired.types import Rules

from .asking import REFUSED, UNREACHABLE, answer, desired

N1, N2, N3 = (node(f"n{i}", f"192.168.0.{i}", external=f"203.0.113.{i}") for i in (1, 2, 3))
HERE, THERE = endpoint("10.244.1.5", node="n1"), endpoint("10.244.2.5", node="n2")
BOTH = ["10.244.1.5:8080", "10.244.2.5:8080"]
NODE_PORT = [port(80, node_port=30080)]
STRICT = Rules(local_policy_applies_to_all_access=True)


def test_internal_local_keeps_cluster_ip_traffic_on_the_node() -> None:
    """Upstream: "should respect internalTrafficPolicy=Local Pod to Pod"."""
    state = desired(service(internal="Local"), slice_(HERE, THERE))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]


def test_internal_local_without_a_local_endpoint_is_unreachable() -> None:
    """Kubernetes: kube-proxy drops it; a socket gets EHOSTUNREACH instead of a time-out."""
    assert answer(desired(service(internal="Local"), slice_(THERE)), "10.96.0.10:80") == UNREACHABLE


def test_internal_local_without_any_endpoint_refuses() -> None:
    """Kubernetes: no endpoint at all is rejected whatever the policy."""
    assert answer(desired(service(internal="Local"), slice_()), "10.96.0.10:80") == REFUSED


def test_an_endpoint_without_a_node_name_is_not_local() -> None:
    """Kubernetes: nodeName unset is never local."""
    state = desired(service(internal="Local"), slice_("10.244.1.5"))
    assert answer(state, "10.96.0.10:80") == UNREACHABLE


def test_a_host_outside_of_the_cluster_has_no_local_endpoints() -> None:
    """A host whose name no endpoint carries finds nothing local."""
    state = desired(service(internal="Local"), slice_(HERE), N1, on=host("edge-7", "192.0.2.1"))
    assert answer(state, "10.96.0.10:80") == UNREACHABLE


def test_internal_local_is_for_the_cluster_ip_alone() -> None:
    """Kubernetes: internalTrafficPolicy does not touch external IPs, load balancers and node ports."""
    web = service(internal="Local", lb="203.0.113.100", external_ips="198.51.100.1", ports=NODE_PORT)
    state = desired(web, slice_(HERE, THERE), N1)
    assert answer(state, "203.0.113.100:80") == BOTH
    assert answer(state, "198.51.100.1:80") == BOTH
    assert answer(state, "192.168.0.1:30080") == BOTH


@pytest.mark.parametrize("to", ["203.0.113.100:80", "198.51.100.1:80", "192.168.0.1:30080", "10.96.0.10:80"])
def test_external_local_from_this_host_reaches_all_endpoints(to: str) -> None:
    """Kubernetes: kube-proxy short-circuits local traffic to Local external addresses to all endpoints."""
    web = service(external="Local", lb="203.0.113.100", external_ips="198.51.100.1", ports=NODE_PORT)
    assert answer(desired(web, slice_(HERE, THERE), N1), to) == BOTH


@pytest.mark.parametrize("address", ["192.168.0.2", "203.0.113.2"])
def test_another_nodes_port_with_external_local_gives_that_nodes_endpoints(address: str) -> None:
    """Upstream: "should only target nodes with endpoints"; on every address of that node."""
    state = desired(service(external="Local", ports=NODE_PORT), slice_(HERE, THERE), N1, N2)
    assert answer(state, f"{address}:30080") == ["10.244.2.5:8080"]


def test_another_node_without_endpoints_is_unreachable() -> None:
    """Kubernetes: with externalTrafficPolicy Local a node without endpoints drops its node port."""
    state = desired(service(external="Local", ports=NODE_PORT), slice_(HERE, THERE), N1, N2, N3)
    assert answer(state, "192.168.0.3:30080") == UNREACHABLE


def test_another_nodes_port_refuses_when_there_is_no_endpoint_at_all() -> None:
    """Kubernetes: no endpoint at all is rejected on every node."""
    state = desired(service(external="Local", ports=NODE_PORT), slice_(), N1, N2)
    assert answer(state, "192.168.0.2:30080") == REFUSED


def test_another_nodes_port_with_external_cluster_gives_all_endpoints() -> None:
    """Kubernetes: externalTrafficPolicy Cluster makes every node answer with every endpoint."""
    state = desired(service(ports=NODE_PORT), slice_(HERE, THERE), N1, N2)
    assert answer(state, "192.168.0.2:30080") == BOTH


def test_outside_of_the_cluster_every_node_is_another_node() -> None:
    """An outside host has no node of its own, so each node answers with its own endpoints."""
    outside = host("vm", "192.0.2.1")
    state = desired(service(external="Local", ports=NODE_PORT), slice_(HERE, THERE), N1, N2, on=outside)
    assert answer(state, "192.168.0.1:30080") == ["10.244.1.5:8080"]
    assert answer(state, "192.168.0.2:30080") == ["10.244.2.5:8080"]


@pytest.mark.parametrize("policy", [{"internal": "Local"}, {"external": "Local"}])
@pytest.mark.parametrize("to", ["203.0.113.100:80", "198.51.100.1:80", "192.168.0.1:30080", "10.96.0.10:80"])
def test_the_option_makes_local_count_for_every_access(policy: dict[str, str], to: str) -> None:
    """local_policy_applies_to_all_access: a Local policy of either kind restricts every way of access."""
    web = service(lb="203.0.113.100", external_ips="198.51.100.1", ports=NODE_PORT, **policy)
    assert answer(desired(web, slice_(HERE, THERE), N1, under=STRICT), to) == ["10.244.1.5:8080"]
    assert answer(desired(web, slice_(THERE), N1, under=STRICT), to) == UNREACHABLE


def test_the_option_counts_on_other_nodes_addresses_too() -> None:
    """local_policy_applies_to_all_access: another node's address gives this host's own endpoints as well."""
    web = service(external="Local", ports=NODE_PORT)
    state = desired(web, slice_(HERE, THERE), N1, N2, under=STRICT)
    assert answer(state, "192.168.0.2:30080") == ["10.244.1.5:8080"]
    assert answer(desired(web, slice_(THERE), N1, N2, under=STRICT), "192.168.0.2:30080") == UNREACHABLE


def test_the_option_leaves_services_without_a_local_policy_alone() -> None:
    """local_policy_applies_to_all_access: nothing changes where both policies are Cluster."""
    assert answer(desired(service(), slice_(HERE, THERE), under=STRICT), "10.96.0.10:80") == BOTH


def test_an_external_policy_of_a_service_without_external_access_does_not_count() -> None:
    """Kubernetes: externalTrafficPolicy needs a node port, a load balancer or external IPs."""
    state = desired(service(external="Local"), slice_(THERE), under=STRICT)
    assert answer(state, "10.96.0.10:80") == ["10.244.2.5:8080"]
