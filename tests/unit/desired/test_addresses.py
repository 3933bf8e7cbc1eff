"""The gate's addresses and their flags."""

from __future__ import annotations

from ipaddress import ip_address

from builders import host, node, service

from balancer.desired.types import AddressFlags, Desired

from .asking import desired, rules


def flags(state: Desired, text: str) -> AddressFlags | None:
    return state.addresses.get(ip_address(text))


def test_cluster_ips_are_vips_and_the_others_external() -> None:
    """Kubernetes: a ClusterIP is nobody's machine, a load balancer or external IP may be one."""
    state = desired(service(lb="203.0.113.100", external_ips="198.51.100.1"))
    assert flags(state, "10.96.0.10") == AddressFlags.VIP
    assert flags(state, "203.0.113.100") == AddressFlags.EXTERNAL
    assert flags(state, "198.51.100.1") == AddressFlags.EXTERNAL


def test_node_addresses_are_there_without_any_node_port() -> None:
    """The set of node addresses depends on nodes and host alone, so it does not flap with services."""
    state = desired(node("n2", "192.168.0.2", external="203.0.113.2"))
    assert flags(state, "192.168.0.2") == AddressFlags.NODE
    assert flags(state, "203.0.113.2") == AddressFlags.NODE
    assert flags(state, "192.168.0.1") == AddressFlags.NODE


def test_loopback_and_unspecified_addresses_are_always_there() -> None:
    """Kubernetes: node ports answer on loopback; connecting to 0.0.0.0 means loopback."""
    state = desired(on=host("n1", "192.168.0.1"))
    loopback = {str(ip) for ip, flag in state.addresses.items() if flag == AddressFlags.LOOPBACK}
    assert loopback == {"127.0.0.1", "::1", "0.0.0.0", "::"}


def test_link_local_addresses_of_interfaces_are_left_out() -> None:
    """kube-proxy does not answer node ports on fe80::/10."""
    state = desired(on=host("n1", ["fe80::1", "fe80::2%eth0", "fd00:1::1"]))
    assert flags(state, "fe80::1") is None
    assert flags(state, "fe80::2%eth0") is None
    assert flags(state, "fd00:1::1") == AddressFlags.NODE


def test_one_address_can_have_several_flags() -> None:
    """A service load balancer on the nodes themselves (k3s) makes node addresses external as well."""
    state = desired(service(lb="192.168.0.2"), node("n2", "192.168.0.2"))
    assert flags(state, "192.168.0.2") == AddressFlags.EXTERNAL | AddressFlags.NODE


def test_networks_restrict_node_addresses_but_not_services() -> None:
    """node_port_cidrs is about node ports alone."""
    state = desired(service(), node("n2", "192.168.0.2"), under=rules(node_port_cidrs="203.0.113.0/24"))
    assert flags(state, "192.168.0.2") is None
    assert flags(state, "127.0.0.1") is None
    assert flags(state, "10.96.0.10") == AddressFlags.VIP


def test_addresses_are_in_order() -> None:
    """The mapping itself is stable, so that two runs print alike."""
    state = desired(service(cluster_ips=["fd00:96::10", "10.96.0.10"]), node("n2", "192.168.0.2"))
    order = [(ip.version, int(ip)) for ip in state.addresses]
    assert order == sorted(order)
