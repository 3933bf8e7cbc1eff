"""Which services and which of their addresses count."""

from __future__ import annotations

import pytest
from builders import endpoint, ips, port, service, slice_

from balancer.desired.types import AddressFlags, FrontendKind
from balancer.model.service import HEADLESS_LABEL, PROXY_NAME_LABEL

from .asking import UNTOUCHED, answer, at, desired, messages, rules


def test_cluster_ip_forwards_to_the_slices_endpoints() -> None:
    """Kubernetes: a ClusterIP port goes to the slice's port number of every ready endpoint."""
    state = desired(service(), slice_("10.244.1.6", "10.244.1.5"))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080", "10.244.1.6:8080"]


def test_a_headless_service_is_not_served() -> None:
    """Kubernetes: clusterIP None has nothing to translate, external IPs included."""
    state = desired(service(cluster_ips=(), external_ips="198.51.100.1"), slice_("10.244.1.5"))
    assert state.frontends == ()
    assert answer(state, "198.51.100.1:80") == UNTOUCHED


def test_external_name_is_not_served_even_with_a_cluster_ip() -> None:
    """Kubernetes: ExternalName is a DNS alias; a leftover clusterIP does not count."""
    state = desired(service(type="ExternalName"), slice_("10.244.1.5"))
    assert answer(state, "10.96.0.10:80") == UNTOUCHED


@pytest.mark.parametrize("label", [PROXY_NAME_LABEL, HEADLESS_LABEL])
@pytest.mark.parametrize("value", ["other", ""])
def test_a_labelled_service_is_left_to_others(label: str, value: str) -> None:
    """Kubernetes: service-proxy-name and headless count by their presence, and leave the VIP alone."""
    labelled = service(labels={label: value}, ports=[port(80, node_port=30080)])
    state = desired(labelled, slice_("10.244.1.5"))
    assert state.frontends == ()
    assert answer(state, "10.96.0.10:80") == UNTOUCHED


@pytest.mark.parametrize("label", [PROXY_NAME_LABEL, HEADLESS_LABEL])
def test_taking_the_label_off_serves_again(label: str) -> None:
    """Upstream: "should implement service.kubernetes.io/service-proxy-name" switches it on and off."""
    with_label = desired(service(labels={label: "x"}), slice_("10.244.1.5"))
    without = desired(service(), slice_("10.244.1.5"))
    assert with_label.frontends == ()
    assert answer(without, "10.96.0.10:80") == ["10.244.1.5:8080"]


def test_load_balancer_ips_are_served() -> None:
    """Kubernetes: status.loadBalancer.ingress[].ip with ipMode unset or VIP is answered on the node."""
    state = desired(service(lb=["203.0.113.1", "203.0.113.2"]), slice_("10.244.1.5"))
    assert answer(state, "203.0.113.1:80") == ["10.244.1.5:8080"]
    assert answer(state, "203.0.113.2:80") == ["10.244.1.5:8080"]


def test_ip_mode_proxy_is_left_alone() -> None:
    """KEP-1860: with ipMode Proxy traffic must reach the real load balancer."""
    state = desired(service(lb_proxy="203.0.113.1"), slice_("10.244.1.5"))
    assert answer(state, "203.0.113.1:80") == UNTOUCHED
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]


def test_a_leftover_status_of_another_type_is_ignored() -> None:
    """Kubernetes: the API server clears status.loadBalancer unless the type is LoadBalancer."""
    state = desired(service(type="ClusterIP", lb="203.0.113.1"), slice_("10.244.1.5"))
    assert answer(state, "203.0.113.1:80") == UNTOUCHED


def test_external_ips_of_a_plain_cluster_ip_service_are_served() -> None:
    """Kubernetes: externalIPs work for any type of service that has a clusterIP."""
    state = desired(service(external_ips="198.51.100.1"), slice_("10.244.1.5"))
    frontend = at(state, "198.51.100.1:80")
    assert frontend is not None
    assert frontend.kind is FrontendKind.EXTERNAL_IP


def test_external_ips_outside_of_the_allowed_networks_are_not_served() -> None:
    """CVE-2020-8554: external_ip_cidrs names the networks that external IPs may come from."""
    web = service(external_ips=["198.51.100.1", "203.0.113.9"])
    state = desired(web, slice_("10.244.1.5"), under=rules(external_ip_cidrs="198.51.100.0/24"))
    assert answer(state, "198.51.100.1:80") == ["10.244.1.5:8080"]
    assert answer(state, "203.0.113.9:80") == UNTOUCHED
    assert messages(state) == [
        "web.yaml:1 Service default/web $.spec.externalIPs[1]: "
        "external IP 203.0.113.9 is not served: it is outside of external_ip_cidrs"
    ]


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "169.254.1.1"])
def test_special_external_ips_are_not_served(address: str) -> None:
    """Kubernetes: unspecified, loopback, multicast and link-local external IPs are refused by the API."""
    state = desired(service(external_ips=address), slice_("10.244.1.5"))
    assert at(state, f"{address}:80") is None
    assert f"$.spec.externalIPs[0]: external IP {address} is not served" in messages(state)[0]


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_a_load_balancer_cannot_capture_the_hosts_own_loopback(address: str) -> None:
    """A load balancer status of 0.0.0.0 would otherwise answer on every address of the host."""
    state = desired(service(lb=address), slice_("10.244.1.5"))
    assert answer(state, "192.168.0.1:80") == UNTOUCHED
    assert answer(state, "127.0.0.1:80") == UNTOUCHED


def test_a_service_that_names_one_address_twice_is_no_conflict() -> None:
    """MetalLB and others copy the load balancer's IP to externalIPs; the first kind of claim counts."""
    both = service(lb="203.0.113.1", external_ips="203.0.113.1")
    state = desired(both, slice_("10.244.1.5"))
    frontend = at(state, "203.0.113.1:80")
    assert frontend is not None
    assert frontend.kind is FrontendKind.LOAD_BALANCER
    assert state.problems == ()


def test_frontends_name_their_object_file_and_port() -> None:
    """Every frontend says which object, which line and which port name it comes from."""
    state = desired(service(ports=[port(80, "http")], file="a.yaml", line=12), slice_(endpoint()))
    (frontend,) = state.frontends
    assert (frontend.object, str(frontend.origin)) == ("Service default/web", "a.yaml:12")
    assert frontend.port_name == "http"


def test_a_cluster_ip_that_is_a_machines_address_keeps_its_other_ports_reachable() -> None:
    """Unknown ports of a VIP are refused, but never on a node: ssh to it must go on working."""
    state = desired(service(cluster_ips="192.168.0.1"), slice_("10.244.1.5"))
    assert answer(state, "192.168.0.1:22") == UNTOUCHED
    assert AddressFlags.VIP not in state.addresses[ips("192.168.0.1")[0]]
    assert "ClusterIP 192.168.0.1 is also an address of this host" in messages(state)[0]
