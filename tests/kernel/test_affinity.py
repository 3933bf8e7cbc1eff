"""sessionAffinity ClientIP with real sockets: sticks, is refreshed, expires, follows its backend.

The client is the network namespace. To tell chance from stickiness, many services are asked at once:
twenty independent picks among four backends agree by chance once in 4^20 times.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.netns import add_addresses, namespace
from harness.objects import Object, endpoint, node, plain

MANY = 20
SHORT = 2


def _services(
    endpoints: Sequence[Object | str], *, seconds: int | None, first: int = 1, count: int = MANY
) -> list[list[Object]]:
    return [
        plain(f"sticky{number}", pool.vip(number)[0], endpoints, affinity=seconds)
        for number in range(first, first + count)
    ]


def _picks(client: Client, way: Way = Way.TCP) -> list[str]:
    return [client.one(way, pool.vip(number)[0], 80).outcome for number in range(1, MANY + 1)]


@pytest.mark.parametrize("mapped", [False, True], ids=["v4", "mapped"])
@pytest.mark.parametrize("way", list(Way))
def test_sticks_for_many_connections(host: Host, client: Client, way: Way, mapped: bool) -> None:
    """Kubernetes: with ClientIP affinity one client always reaches the same endpoint."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600, count=3))
    for number in range(1, 4):
        tally = client.tally(pool.vip(number)[0], 80, way=way, mapped=mapped, count=100)
        assert list(tally.values()) == [100]
        assert set(tally) < set(pool.NAMES)


@pytest.mark.parametrize("way", list(Way))
def test_sticks_for_ipv6(host: Host, client: Client, way: Way) -> None:
    """Affinity holds for both families."""
    host.balancer.apply(plain("six", pool.vip(1)[1], pool.SIX_ADDRESSES, affinity=600))
    assert list(client.tally(pool.vip(1)[1], 80, way=way, count=100).values()) == [100]


def test_every_way_to_the_service_shares_the_choice(host: Host, client: Client) -> None:
    """Kubernetes: affinity belongs to the service port, whichever of its addresses is used."""
    lb, external, own = pool.balancer_ip(1)[0], pool.external_ip(1)[0], pool.OWN[0]
    host.balancer.apply(
        node("node1", *pool.OWN),
        plain("all", pool.vip(1)[0], pool.FOUR_ADDRESSES, affinity=600, kind="LoadBalancer", lb=[lb],
              externalIPs=[external], node_port=30080),
    )  # fmt: skip
    ways_in = [(pool.vip(1)[0], 80), (lb, 80), (external, 80), (own, 30080), ("127.0.0.1", 30080)]
    assert len({client.tcp(address, port) for address, port in ways_in for _ in range(10)}) == 1


def test_every_service_chooses_for_itself(host: Host, client: Client) -> None:
    """Affinity to one service says nothing of another."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600))
    assert len(set(_picks(client))) > 1


def test_another_network_namespace_is_another_client(host: Host, client: Client) -> None:
    """Two pods are two clients: each has a choice of its own, and keeps it."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600))
    with namespace("pod") as netns:
        add_addresses(netns, pool.FOUR_ADDRESSES)
        servers = host.add_servers(netns)
        for name, address in zip(pool.NAMES, pool.FOUR_ADDRESSES, strict=True):
            servers.serve(name, address, pool.PORT)
        other = host.add_client("pod", netns=netns)
        assert _picks(other) != _picks(client)
        assert _picks(other) == _picks(other)


def test_two_processes_of_one_namespace_are_one_client(host: Host, client: Client) -> None:
    """The client is the namespace, not the process."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600))
    assert _picks(host.add_client("second")) == _picks(client)


@pytest.mark.parametrize("way", [Way.TCP, Way.CONNECTED])
def test_expires(host: Host, client: Client, way: Way) -> None:
    """Kubernetes: timeoutSeconds after the last connection the choice is made anew."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=1))
    before = _picks(client, way)
    time.sleep(1.3)
    assert _picks(client, way) != before


def test_every_connection_refreshes(host: Host, client: Client) -> None:
    """Kubernetes: the timeout counts from the last connection, not from the first."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=SHORT))
    first = asked = time.monotonic()
    before = _picks(client)
    while time.monotonic() < first + 1.5 * SHORT:
        time.sleep(SHORT / 4)
        asked, last = time.monotonic(), asked
        picks = _picks(client)
        if time.monotonic() < last + SHORT:
            assert picks == before
        else:  # the machine paused for longer than the timeout: the choice may be another one
            first, before = asked, picks


def test_switched_off_it_spreads(host: Host, client: Client) -> None:
    """Kubernetes: sessionAffinity None on a service that had ClientIP takes effect at once, and back."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600, count=1))
    assert len(client.tally(pool.vip(1)[0], 80)) == 1
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=None, count=1))
    assert len(client.tally(pool.vip(1)[0], 80)) == len(pool.NAMES)
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600, count=1))
    assert len(client.tally(pool.vip(1)[0], 80)) == 1


@pytest.mark.parametrize("gone", [None, {"ready": False}, {"ready": False, "serving": True, "terminating": True}],
                         ids=["vanished", "unready", "terminating"])  # fmt: skip
@pytest.mark.parametrize("way", list(Way))
def test_moves_when_its_backend_is_no_longer_usable(
    host: Host, client: Client, gone: dict[str, bool] | None, way: Way
) -> None:
    """A choice counts only while its endpoint is usable; the new choice sticks in its turn."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600, count=1))
    first = client.one(way, pool.vip(1)[0], 80).outcome
    lost = pool.FOUR_ADDRESSES[pool.NAMES.index(first)]
    kept = [address for address in pool.FOUR_ADDRESSES if address != lost]
    host.balancer.apply(
        *_services([*kept, *([endpoint(lost, **gone)] if gone else [])], seconds=600, count=1)
    )
    tally = client.tally(pool.vip(1)[0], 80, way=way)
    assert len(tally) == 1
    assert first not in tally
    assert set(tally) < set(pool.NAMES)


def test_other_clients_of_the_lost_backend_alone_move(host: Host, client: Client) -> None:
    """Removing one endpoint moves only the choices that named it; adding one moves none."""
    host.balancer.apply(*_services((pool.ONE, pool.TWO, pool.THREE), seconds=600))
    before = _picks(client)
    host.balancer.apply(*_services((pool.TWO, pool.THREE, pool.FOUR), seconds=600))
    after = _picks(client)
    assert [name for name in after if name == "one"] == []
    assert [new for old, new in zip(before, after, strict=True) if old != "one"] == [
        n for n in before if n != "one"
    ]


def test_tcp_and_udp_choose_for_themselves(host: Host, client: Client) -> None:
    """Kubernetes: affinity is kept per service port, and TCP and UDP are two ports."""
    host.balancer.apply(*_services(pool.FOUR_ADDRESSES, seconds=600))
    assert _picks(client, Way.TCP) != _picks(client, Way.UNCONNECTED)
