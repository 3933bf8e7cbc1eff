"""service_redirect nodePort: a host without a route to pods goes by way of nodes.

What a node port leads to on a node is the node's affair; here a server on each node's own address
stands for it, and says by which node a connection came in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.client import Way
from harness.host import Host
from harness.objects import both, endpoint, endpoint_slice, node, service

from netns.world import ENDPOINTS, PORT, WIRE, World, address_of, balanced, conditions

WEB, LOCAL, ONE_NODE, NO_NODE_PORT = 40, 41, 42, 43


@pytest.fixture(scope="module")
def edge(world: World) -> Iterator[Host]:
    """The outside host in edge mode."""
    host = world.hosts["outside"]
    for number in (WEB, LOCAL, ONE_NODE):
        for name, addresses in WIRE.items():
            for address in addresses:
                world.hosts[name].servers.serve(name, address, 30080 + number)
    host.balancer.config.write_text("service_redirect: nodePort\n")
    host.balancer.apply(
        [node(name, *addresses) for name, addresses in WIRE.items()],
        balanced("web", WEB),
        balanced("local", LOCAL, externalTrafficPolicy="Local", internalTrafficPolicy="Local"),
        balanced("one", ONE_NODE, conditions(b1=None, b2=None)),
        service("bare", *both(80), ips=[address_of(NO_NODE_PORT, "cluster")[0]]),
        endpoint_slice("bare", [endpoint(ENDPOINTS["a1"][1], node="node1")], *both(PORT)),
    )
    yield host
    host.balancer.config.unlink()


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("way_in", ["cluster", "external", "lb"])
def test_goes_by_every_node_with_a_pod(edge: Host, way_in: str, way: Way, six: bool) -> None:
    """Each node that runs a ready pod of the service is a backend, with the service's node port."""
    address, port = address_of(WEB, way_in, six=six)
    assert set(edge.client.tally(address, port, way=way)) == {"node1", "node2"}
    assert edge.client.one(way, address, port).source == (address, port)


@pytest.mark.parametrize("way", list(Way))
def test_a_node_without_pod_is_no_way(edge: Host, way: Way) -> None:
    """Only nodes with a pod: another one might have to forward, or refuse."""
    assert set(edge.client.tally(*address_of(ONE_NODE, "cluster"), way=way)) == {"node1"}


def test_nodes_are_a_way_each_once(edge: Host) -> None:
    """Two pods on one node do not make it twice as likely: 200 picks stay within 6 sigma of 100."""
    tally = edge.client.tally(*address_of(WEB, "cluster"), count=200)
    assert all(55 < count < 145 for count in tally.values())


def test_without_node_port_it_is_refused(edge: Host) -> None:
    """There is no way to the pods of a service without a node port."""
    assert edge.client.tcp(*address_of(NO_NODE_PORT, "cluster")) == "ECONNREFUSED"


def test_local_policies_keep_their_meaning(edge: Host) -> None:
    """The internal policy has no local endpoint here; each node's own port keeps to that node."""
    assert edge.client.tcp(*address_of(LOCAL, "cluster")) == "EHOSTUNREACH"
    for name in WIRE:
        assert set(edge.client.tally(*address_of(LOCAL, name))) == {name}
