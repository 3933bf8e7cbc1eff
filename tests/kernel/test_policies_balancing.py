"""BalancingPolicy on real sockets: to pods, to their nodes, to fixed addresses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import (
    Object,
    balancing,
    both,
    endpoint_slice,
    node,
    pod,
    port,
    service,
    to_address,
    to_service,
)
from harness.talk import Talk

WEB, ADDRESS = pool.vip(1), ("100.64.0.80", "fd00:64::80")
OWN, OTHER = pool.OWN, pool.OTHER_NODE
ENTRY, MOVED = ("203.0.113.91", "2001:db8:113::91"), ("203.0.113.92", "2001:db8:113::92")
BLUE = {"app": "blue"}
NODE_PORT = 9000
FRONTENDS = [WEB, ADDRESS]
NAMES = ["service", "address"]


@pytest.fixture(scope="module", autouse=True)
def _servers(host: Host) -> None:
    """Servers on the addresses of the nodes, on entry addresses and on fixed ones, named after them."""
    named = {"node1": OWN, "node2": OTHER, "entry": ENTRY, "moved": MOVED}
    for name, pair in named.items():
        for address in pair:
            host.servers.serve(name, address, NODE_PORT)


def _web() -> list[Object]:
    return [
        service("web", *both(80), ips=WEB),
        endpoint_slice("web", (pool.FOUR,), *both(pool.PORT)),
        endpoint_slice("web", (pool.FOUR6,), *both(pool.PORT)),
    ]


def _pods() -> list[Object]:
    """Two on this node, one of which is unready, and two on node2."""
    return [
        pod("a", "node1", pool.ONE, pool.ONE6, labels=BLUE),
        pod("b", "node1", pool.FOUR, pool.FOUR6, labels=BLUE, ready=False),
        pod("c", "node2", pool.TWO, pool.TWO6, labels=BLUE, namespace="far"),
        pod("d", "node2", pool.THREE, pool.THREE6, labels=BLUE),
        pod("e", "node2", pool.FOUR, pool.FOUR6, labels=BLUE, deleted="2025-01-01T00:00:00Z"),
    ]


def _policies(*, target: int, mode: str | None = None, addresses: Sequence[str] = ()) -> list[Object]:
    """The same backends for service web and for an address of either family."""
    frontends = [to_service("web"), *(to_address(ip, *both(80)) for ip in ADDRESS)]
    return [
        balancing(f"p{number}", frontend, *both(target), labels=BLUE, mode=mode, addresses=addresses)
        for number, frontend in enumerate(frontends)
    ]


@pytest.fixture(scope="module")
def to_pods(host: Host) -> None:
    host.balancer.apply(_web(), _pods(), _policies(target=pool.PORT))


@pytest.mark.usefixtures("to_pods")
@pytest.mark.parametrize("frontend", FRONTENDS, ids=NAMES)
def test_pods_anywhere(client: Client, talk: Talk, frontend: tuple[str, str]) -> None:
    """podEndpoint, the default: ready pods of every node and namespace; never the service's endpoints."""
    assert set(talk.tally(client, frontend, 80)) == {"one", "two", "three"}
    assert talk.one(client, frontend, 80).source == (talk.seen(frontend), 80)


def _nodes(second: tuple[str, str] = OTHER, entry: Sequence[str] = ()) -> list[Object]:
    keys = ("balancing.elf.io/nodeProxyIpv4", "balancing.elf.io/nodeProxyIpv6")
    annotations = dict(zip(keys, entry, strict=False))
    return [node("node1", *OWN), node("node2", *second, annotations=annotations or None)]


@pytest.fixture(scope="module")
def to_nodes(host: Host, _servers: None) -> None:
    host.balancer.apply(_web(), _nodes(), _pods(), _policies(target=NODE_PORT, mode="hostPort"))


@pytest.mark.usefixtures("to_nodes")
@pytest.mark.parametrize("frontend", FRONTENDS, ids=NAMES)
def test_host_port(client: Client, talk: Talk, frontend: tuple[str, str]) -> None:
    """hostPort: the InternalIP of every node with a ready pod, and the policy's port."""
    assert set(talk.tally(client, frontend, 80)) == {"node1", "node2"}


@pytest.mark.usefixtures("to_nodes")
def test_one_backend_for_each_node(client: Client) -> None:
    """Two pods on node2 do not make it twice as likely: 200 picks stay within 6 sigma of 100."""
    tally = client.tally(WEB[0], 80, count=200)
    assert all(55 < count < 145 for count in tally.values())


@pytest.mark.parametrize("mode", ["hostPort", "nodeProxy"])
def test_a_node_that_moves_is_followed(host: Host, client: Client, mode: str) -> None:
    """The Node object decides: with its new address the very next apply sends there, for both families."""
    for address, expected in ((OTHER, "node2"), (MOVED, "moved"), (OTHER, "node2")):
        nodes = _nodes(second=address)
        host.balancer.apply(_web(), nodes, _pods(), _policies(target=NODE_PORT, mode=mode))
        for ip in (*WEB, *ADDRESS):
            assert set(client.tally(ip, 80)) == {"node1", expected}


@pytest.mark.parametrize(("entry", "four", "six"), [(ENTRY, "entry", "entry"), (ENTRY[:1], "entry", "node2"),
                                                    (MOVED, "moved", "moved"), ((), "node2", "node2")],
                         ids=["both", "v4-only", "changed", "none"])  # fmt: skip
def test_node_proxy(host: Host, client: Client, entry: Sequence[str], four: str, six: str) -> None:
    """nodeProxy: the entry address of the node's annotation of that family, else its InternalIP."""
    host.balancer.apply(_web(), _nodes(entry=entry), _pods(), _policies(target=NODE_PORT, mode="nodeProxy"))
    for pair in FRONTENDS:
        assert set(client.tally(pair[0], 80)) == {"node1", four}
        assert set(client.tally(pair[1], 80)) == {"node1", six}


def test_an_entry_that_is_no_address(host: Host, client: Client) -> None:
    """It is reported, and the node's own address is used."""
    nodes = _nodes(entry=("nonsense",))
    result = host.balancer.apply(_web(), nodes, _pods(), _policies(target=NODE_PORT, mode="nodeProxy"))
    assert "nodeProxyIpv4" in result.stdout + result.stderr
    assert set(client.tally(WEB[0], 80)) == {"node1", "node2"}


@pytest.fixture(scope="module")
def to_addresses(host: Host) -> None:
    fixed = (ENTRY[0], MOVED[0], ENTRY[1])
    host.balancer.apply(_web(), _policies(target=NODE_PORT, addresses=fixed))


@pytest.mark.usefixtures("to_addresses")
@pytest.mark.parametrize("frontend", FRONTENDS, ids=NAMES)
def test_fixed_addresses(client: Client, talk: Talk, frontend: tuple[str, str]) -> None:
    """addressEndpoint: every address of the frontend's family, and none of the other."""
    expected = {"entry"} if talk.family == "v6" else {"entry", "moved"}
    assert set(talk.tally(client, frontend, 80)) == expected


def test_without_backends_the_service_answers(host: Host, client: Client) -> None:
    """No usable pod: the service as if there were no policy; an address of the policy's own refuses."""
    host.balancer.apply(_web(), _policies(target=pool.PORT))
    assert [client.tcp(ip, 80) for ip in WEB] == ["four", "four"]
    assert [client.tcp(ip, 80) for ip in ADDRESS] == ["ECONNREFUSED"] * 2
    host.balancer.apply(_web(), _pods(), _policies(target=pool.PORT))
    assert "four" not in client.tally(WEB[0], 80)
    assert set(client.tally(ADDRESS[0], 80)) == {"one", "two", "three"}


def test_affinity_of_the_service_stays(host: Host, client: Client) -> None:
    """A policy changes who answers; that one client stays with one backend is the service's affair."""
    sticky = service("web", *both(80), ips=WEB, affinity=600)
    host.balancer.apply(sticky, _pods(), _policies(target=pool.PORT))
    assert len(client.tally(WEB[0], 80)) == 1
    assert len(client.tally(ADDRESS[0], 80)) == 3


def test_ports_join_by_name(host: Host, client: Client) -> None:
    """Two ports of an address, each to the backend port of its name."""
    front, back = (port(80, "web"), port(81, "node")), (port(NODE_PORT, "node"), port(pool.PORT, "web"))
    policy = balancing("two", to_address(ADDRESS[0], *front), *back, addresses=(OWN[0], pool.TWO))
    host.balancer.apply(policy)
    assert set(client.tally(ADDRESS[0], 80)) == {"two", "ECONNREFUSED"}
    assert set(client.tally(ADDRESS[0], 81)) == {"node1", "ECONNREFUSED"}
