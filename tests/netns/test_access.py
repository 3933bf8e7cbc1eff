"""Who reaches whom: every client, every way in, HTTP and UDP, both families."""

from __future__ import annotations

import subprocess

import pytest
from harness.client import Way
from harness.place import Place

from netns.world import CLIENTS, EVERYONE, ON_NODE1, ON_NODE2, WAYS_IN, World, address_of, balanced

HTTP_AND_UDP = (Way.TCP, Way.UNCONNECTED, Way.CONNECTED)
NOBODY = frozenset({"EHOSTUNREACH"})
WEB, LOCAL = 1, 2

# externalTrafficPolicy and internalTrafficPolicy Local, as kube-proxy has it: the cluster address follows
# the internal policy; the other addresses offer every endpoint to processes of the cluster's hosts, except
# that another node's port has that node's endpoints alone.
LOCAL_ANSWERS = {
    ("pod", "cluster"): ON_NODE1, ("node", "cluster"): ON_NODE1, ("outside", "cluster"): NOBODY,
    **{(client, way): EVERYONE for client in CLIENTS for way in ("external", "lb")},
    ("pod", "node1"): EVERYONE, ("node", "node1"): EVERYONE, ("outside", "node1"): ON_NODE1,
    **{(client, "node2"): ON_NODE2 for client in CLIENTS},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _applied(world: World) -> None:
    local = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"}
    world.apply(balanced("web", WEB), balanced("local", LOCAL, **local))


@pytest.mark.parametrize("six", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("way", HTTP_AND_UDP)
@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_way_in_reaches_every_endpoint(
    world: World, client: str, way_in: str, way: Way, six: bool
) -> None:
    """A Service answers on all of its addresses, from pods, nodes and hosts outside of the cluster alike."""
    address, port = address_of(WEB, way_in, six=six)
    assert set(world.client(client).tally(address, port, way=way)) == EVERYONE


@pytest.mark.parametrize("way", HTTP_AND_UDP)
@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_client_sees_the_address_it_asked(world: World, client: str, way_in: str, way: Way) -> None:
    """Across hosts too, replies come from the address that was asked."""
    address, port = address_of(WEB, way_in)
    assert world.client(client).one(way, address, port).source == (address, port)


@pytest.mark.parametrize("way", HTTP_AND_UDP)
@pytest.mark.parametrize(("client", "way_in"), sorted(LOCAL_ANSWERS))
def test_a_local_service(world: World, client: str, way_in: str, way: Way) -> None:
    """Kubernetes: internalTrafficPolicy and externalTrafficPolicy Local, each for its own addresses."""
    address, port = address_of(LOCAL, way_in)
    assert set(world.client(client).tally(address, port, way=way)) == LOCAL_ANSWERS[client, way_in]


@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("client", CLIENTS)
def test_curl(world: World, client: str, way_in: str) -> None:
    """A program that knows nothing of the tests gets its page."""
    address, port = address_of(WEB, way_in)
    host = world.host_of(client)
    place = host.place("curl")
    shown = subprocess.run(
        place.command(["curl", "-sS", "--max-time", "5", f"http://{address}:{port}/"]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() in EVERYONE


@pytest.mark.parametrize("client", CLIENTS)
def test_pods_are_reached_directly_as_before(world: World, client: str) -> None:
    """An endpoint's own address is no service and stays as it is."""
    assert world.client(client).tcp("10.244.2.11", 8080) == "b2"


def test_a_process_outside_of_the_cgroup_is_not_served(world: World) -> None:
    """The control: without translation the wire itself knows no service address."""
    address, port = address_of(WEB, "cluster")
    fetch = ["curl", "-sS", "--max-time", "2", f"http://{address}:{port}/"]
    outsider = Place(netns=world.hosts["outside"].netns)
    assert subprocess.run(outsider.command(fetch), capture_output=True, check=False).returncode == 7
