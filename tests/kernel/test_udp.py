"""Unconnected UDP sockets: one socket, many datagrams, several services, endpoints that come and go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from harness import pool
from harness.client import Client, Socket, Way
from harness.host import Host
from harness.objects import Object, plain

VIP = pool.vip(1)[0]
SOCKETS = 12


def _web(endpoints: Sequence[Object | str]) -> list[Object]:
    return plain("web", VIP, endpoints)


def _names(sockets: Sequence[Socket], vip: str = VIP) -> list[str]:
    return [socket.exchange(vip, 80)[0].outcome for socket in sockets]


@pytest.fixture(params=[False, True], ids=["v4", "mapped"])
def sockets(request: pytest.FixtureRequest, client: Client) -> list[Socket]:
    """Sockets that stay open: each is a client of its own."""
    return [client.open_udp(mapped=request.param) for _ in range(SOCKETS)]


def test_one_socket_keeps_its_backend(host: Host, sockets: list[Socket]) -> None:
    """One unconnected socket talks to one endpoint of a service: DNS retries and QUIC depend on it."""
    host.balancer.apply(_web(pool.FOUR_ADDRESSES))
    for socket in sockets:
        assert len({reply.name for reply in socket.exchange(VIP, 80, count=50)}) == 1


def test_different_sockets_spread(host: Host, sockets: list[Socket]) -> None:
    """Every socket picks for itself."""
    host.balancer.apply(_web(pool.FOUR_ADDRESSES))
    names = set(_names(sockets))
    assert 1 < len(names) <= len(pool.NAMES)
    assert names <= set(pool.NAMES)


def test_adding_a_backend_moves_nobody(host: Host, sockets: list[Socket]) -> None:
    """A socket whose endpoint is still usable stays with it."""
    host.balancer.apply(_web((pool.ONE, pool.TWO, pool.THREE)))
    before = _names(sockets)
    host.balancer.apply(_web(pool.FOUR_ADDRESSES))
    assert _names(sockets) == before


def test_removing_a_backend_moves_its_sockets_alone(host: Host, sockets: list[Socket]) -> None:
    """Only the sockets of the endpoint that went pick again, and then they stay."""
    host.balancer.apply(_web(pool.FOUR_ADDRESSES))
    before = _names(sockets)
    lost = before[0]
    kept = [a for name, a in zip(pool.NAMES, pool.FOUR_ADDRESSES, strict=True) if name != lost]
    host.balancer.apply(_web(kept))
    after = _names(sockets)
    assert lost not in after
    assert set(after) <= set(pool.NAMES)
    assert [new for old, new in zip(before, after, strict=True) if old != lost] == [
        n for n in before if n != lost
    ]
    assert _names(sockets) == after


def test_the_last_backend_going_refuses_the_socket(host: Host, sockets: list[Socket]) -> None:
    """A datagram for a service without endpoints fails at once instead of vanishing, and works again later."""
    host.balancer.apply(_web((pool.ONE,)))
    assert set(_names(sockets)) == {"one"}
    host.balancer.apply(_web(()))
    assert set(_names(sockets)) == {"ECONNREFUSED"}
    host.balancer.apply(_web((pool.TWO,)))
    assert set(_names(sockets)) == {"two"}


def test_one_socket_and_several_services(host: Host, client: Client, sockets: list[Socket]) -> None:
    """Each reply shows the service it was asked of, also when services share endpoints."""
    host.balancer.apply(plain("a", pool.vip(1)[0], pool.FOUR_ADDRESSES), plain("b", pool.vip(2)[0], (pool.ONE,)),
                        plain("c", pool.vip(3)[0], (pool.TWO,), number=53))  # fmt: skip
    mapped = "::ffff:" if sockets[0].exchange(VIP, 80)[0].source == (f"::ffff:{VIP}", 80) else ""
    for vip, port in ((pool.vip(1)[0], 80), (pool.vip(2)[0], 80), (pool.vip(3)[0], 53), (pool.vip(1)[0], 80)):
        for socket in sockets:
            (reply,) = socket.exchange(vip, port)
            assert reply.source == (mapped + vip, port)


def test_one_socket_to_a_service_and_to_its_endpoint(host: Host, client: Client) -> None:
    """What is sent to an endpoint directly is answered by the endpoint, not by the service."""
    host.balancer.apply(_web((pool.ONE,)))
    socket = client.open_udp()
    assert socket.exchange(VIP, 80)[0].source == (VIP, 80)
    assert socket.exchange(pool.TWO, pool.PORT)[0].source == (pool.TWO, pool.PORT)
    assert socket.exchange(VIP, 80)[0].source == (VIP, 80)


def test_an_ipv6_socket_for_both_families(host: Host, client: Client) -> None:
    """One IPv6 socket may talk to IPv6 services and, mapped, to IPv4 ones."""
    host.balancer.apply(_web((pool.ONE,)), plain("six", pool.vip(2)[1], (pool.TWO6,)))
    socket = client.open_udp(six=True)
    for target, name in ((f"::ffff:{VIP}", "one"), (pool.vip(2)[1], "two"), (f"::ffff:{VIP}", "one")):
        (reply,) = socket.exchange(target, 80)
        assert (reply.name, reply.source) == (name, (target, 80))


def test_many_sockets_at_once_keep_their_replies_apart(host: Host, client: Client) -> None:
    """The reply address belongs to the socket: thousands of others in between change nothing."""
    host.balancer.apply(_web(pool.FOUR_ADDRESSES), plain("b", pool.vip(2)[0], pool.FOUR_ADDRESSES))
    socket = client.open_udp()
    before = socket.exchange(VIP, 80)[0].name
    client.tally(pool.vip(2)[0], 80, way=Way.UNCONNECTED, count=2000)
    (reply,) = socket.exchange(VIP, 80)
    assert (reply.name, reply.source) == (before, (VIP, 80))


@pytest.mark.parametrize("mapped", [False, True], ids=["v4", "mapped"])
def test_one_socket_to_more_services_than_it_can_remember(host: Host, client: Client, mapped: bool) -> None:
    """However many services a socket has talked to, the next reply shows the one that was asked last."""
    vips = [pool.vip(number)[0] for number in range(1, 41)]
    host.balancer.apply(*(plain(f"s{n}", vip, pool.FOUR_ADDRESSES) for n, vip in enumerate(vips)))
    socket = client.open_udp(mapped=mapped)
    prefix = "::ffff:" if mapped else ""
    assert [socket.exchange(vip, 80)[0].source for vip in vips * 2] == [
        (prefix + vip, 80) for vip in vips * 2
    ]
