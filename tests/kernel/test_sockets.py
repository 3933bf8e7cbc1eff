"""Every rule that ends in a connection, for each of the nine sorts of sockets.

The directory is applied once: nothing here changes it.
"""

from __future__ import annotations

import pytest
from harness import pool
from harness.client import Way
from harness.host import Host
from harness.objects import both, endpoint, endpoint_slice, node, service
from harness.talk import Family, Talk

WEB, EMPTY, FAR, PUBLIC = (pool.vip(number) for number in range(1, 5))
BALANCER, EXTERNAL = pool.balancer_ip(1), pool.external_ip(1)
NODE_PORT = 30080
ALL = {"one", "two", "three"}


def _slices(name: str, *, node_name: str) -> list[dict[str, object]]:
    families = (pool.FOUR_ADDRESSES[:3], pool.SIX_ADDRESSES[:3])
    return [
        endpoint_slice(name, [endpoint(address, node=node_name) for address in family], *both(pool.PORT))
        for family in families
    ]


@pytest.fixture(scope="module", autouse=True)
def _applied(host: Host) -> None:
    dual = {"ipFamilyPolicy": "RequireDualStack"}
    host.balancer.apply(
        node("node1", *pool.OWN),
        node("node2", *pool.OTHER_NODE),
        service("web", *both(80), ips=WEB, **dual),
        _slices("web", node_name="node2"),
        service("empty", *both(80), ips=EMPTY, **dual),
        service("far", *both(80), ips=FAR, internalTrafficPolicy="Local", **dual),
        _slices("far", node_name="node2"),
        service("public", *both(80, node_port=NODE_PORT), ips=PUBLIC, kind="LoadBalancer", lb=BALANCER,
                externalIPs=list(EXTERNAL), **dual),
        _slices("public", node_name="node1"),
    )  # fmt: skip
    for pair in (BALANCER, EXTERNAL):
        pool.real(host, pair, 22)
        pool.real(host, pair, NODE_PORT)
    for pair in (pool.OWN, pool.LOOPBACK, pool.OTHER_NODE):
        pool.real(host, pair, 22)


@pytest.mark.parametrize("target", [WEB, PUBLIC, BALANCER, EXTERNAL], ids=["web", "public", "lb", "external"])
def test_every_endpoint_answers_and_nobody_else(host: Host, talk: Talk, target: tuple[str, str]) -> None:
    """Kubernetes: a Service spreads connections over all of its ready endpoints, on every address it has."""
    assert set(talk.tally(host.client, target, 80)) == ALL


def test_connections_spread_evenly(host: Host, talk: Talk) -> None:
    """kube-proxy picks at random, with equal chances: 300 connections stay far within 6 sigma of 100 each."""
    tally = talk.tally(host.client, WEB, 80, count=300)
    assert all(50 < count < 150 for count in tally.values())


@pytest.mark.parametrize("target", [WEB, BALANCER, EXTERNAL], ids=["cluster", "lb", "external"])
def test_the_client_sees_the_address_it_asked(host: Host, talk: Talk, target: tuple[str, str]) -> None:
    """Getpeername and recvfrom show the service's address and port, as behind a NAT, never the endpoint's."""
    assert talk.one(host.client, target, 80).source == (talk.seen(target), 80)


def test_without_endpoints_it_is_refused(host: Host, talk: Talk) -> None:
    """Kubernetes: a service without endpoints rejects connections."""
    assert talk.one(host.client, EMPTY, 80).errno == "ECONNREFUSED"


def test_local_policy_without_local_endpoint_is_unreachable(host: Host, talk: Talk) -> None:
    """Kubernetes: internalTrafficPolicy Local never leaves the node."""
    assert talk.one(host.client, FAR, 80).errno == "EHOSTUNREACH"


def test_a_port_that_a_cluster_ip_lacks_is_refused(host: Host, talk: Talk) -> None:
    """A cluster address belongs to its service alone: other ports are refused at once."""
    assert talk.one(host.client, WEB, 81).errno == "ECONNREFUSED"


@pytest.mark.parametrize("target", [BALANCER, EXTERNAL], ids=["lb", "external"])
@pytest.mark.parametrize("port", [22, NODE_PORT])
def test_other_ports_of_outside_addresses_are_left_alone(
    host: Host, talk: Talk, target: tuple[str, str], port: int
) -> None:
    """Such an address may be a real host's: ssh to it goes on working, and node ports are not answered on it."""
    reply = talk.one(host.client, target, port)
    assert (reply.name, reply.source) == ("real", (talk.seen(target), port))


@pytest.mark.parametrize(
    "target", [pool.OWN, pool.LOOPBACK, pool.OTHER_NODE], ids=["own", "loopback", "other"]
)
def test_node_port_on_every_node_address(host: Host, talk: Talk, target: tuple[str, str]) -> None:
    """Kubernetes: a node port is open on every address of every node; loopback is one of this host's."""
    assert set(talk.tally(host.client, target, NODE_PORT)) == ALL
    assert talk.one(host.client, target, NODE_PORT).source == (talk.seen(target), NODE_PORT)


@pytest.mark.parametrize(
    "target", [pool.OWN, pool.LOOPBACK, pool.OTHER_NODE], ids=["own", "loopback", "other"]
)
def test_other_ports_of_nodes_are_left_alone(host: Host, talk: Talk, target: tuple[str, str]) -> None:
    """A node is a real host: what is no node port reaches it."""
    assert talk.one(host.client, target, 22).name == "real"


def test_the_node_port_is_not_answered_on_a_cluster_ip(host: Host, talk: Talk) -> None:
    """A cluster address has the service's ports alone."""
    assert talk.one(host.client, PUBLIC, NODE_PORT).errno == "ECONNREFUSED"


def test_what_is_no_service_is_left_alone(host: Host, talk: Talk) -> None:
    """An endpoint asked directly answers as itself, from its own address."""
    target = (pool.FOUR, pool.FOUR6)
    reply = talk.one(host.client, target, pool.PORT)
    assert (reply.name, reply.source) == ("four", (talk.seen(target), pool.PORT))


@pytest.mark.parametrize("family", list(Family))
def test_an_address_without_service_or_route_is_unreachable(host: Host, family: Family) -> None:
    """The control for all others: in this namespace only translation makes a cluster address answer."""
    talk = Talk(way=Way.TCP, family=family)
    assert talk.one(host.client, pool.vip(99), 80).errno == "ENETUNREACH"


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("way", [Way.TCP, Way.CONNECTED])
def test_getpeername_holds_for_the_life_of_a_socket(host: Host, family: Family, way: Way) -> None:
    """A long-lived connection shows the service's address also after many others were made."""
    talk = Talk(way=way, family=family)
    held = host.client.open_connected(way, talk.pick(WEB), 80, mapped=family is Family.MAPPED)
    talk.tally(host.client, BALANCER, 80, count=100)
    assert held.peer() == (talk.seen(WEB), 80)
    held.close()
