"""Node ports: on which addresses they are answered, and by whom."""

from __future__ import annotations

import pytest
from builders import endpoint, host, node, port, service, slice_

from .asking import UNTOUCHED, answer, at, backends, desired, messages, rules

N1 = node("n1", "192.168.0.1", external="203.0.113.1")
N2 = node("n2", "192.168.0.2", external="203.0.113.2")
WEB = service(ports=[port(80, node_port=30080)])
POD = slice_("10.244.1.5")
SERVED = ["10.244.1.5:8080"]


@pytest.mark.parametrize("address", ["192.168.0.1", "203.0.113.1", "192.168.0.2", "203.0.113.2"])
def test_node_ports_are_answered_on_every_address_of_every_node(address: str) -> None:
    """Kubernetes: a nodePort works on InternalIP and ExternalIP of all nodes."""
    assert answer(desired(WEB, POD, N1, N2), f"{address}:30080") == SERVED


@pytest.mark.parametrize("address", ["172.17.0.1", "127.0.0.1", "127.8.8.8", "0.0.0.0"])
def test_node_ports_are_answered_on_the_hosts_own_addresses(address: str) -> None:
    """Kubernetes: a nodePort works on each own interface, loopback too."""
    own = host("n1", ["127.0.0.1", "192.168.0.1", "172.17.0.1"])
    assert answer(desired(WEB, POD, N1, on=own), f"{address}:30080") == SERVED


def test_loopback_counts_in_the_hosts_own_network_namespace_only() -> None:
    """A pod's 127.0.0.1 is the pod itself, not the node."""
    state = desired(WEB, POD, N1)
    assert answer(state, "127.0.0.1:30080", in_host_netns=False) == UNTOUCHED
    assert answer(state, "192.168.0.1:30080", in_host_netns=False) == SERVED


def test_one_entry_serves_all_node_addresses() -> None:
    """With policy Cluster all nodes give the same answer, so one entry on 0.0.0.0 is enough."""
    state = desired(WEB, POD, N1, N2)
    assert backends(at(state, "0.0.0.0:30080")) == SERVED
    assert at(state, "192.168.0.2:30080") is None


def test_exact_entries_exist_for_other_nodes_only() -> None:
    """Own addresses follow the entry on 0.0.0.0, also those that only the interfaces have."""
    web = service(ports=[port(80, node_port=30080)], external="Local")
    state = desired(web, POD, N1, N2, on=host("n1", ["192.168.0.1", "203.0.113.2"]))
    exact = {str(f.address) for f in state.frontends if f.port == 30080 and not f.address.is_unspecified}
    assert exact == {"192.168.0.2"}


def test_node_port_zero_means_none() -> None:
    """Kubernetes: nodePort 0 is "not allocated" (allocateLoadBalancerNodePorts false)."""
    state = desired(service(lb="203.0.113.100"), POD, N1)
    assert at(state, "0.0.0.0:0") is None
    assert answer(state, "192.168.0.1:80") == UNTOUCHED


def test_node_port_is_not_answered_on_load_balancer_and_external_ips() -> None:
    """Kubernetes: node ports belong to node addresses."""
    web = service(ports=[port(80, node_port=30080)], lb="203.0.113.100", external_ips="198.51.100.1")
    state = desired(web, POD, N1)
    assert answer(state, "203.0.113.100:30080") == UNTOUCHED
    assert answer(state, "198.51.100.1:30080") == UNTOUCHED


def test_node_port_of_a_cluster_ip_service_is_not_served() -> None:
    """Kubernetes: only types NodePort and LoadBalancer have node ports; upstream changes the type back."""
    state = desired(service(type="ClusterIP", ports=[port(80, node_port=30080)]), POD, N1)
    assert answer(state, "192.168.0.1:30080") == UNTOUCHED
    assert "$.spec.ports[0].nodePort: node port 30080 is not served" in messages(state)[0]


def test_node_ports_can_be_restricted_by_network() -> None:
    """kube-proxy --nodeport-addresses: only addresses inside of the networks answer."""
    state = desired(WEB, POD, N1, N2, under=rules(node_port_cidrs="192.168.0.0/24"))
    assert answer(state, "192.168.0.2:30080") == SERVED
    assert answer(state, "203.0.113.2:30080") == UNTOUCHED
    assert answer(state, "127.0.0.1:30080") == UNTOUCHED
    assert answer(state, "0.0.0.0:30080") == UNTOUCHED


def test_exact_entries_obey_the_networks_too() -> None:
    """kube-proxy --nodeport-addresses also with externalTrafficPolicy Local."""
    web = service(ports=[port(80, node_port=30080)], external="Local")
    state = desired(web, POD, N1, N2, under=rules(node_port_cidrs="192.168.0.0/24"))
    assert at(state, "203.0.113.2:30080") is None
    assert at(state, "192.168.0.2:30080") is not None


def test_networks_of_one_family_leave_the_other_alone() -> None:
    """kube-proxy --nodeport-addresses: a family without a network is not restricted."""
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::10"], ports=[port(80, node_port=30080)])
    state = desired(dual, POD, slice_(endpoint("fd00::5")), N1, under=rules(node_port_cidrs="127.0.0.0/8"))
    assert answer(state, "192.168.0.1:30080") == UNTOUCHED
    assert answer(state, "[::1]:30080") == ["fd00::5:8080"]


def test_the_unspecified_address_counts_as_loopback_for_the_networks() -> None:
    """A connection to 0.0.0.0 goes to the host itself over loopback."""
    state = desired(WEB, POD, N1, under=rules(node_port_cidrs="127.0.0.0/8"))
    assert answer(state, "0.0.0.0:30080") == SERVED
    assert answer(state, "192.168.0.1:30080") == UNTOUCHED


def test_a_dual_stack_node_port_has_an_entry_per_family() -> None:
    """Kubernetes: a dual-stack service has one nodePort for both families."""
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::10"], ports=[port(80, node_port=30080)])
    six = slice_(endpoint("fd00::5"))
    state = desired(dual, POD, six, node("n2", ["192.168.0.2", "fd00:1::2"]))
    assert answer(state, "192.168.0.2:30080") == SERVED
    assert answer(state, "[fd00:1::2]:30080") == ["fd00::5:8080"]
    assert answer(state, "[::1]:30080") == ["fd00::5:8080"]


def test_a_real_port_of_a_node_is_untouched() -> None:
    """Ports that are no node port belong to the machine: ssh must go on working."""
    assert answer(desired(WEB, POD, N1, N2), "192.168.0.2:22") == UNTOUCHED
