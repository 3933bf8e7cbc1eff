"""BalancingPolicy: to pods anywhere, to their nodes, or to fixed addresses."""

from __future__ import annotations

import pytest
from builders import (
    address_frontend,
    balancing,
    endpoint,
    node,
    pod,
    policy_port,
    port,
    service,
    slice_,
)

from balancer.desired.types import AddressFlags, FrontendKind, Rules, ServiceRedirect, Source

from .asking import REFUSED, answer, at, desired, messages

APP = {"app": "web"}
WEB = service(), slice_("10.244.9.9")
NORMAL = ["10.244.9.9:8080"]
PODS = pod("p1", "10.244.1.5", labels=APP), pod("p2", "10.244.2.5", labels=APP, node="n2")
NODES = node("n1", "192.168.0.1"), node("n2", ["192.168.0.2", "fd00:1::2"], external="203.0.113.2")
VIP4, VIP6 = address_frontend("198.18.0.1"), address_frontend("fd00:18::1")
ENTRY4, ENTRY6 = "balancing.elf.io/nodeProxyIpv4", "balancing.elf.io/nodeProxyIpv6"


def test_pod_endpoints_of_every_node() -> None:
    """balancing.elf.io/v1beta1: redirectMode podEndpoint is pod IP and the port of toPorts."""
    state = desired(*WEB, *PODS, balancing(ports=[9090]))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:9090", "10.244.2.5:9090"]
    assert [backend.node for backend in at(state, "10.96.0.10:80").backends] == ["n1", "n2"]  # type: ignore[union-attr]


def test_host_port_is_one_backend_per_node() -> None:
    """balancing.elf.io/v1beta1: redirectMode hostPort is the pods' node addresses, each node once."""
    twin = pod("p3", "10.244.2.6", labels=APP, node="n2")
    state = desired(*WEB, *PODS, twin, *NODES, balancing(mode="hostPort"))
    assert answer(state, "10.96.0.10:80") == ["192.168.0.1:8080", "192.168.0.2:8080"]
    assert at(state, "10.96.0.10:80").source is Source.BALANCING  # type: ignore[union-attr]


def test_a_node_without_an_internal_ip_goes_by_its_external_ip() -> None:
    """Node modes: InternalIP of the family, else ExternalIP."""
    nodes = node("n1", "", external="203.0.113.1"), node("n2", "fd00:1::2", external="203.0.113.2")
    state = desired(*WEB, *PODS, *nodes, balancing(mode="hostPort"))
    assert answer(state, "10.96.0.10:80") == ["203.0.113.1:8080", "203.0.113.2:8080"]


@pytest.mark.parametrize(
    ("annotations", "to4", "to6"),
    [
        ({}, "192.168.0.2:80", "fd00:1::2:80"),
        ({ENTRY4: "10.9.0.2"}, "10.9.0.2:80", "fd00:1::2:80"),
        ({ENTRY6: "fd00:9::2"}, "192.168.0.2:80", "fd00:9::2:80"),
        ({ENTRY4: "10.9.0.2", ENTRY6: "fd00:9::2"}, "10.9.0.2:80", "fd00:9::2:80"),
        ({ENTRY4: ""}, "192.168.0.2:80", "fd00:1::2:80"),
    ],
)
def test_node_proxy_goes_to_the_nodes_entry_address(annotations: dict[str, str], to4: str, to6: str) -> None:
    """balancing.elf.io/v1beta1: node annotations nodeProxyIpv4 and nodeProxyIpv6, default InternalIP."""
    entry = node("n2", ["192.168.0.2", "fd00:1::2"], annotations=annotations)
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::a"])
    both = pod(ip=["10.244.2.5", "fd00::5"], labels=APP, node="n2")
    state = desired(dual, both, entry, balancing(mode="nodeProxy", ports=[80]))
    assert answer(state, "10.96.0.10:80") == [to4]
    assert answer(state, "[fd00:96::a]:80") == [to6]
    assert state.problems == ()


@pytest.mark.parametrize("text", ["fd00::1", "10.0.0", "0.0.0.0", "127.0.0.1", "224.0.0.1"])
def test_an_invalid_entry_address_is_a_warning(text: str) -> None:
    """A mistake in a node's annotation leaves the default in force and is told at the node."""
    entry = node("n2", "192.168.0.2", annotations={ENTRY4: text})
    state = desired(*WEB, PODS[1], entry, balancing(mode="nodeProxy"))
    assert answer(state, "10.96.0.10:80") == ["192.168.0.2:8080"]
    assert len(messages(state)) == 1
    assert messages(state)[0].startswith(f"n2.yaml:1 Node n2 $.metadata.annotations['{ENTRY4}']: ")


def test_an_entry_address_with_a_zone_is_not_used() -> None:
    """A zone names an interface of one host, and means nothing to the others."""
    entry = node("n2", ["192.168.0.2", "fd00:1::2"], annotations={ENTRY6: "fd00:9::2%eth0"})
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::a"])
    both = pod(ip=["10.244.2.5", "fd00::5"], labels=APP, node="n2")
    state = desired(dual, both, entry, balancing(mode="nodeProxy", ports=[80]))
    assert answer(state, "[fd00:96::a]:80") == ["fd00:1::2:80"]
    assert "is not an IPv6 address" in messages(state)[0]


def test_an_entry_address_does_not_matter_to_host_ports() -> None:
    """balancing.elf.io/v1beta1: the entry address is for nodeProxy."""
    entry = node("n2", "192.168.0.2", annotations={ENTRY4: "10.9.0.2"})
    state = desired(*WEB, PODS[1], entry, balancing(mode="hostPort"))
    assert answer(state, "10.96.0.10:80") == ["192.168.0.2:8080"]


def test_a_changed_node_address_is_followed() -> None:
    """The Node object decides in the same pass, whatever the pods still say."""
    before = desired(*WEB, PODS[1], node("n2", "192.168.0.2"), balancing(mode="hostPort"))
    after = desired(*WEB, PODS[1], node("n2", "192.168.0.77"), balancing(mode="hostPort"))
    assert answer(before, "10.96.0.10:80") == ["192.168.0.2:8080"]
    assert answer(after, "10.96.0.10:80") == ["192.168.0.77:8080"]


@pytest.mark.parametrize("where", ["gone", ""])
def test_a_pod_on_an_unknown_node_is_a_warning(where: str) -> None:
    """Node modes need the Node object: without it there is no address to send to."""
    stray = pod("stray", labels=APP, node=where)
    state = desired(*WEB, PODS[1], stray, *NODES, balancing(mode="hostPort"))
    assert answer(state, "10.96.0.10:80") == ["192.168.0.2:8080"]
    assert messages(state) == [
        "balance.yaml:1 BalancingPolicy balance $.spec.backend.serviceEndpoint.redirectMode: "
        "the node of Pod default/stray has no Node object with an IPv4 address, so it cannot be used"
    ]


def test_fixed_addresses_by_family() -> None:
    """balancing.elf.io/v1beta1: addressEndpoint takes IPv4 and IPv6 addresses."""
    fixed = ["203.0.113.9", "203.0.113.8", "2001:db8::8", "203.0.113.9"]
    state = desired(balancing("a", VIP4, addresses=fixed), balancing("b", VIP6, addresses=fixed))
    assert answer(state, "198.18.0.1:80") == ["203.0.113.8:8080", "203.0.113.9:8080"]
    assert answer(state, "[fd00:18::1]:80") == ["2001:db8::8:8080"]
    assert state.addresses[VIP6.address] is AddressFlags.VIP
    assert at(state, "198.18.0.1:80").kind is FrontendKind.VIP  # type: ignore[union-attr]


@pytest.mark.parametrize("gone", [{"ready": False}, {"terminating": True}])
def test_without_a_usable_pod_the_service_resolves_normally(gone: dict[str, bool]) -> None:
    """balancing.elf.io/v1beta1: no usable backend leaves the next priority, and a warning."""
    state = desired(*WEB, pod(labels=APP, **gone), balancing())  # type: ignore[arg-type]
    assert answer(state, "10.96.0.10:80") == NORMAL
    assert messages(state) == [
        "balance.yaml:1 BalancingPolicy balance $.spec.backend: no usable backend in IPv4, "
        "so 10.96.0.10:80/TCP is answered as if there were no policy"
    ]


def test_without_a_usable_backend_an_address_refuses() -> None:
    """A virtual address has nothing beneath it."""
    state = desired(balancing("v", VIP4, addresses="2001:db8::8"))
    assert answer(state, "198.18.0.1:80") == REFUSED
    assert "no usable backend in IPv4, so 198.18.0.1:80/TCP is refused" in messages(state)[0]


def test_the_edge_mode_changes_what_is_beneath_and_not_the_policy() -> None:
    """service_redirect is for services: a policy's backends are what its author wrote."""
    web = service(ports=[port(80, node_port=30080)]), slice_(endpoint("10.244.2.5", node="n2"))
    edge = Rules(service_redirect=ServiceRedirect.NODE_PORT)
    frontend = at(desired(*web, *PODS, *NODES, balancing(), under=edge), "10.96.0.10:80")
    assert frontend is not None
    assert [str(item.address) for item in frontend.backends] == ["10.244.1.5", "10.244.2.5"]
    assert [(str(item.address), item.port) for item in frontend.fallback] == [("192.168.0.2", 30080)]


def test_ports_lead_to_different_backend_ports() -> None:
    """Each joined port has its own list of backends and its own group."""
    ports = [policy_port(80, "a"), policy_port(81, "b")]
    vip = address_frontend("198.18.0.1", ports)
    targets = [policy_port(1, "a"), policy_port(2, "b")]
    state = desired(balancing("v", vip, addresses="203.0.113.9", ports=targets))
    assert answer(state, "198.18.0.1:80") == ["203.0.113.9:1"]
    assert answer(state, "198.18.0.1:81") == ["203.0.113.9:2"]
    assert len({frontend.group for frontend in state.frontends}) == 2


def test_no_pod_is_behind_a_balancing_policy() -> None:
    """Only local redirects have backends that must not meet themselves."""
    assert desired(*WEB, *PODS, balancing()).redirect_pods == ()
