"""service_redirect nodePort: a host without a route to pods goes through node ports."""

from __future__ import annotations

import pytest
from builders import AnyObject, endpoint, host, node, port, service, slice_

from balancer.desired.types import Rules, ServiceRedirect

from .asking import REFUSED, UNREACHABLE, Desired, answer, at, desired, messages

EDGE = Rules(service_redirect=ServiceRedirect.NODE_PORT)
N1, N2 = node("n1", "192.168.0.1"), node("n2", "192.168.0.2")
PODS = slice_(
    endpoint("10.244.1.5", node="n1"), endpoint("10.244.2.5", node="n2"), endpoint("10.244.2.6", node="n2")
)
NODE_PORT = [port(80, node_port=30080)]


def edge(*objects: AnyObject, node_name: str = "edge-1") -> Desired:
    return desired(*objects, on=host(node_name, "192.0.2.1"), under=EDGE)


@pytest.mark.parametrize("to", ["10.96.0.10:80", "203.0.113.100:80", "198.51.100.1:80", "192.168.0.1:30080"])
def test_every_way_of_access_goes_to_the_nodes_of_the_pods(to: str) -> None:
    """Edge mode: one backend per node with a usable endpoint, on the service's nodePort."""
    web = service(ports=NODE_PORT, lb="203.0.113.100", external_ips="198.51.100.1")
    assert answer(edge(web, PODS, N1, N2), to) == ["192.168.0.1:30080", "192.168.0.2:30080"]


def test_nodes_without_a_ready_pod_are_left_out() -> None:
    """Edge mode: (node IP of each ready pod)."""
    pods = slice_(endpoint("10.244.1.5", node="n1", ready=False), endpoint("10.244.2.5", node="n2"))
    state = edge(service(ports=NODE_PORT), pods, N1, N2)
    assert answer(state, "10.96.0.10:80") == ["192.168.0.2:30080"]


def test_a_service_without_a_node_port_is_refused_and_reported() -> None:
    """Edge mode: without a nodePort there is no way to the pods."""
    state = edge(service(), PODS, N1, N2)
    assert answer(state, "10.96.0.10:80") == REFUSED
    assert messages(state) == [
        "web.yaml:1 Service default/web $.spec.ports[0]: port 80/TCP has no nodePort, "
        "so service_redirect nodePort refuses connections to it"
    ]


def test_a_local_policy_keeps_its_meaning() -> None:
    """Edge mode: internalTrafficPolicy Local means this node's endpoints, here through its node port."""
    web = service(ports=NODE_PORT, internal="Local")
    assert answer(edge(web, PODS, N1, N2, node_name="n2"), "10.96.0.10:80") == ["192.168.0.2:30080"]
    assert answer(edge(web, PODS, N1, N2), "10.96.0.10:80") == UNREACHABLE


def test_another_nodes_port_with_external_local_goes_to_that_node() -> None:
    """Edge mode with externalTrafficPolicy Local: only the node that was asked for."""
    state = edge(service(ports=NODE_PORT, external="Local"), PODS, N1, N2)
    assert answer(state, "192.168.0.2:30080") == ["192.168.0.2:30080"]


def test_an_external_ip_serves_where_a_node_has_no_internal_ip() -> None:
    """Edge mode: InternalIP of the family, otherwise ExternalIP."""
    public = node("n1", (), external="203.0.113.1")
    state = edge(service(ports=NODE_PORT), slice_(endpoint("10.244.1.5", node="n1")), public)
    assert answer(state, "10.96.0.10:80") == ["203.0.113.1:30080"]


@pytest.mark.parametrize(
    ("pod", "nodes", "words"),
    [
        (endpoint("10.244.1.5"), (), "has no nodeName"),
        (endpoint("10.244.1.5", node="gone"), (), "is on node gone, for which there is no Node object"),
        (endpoint("10.244.1.5", node="n6"), (node("n6", "fd00:1::6"),), "which has no IPv4 address"),
    ],
)
def test_endpoints_whose_node_cannot_be_reached_are_reported(pod, nodes, words: str) -> None:  # type: ignore[no-untyped-def]
    """Edge mode: an endpoint without a reachable node is left out with a warning."""
    state = edge(service(ports=NODE_PORT), slice_(pod), *nodes)
    assert answer(state, "10.96.0.10:80") == REFUSED
    assert "$.spec.ports[0]: endpoint 10.244.1.5" in messages(state)[0]
    assert words in messages(state)[0]


def test_the_mode_has_groups_of_its_own() -> None:
    """Switching the mode changes every backend, so affinity must not carry over."""
    web = service(ports=NODE_PORT)
    plain = at(desired(web, PODS, N1, N2), "10.96.0.10:80")
    redirected = at(edge(web, PODS, N1, N2), "10.96.0.10:80")
    assert plain is not None
    assert redirected is not None
    assert plain.group != redirected.group
