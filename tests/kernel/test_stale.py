"""Connected sockets whose backend goes: ended so that their owners resolve again, and nobody else's are.

The complaint about every socket load balancer: nginx keeps a connected UDP socket to its resolver's
address, the DNS pod is replaced, and nginx asks the pod that is gone until it is restarted.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.netns import namespace
from harness.objects import plain
from harness.talk import Family

VIP = pool.vip(1)
# What the next send on an ended socket says; whoever waits for an answer is woken with ECONNABORTED.
ENDED, ENDED_TCP = "EDESTADDRREQ", "ECONNABORTED"


def _pair(family: Family, number: int) -> str:
    return (pool.SIX_ADDRESSES if family is Family.IPV6 else pool.FOUR_ADDRESSES)[number]


def _vip(family: Family) -> str:
    return VIP[1] if family is Family.IPV6 else VIP[0]


def _serve(host: Host, *numbers: int) -> dict[str, object]:
    """Makes these backends serve the VIP, in both families; returns what apply printed."""
    services = [
        *plain("four", VIP[0], [pool.FOUR_ADDRESSES[number] for number in numbers]),
        *plain("six", VIP[1], [pool.SIX_ADDRESSES[number] for number in numbers]),
    ]
    host.balancer.write(services)
    shown: dict[str, object] = host.balancer.json(
        "apply", "--allow-mass-delete", str(host.balancer.manifests)
    )
    return shown


@pytest.fixture
def elsewhere(host: Host, kernel_ready: None) -> Iterator[Client]:
    """A client in a network namespace of its own, with the host's backends on its own loopback."""
    with namespace("stale", addresses=pool.FOUR_ADDRESSES) as netns:
        host.add_servers(netns).serve("own", pool.ONE, pool.PORT)
        yield host.add_client("elsewhere", netns=netns)


@pytest.mark.parametrize("family", list(Family))
def test_a_long_lived_resolver_keeps_getting_answers(host: Host, client: Client, family: Family) -> None:
    """The socket gets an error at once instead of silence; a new one reaches the new backend."""
    _serve(host, 0)
    socket = client.open_connected(Way.CONNECTED, _vip(family), 80, mapped=family is Family.MAPPED)
    assert socket.say() == "one"
    assert _serve(host, 1)["sockets_ended"] == 1
    assert socket.say() == ENDED
    again = client.open_connected(Way.CONNECTED, _vip(family), 80, mapped=family is Family.MAPPED)
    assert again.say() == "two"
    again.close()


def test_a_socket_whose_backend_stays_is_left_alone(host: Host, client: Client) -> None:
    _serve(host, 0)
    socket = client.open_connected(Way.CONNECTED, VIP[0], 80)
    assert _serve(host, 0, 1, 2)["sockets_ended"] == 0
    assert socket.say() == "one"
    socket.close()


def test_a_socket_that_was_not_translated_is_left_alone(host: Host, client: Client) -> None:
    """Connected to the backend's own address: none of our business, whoever serves the VIP."""
    _serve(host, 0)
    socket = client.open_connected(Way.CONNECTED, pool.ONE, pool.PORT)
    assert _serve(host, 1)["sockets_ended"] == 0
    assert socket.say() == "one"
    socket.close()


def test_every_network_namespace_is_looked_at(host: Host, elsewhere: Client) -> None:
    """A pod's sockets live in the pod's namespace."""
    _serve(host, 0)
    socket = elsewhere.open_connected(Way.CONNECTED, VIP[0], 80)
    assert socket.say() == "own"
    assert _serve(host, 1)["sockets_ended"] == 1
    assert socket.say() == ENDED


def test_a_deleted_service_ends_its_sockets(host: Host, client: Client) -> None:
    _serve(host, 0)
    socket = client.open_connected(Way.CONNECTED, VIP[0], 80)
    host.balancer.apply(plain("other", pool.vip(9)[0], (pool.TWO,)))
    assert socket.say() == ENDED


def test_a_backend_that_left_another_service_only(host: Host, client: Client) -> None:
    """One backend of two services leaves one of them: only the sockets of that one end."""
    other = pool.vip(2)[0]
    host.balancer.apply(plain("a", VIP[0], (pool.ONE,)), plain("b", other, (pool.ONE,)))
    leaving = client.open_connected(Way.CONNECTED, VIP[0], 80)
    staying = client.open_connected(Way.CONNECTED, other, 80)
    host.balancer.apply(plain("a", VIP[0], (pool.TWO,)), plain("b", other, (pool.ONE,)))
    assert (leaving.say(), staying.say()) == (ENDED, "one")
    staying.close()


def test_unconnected_sockets_are_never_ended(host: Host, client: Client) -> None:
    """They move by themselves with their next datagram, and only if their backend went."""
    _serve(host, 0)
    socket = client.open_udp()
    assert socket.exchange(VIP[0], 80)[0].name == "one"
    assert _serve(host, 1)["sockets_ended"] == 0
    assert socket.exchange(VIP[0], 80)[0].name == "two"
    socket.close()


def test_what_a_killed_pass_left_is_ended_by_the_next(host: Host, client: Client) -> None:
    """Whether a socket is stale is judged by what is there, not by what a pass changed."""
    _serve(host, 0)
    socket = client.open_connected(Way.CONNECTED, VIP[0], 80)
    _serve(host, 1)
    again = client.open_connected(Way.CONNECTED, VIP[0], 80)
    assert socket.say() == ENDED
    assert _serve(host, 1)["sockets_ended"] == 0
    assert again.say() == "two"
    again.close()


@pytest.mark.parametrize("family", list(Family))
def test_tcp_stays_unless_asked_for(host: Host, client: Client, family: Family) -> None:
    """An established connection may still be drained by a backend that shuts down."""
    _serve(host, 0)
    held = [
        client.open_connected(Way.TCP, _vip(family), 80, mapped=family is Family.MAPPED) for _ in range(2)
    ]
    assert _serve(host, 1)["sockets_ended"] == 0
    assert held[0].say() == "one"
    host.balancer.config.write_text("close_stale_tcp: true\n")
    try:
        assert _serve(host, 1)["sockets_ended"] == 1
    finally:
        host.balancer.config.unlink()
    assert held[1].say() == ENDED_TCP
