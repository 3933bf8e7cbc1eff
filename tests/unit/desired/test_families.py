"""Dual stack: each address is answered by endpoints of its own family."""

from __future__ import annotations

from builders import service, slice_

from .asking import REFUSED, UNTOUCHED, answer, desired, messages

DUAL = ["10.96.0.10", "fd00:96::10"]


def test_each_cluster_ip_goes_with_its_family() -> None:
    """Kubernetes: clusterIPs[i] is served by the slices of its family."""
    state = desired(service(cluster_ips=DUAL), slice_("10.244.1.5"), slice_("fd00::5"))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]
    assert answer(state, "[fd00:96::10]:80") == ["fd00::5:8080"]


def test_the_family_order_of_cluster_ips_is_free() -> None:
    """Kubernetes: ipFamilies may name IPv6 first; the family is inferred from the address."""
    state = desired(service(cluster_ips=DUAL[::-1]), slice_("10.244.1.5"))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]
    assert answer(state, "[fd00:96::10]:80") == REFUSED


def test_load_balancer_and_external_ips_go_by_their_family() -> None:
    """Kubernetes: every address of a service is answered in its own family."""
    web = service(cluster_ips=DUAL, lb=["203.0.113.1", "2001:db8::1"], external_ips="2001:db8::2")
    state = desired(web, slice_("10.244.1.5"), slice_("fd00::5"))
    assert answer(state, "203.0.113.1:80") == ["10.244.1.5:8080"]
    assert answer(state, "[2001:db8::1]:80") == ["fd00::5:8080"]
    assert answer(state, "[2001:db8::2]:80") == ["fd00::5:8080"]


def test_an_address_of_a_family_without_a_cluster_ip_is_left_alone() -> None:
    """kube-proxy ignores a service's addresses in a family that the service is not in."""
    state = desired(service(external_ips="2001:db8::2"), slice_("fd00::5"))
    assert answer(state, "[2001:db8::2]:80") == UNTOUCHED
    assert "the service has no IPv6 ClusterIP" in messages(state)[0]


def test_a_mapped_address_is_looked_up_as_ipv4() -> None:
    """RFC 4291: ::ffff:a.b.c.d is how an IPv6 socket names an IPv4 destination."""
    state = desired(service(), slice_("10.244.1.5"))
    assert answer(state, "[::ffff:10.96.0.10]:80") == ["10.244.1.5:8080"]
