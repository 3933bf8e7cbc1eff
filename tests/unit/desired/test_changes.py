"""Changes over time, as upstream tests make them: each state follows from its objects alone."""

from __future__ import annotations

from builders import endpoint, node, port, service, slice_, slice_port

from .asking import REFUSED, UNTOUCHED, answer, desired

PODS = slice_("10.244.1.5")
N1 = node("n1", "192.168.0.1")
VIP, NODE_PORT = "10.96.0.10:80", "192.168.0.1:30080"


def test_up_and_down_services() -> None:
    """Upstream: "should be able to up and down services"."""
    assert answer(desired(service(), PODS), VIP) == ["10.244.1.5:8080"]
    assert answer(desired(service(), slice_()), VIP) == REFUSED
    assert answer(desired(PODS), VIP) == UNTOUCHED


def test_external_name_to_cluster_ip_and_back() -> None:
    """Upstream: "should be able to change the type from ExternalName to ClusterIP" and back."""
    assert answer(desired(service(type="ExternalName", cluster_ips=()), PODS), VIP) == UNTOUCHED
    assert answer(desired(service(), PODS), VIP) == ["10.244.1.5:8080"]


def test_node_port_to_cluster_ip() -> None:
    """Upstream: "should be able to change the type from NodePort to ClusterIP" ends the node port."""
    before = desired(service(ports=[port(80, node_port=30080)]), PODS, N1)
    after = desired(service(), PODS, N1)
    assert answer(before, NODE_PORT) == ["10.244.1.5:8080"]
    assert answer(after, NODE_PORT) == UNTOUCHED


def test_node_port_number_changes() -> None:
    """Upstream: "should be able to update service type to NodePort listening on same port number"."""
    dns = service(ports=[port(80, "t", "TCP", 30080), port(80, "u", "UDP", 30080)])
    state = desired(dns, N1)
    assert answer(state, "192.168.0.1:30080/TCP") == REFUSED
    assert answer(state, "192.168.0.1:30080/UDP") == REFUSED


def test_hairpin_includes_the_client_itself() -> None:
    """Upstream: "should allow pods to hairpin back to themselves through services"."""
    assert answer(desired(service(), slice_(endpoint("10.244.1.5", node="n1"))), VIP) == ["10.244.1.5:8080"]


def test_multiport_endpoints_from_zero_and_back() -> None:
    """Upstream: "should serve multiport endpoints from pods"."""
    web = service(ports=[port(80, "a"), port(81, "b")])
    assert answer(desired(web, slice_(ports=[])), VIP) == REFUSED
    assert answer(desired(web, slice_(ports=[])), "10.96.0.10:81") == REFUSED


def test_a_udp_server_pod_that_cycles_is_followed() -> None:
    """Upstream: "should be able to preserve UDP traffic when server pod cycles for a ClusterIP service"."""
    dns = service(ports=[port(53, "", "UDP")])
    udp = [slice_port(53, "", "UDP")]
    before = desired(dns, slice_("10.244.1.5", ports=udp))
    after = desired(dns, slice_("10.244.1.6", ports=udp))
    assert answer(before, "10.96.0.10:53/UDP") == ["10.244.1.5:53"]
    assert answer(after, "10.96.0.10:53/UDP") == ["10.244.1.6:53"]


def test_two_services_for_the_same_pods() -> None:
    """Kubernetes: pods may be behind several services at once."""
    twin = slice_("10.244.1.5", service="twin")
    state = desired(service(), service("twin", cluster_ips="10.96.0.11"), PODS, twin)
    assert answer(state, VIP) == answer(state, "10.96.0.11:80") == ["10.244.1.5:8080"]
