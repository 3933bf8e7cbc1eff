"""Policies on a network of hosts: each host is served by what is near to it, from one directory."""

from __future__ import annotations

import pytest
from harness.client import Client, Way
from harness.objects import Object, balancing, both, local_redirect, node, pod, to_address, to_service

from netns.world import CLIENTS, ENDPOINTS, EVERYONE, ON_NODE1, PORT, WIRE, World, address_of, balanced

WEB = 50
LOCAL, ANY = ("169.254.20.50", "fd00:169::50"), ("100.64.0.50", "fd00:64::50")
LABELS = {"app": "web"}
NODE_PORT = 9050


def _pods() -> list[Object]:
    return [pod(name, where[0], *where[1:], labels=LABELS) for name, where in ENDPOINTS.items()]


def _directory() -> list[Object]:
    """Service web to local pods, addresses of its own to local pods, to nodes and to all pods."""
    policies = [local_redirect("web", to_service("web"), *both(PORT), labels=LABELS)]
    for six in (False, True):
        near, far = to_address(LOCAL[six], *both(80)), to_address(ANY[six], *both(80))
        policies.append(local_redirect(f"near{six:d}", near, *both(PORT), labels=LABELS))
        policies.append(balancing(f"far{six:d}", far, *both(PORT), labels=LABELS))
    return [*balanced("web", WEB), *_pods(), *policies]


@pytest.fixture(scope="module")
def _applied(world: World) -> None:
    world.apply(_directory())


def _client(world: World, kind: str) -> Client:
    return world.hosts["node2"].client if kind == "node2" else world.client(kind)


NEAR = {"pod": ON_NODE1, "node": ON_NODE1, "node2": EVERYONE - ON_NODE1}


@pytest.mark.usefixtures("_applied")
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("client", [*NEAR, "outside"])
def test_a_local_redirect_stays_on_each_node(world: World, client: str, way: Way, six: bool) -> None:
    """The pods of the client's own node, for pods and for processes of it; elsewhere the service, or nobody."""
    asking = _client(world, client)
    by_service = asking.tally(*address_of(WEB, "cluster", six=six), way=way)
    by_address = asking.tally(LOCAL[six], 80, way=way)
    assert set(by_service) == NEAR.get(client, EVERYONE)
    assert set(by_address) == NEAR.get(client, {"ECONNREFUSED"})


@pytest.mark.usefixtures("_applied")
@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("client", CLIENTS)
def test_a_balancing_policy_reaches_every_pod(world: World, client: str, way: Way, six: bool) -> None:
    """From everywhere, hosts outside of the cluster included; the client sees the address it asked."""
    asking = world.client(client)
    assert set(asking.tally(ANY[six], 80, way=way)) == EVERYONE
    assert asking.one(way, ANY[six], 80).source == (ANY[six], 80)


def test_by_way_of_the_nodes(world: World) -> None:
    """hostPort: a host without a route to pods goes by every node that has one."""
    outside = world.hosts["outside"]
    policies = []
    for number, address in enumerate(ANY):
        frontend = to_address(address, *both(80))
        policies.append(balancing(f"p{number}", frontend, *both(NODE_PORT), labels=LABELS, mode="hostPort"))
        for name, addresses in WIRE.items():
            world.hosts[name].servers.serve(name, addresses[number], NODE_PORT)
    nodes = [node(name, *addresses) for name, addresses in WIRE.items()]
    for pods, expected in ((_pods(), {"node1", "node2"}), (_pods()[:1], {"node1"})):
        outside.balancer.apply(nodes, pods, policies)
        for address in ANY:
            assert set(outside.client.tally(address, 80)) == expected
