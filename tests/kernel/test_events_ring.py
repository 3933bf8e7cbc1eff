"""The ring of events, with real sockets: what each decision is told as, and what never floods."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import Object, both, endpoint_slice, local_redirect, plain, pod, service, to_service
from harness.talk import Talk

from balancer.kernel import netns
from balancer.kernel import ring as module
from balancer.kernel.cgroups import cgroup_id
from balancer.kernel.pins import Pins
from balancer.kernel.reasons import Reason
from balancer.kernel.ring import EventFlag, EventLevel, Listener, RawEvent
from balancer.plan.entries import backend_bytes, backend_parts

WEB, EMPTY, LOCAL, STICKY, NEAR = (pool.vip(number) for number in range(1, 6))
NODE_PORT = 30080
UID = "00000001-aaaa-bbbb-cccc-dddddddddddd"
NOBODY = bytes(20)
SO_NETNS_COOKIE = 71


def _served(*web: str) -> list[Object]:
    """One service for each way a decision can come out."""
    six = [endpoint_slice("web", (pool.ONE6,), *both(pool.PORT))]
    sticky = [service("sticky", *both(80), ips=STICKY[:1], affinity=60)]
    sticky.append(endpoint_slice("sticky", pool.FOUR_ADDRESSES, *both(pool.PORT)))
    redirect = local_redirect(
        "near", to_service("near"), *both(pool.PORT), labels={"app": "near"}, rate="1000000"
    )
    return [
        service("web", *both(80, node_port=NODE_PORT), ips=WEB, kind="NodePort"),
        endpoint_slice("web", web or (pool.ONE,), *both(pool.PORT)),
        *six,
        service("empty", *both(80), ips=EMPTY),
        service("local", *both(80), ips=LOCAL, internalTrafficPolicy="Local"),
        endpoint_slice("local", (pool.TWO,), *both(pool.PORT)),
        endpoint_slice("local", (pool.TWO6,), *both(pool.PORT)),
        *sticky,
        *plain("near", NEAR[0], (pool.THREE,)),
        redirect,
        pod("near", "node1", pool.TWO, uid=UID, labels={"app": "near"}),
    ]


@pytest.fixture(scope="module")
def inside(host: Host) -> Client:
    """A client in the cgroup of the redirect's own backend."""
    return host.add_client(f"kubepods/pod{UID}/container")


@pytest.fixture(scope="module")
def served(host: Host, inside: Client) -> None:
    host.balancer.apply(_served())


@pytest.fixture
def restored(host: Host, served: None) -> Iterator[None]:
    """For a test that applies something else."""
    yield
    host.balancer.apply(_served())


@pytest.fixture
def ring(host: Host, served: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A listener that need not hurry to renew."""
    monkeypatch.setattr(module, "_AHEAD", 600 * 10**9)
    with Listener(Pins(host.balancer.bpffs), EventLevel.ALL) as listener:
        yield listener


def _apply(host: Host, ring: Listener, *objects: Object | list[Object]) -> None:
    """A pass, and the listener follows what it replaced."""
    host.balancer.apply(*objects)
    ring.renew()


def _backend(address: str, port: int) -> bytes:
    return backend_bytes(ip_address(address), port)


def _reasons(events: list[RawEvent]) -> list[Reason]:
    return [Reason(event.reason) for event in events]


def test_a_forwarded_call(ring: Listener, client: Client, talk: Talk) -> None:
    """Every sort of socket: one event with both addresses; a mapped address is told as IPv4."""
    talk.one(client, WEB, 80)
    (event,) = ring.drain()
    assert event.asked == _backend(talk.pick(WEB), 80)
    assert event.chosen == _backend(talk.pick((pool.ONE, pool.ONE6)), pool.PORT)
    assert (event.reason, event.counter > 1) == (Reason.FORWARDED, True)
    assert event.protocol == (socket.IPPROTO_TCP if talk.way is Way.TCP else socket.IPPROTO_UDP)
    assert event.flags == (0 if talk.way is Way.UNCONNECTED else EventFlag.CONNECT)
    assert (ring.drain(), ring.lost) == ([], 0)


@pytest.mark.parametrize(
    ("vip", "port", "reason"),
    [
        (EMPTY, 80, Reason.REFUSED),
        (LOCAL, 80, Reason.UNREACHABLE),
        (WEB, 81, Reason.UNKNOWN_PORT),
    ],
    ids=["refused", "unreachable", "unknown port"],
)
def test_a_rejected_call(
    ring: Listener, client: Client, talk: Talk, vip: tuple[str, str], port: int, reason: Reason
) -> None:
    """Nobody is chosen; only a port that no frontend has is counted without one."""
    assert talk.one(client, vip, port).errno
    (event,) = ring.drain()
    assert (event.asked, event.chosen) == (_backend(talk.pick(vip), port), NOBODY)
    assert event.reason == reason
    assert bool(event.counter) == (reason is not Reason.UNKNOWN_PORT)
    assert event.flags == (0 if talk.way is Way.UNCONNECTED else EventFlag.CONNECT)


def test_affinity(ring: Listener, client: Client) -> None:
    """The first connection of a client picks, the others follow it."""
    client.tally(STICKY[0], 80, count=3)
    events = ring.drain()
    assert _reasons(events)[1:] == [Reason.AFFINITY] * 2
    assert len({event.chosen for event in events}) == 1


def test_fallback(ring: Listener, inside: Client) -> None:
    """A redirect's own backend is given what is beneath the redirect."""
    assert inside.tcp(NEAR[0], 80) == "three"
    (event,) = ring.drain()
    assert (event.reason, event.chosen) == (Reason.FALLBACK, _backend(pool.THREE, pool.PORT))


@pytest.mark.usefixtures("restored")
def test_rate_limited(host: Host, ring: Listener, client: Client) -> None:
    """Events tell of each connection which side of the rate it was on."""
    objects = [item for item in _served() if item["kind"] != "LocalRedirectPolicy"]
    ports = both(pool.PORT)
    slow = local_redirect("near", to_service("near"), *ports, labels={"app": "near"}, rate="1")
    _apply(host, ring, objects, slow)
    names = client.tally(NEAR[0], 80, count=20)
    found = [(Reason(event.reason), backend_parts(event.chosen)[0]) for event in ring.drain()]
    above = (Reason.RATE_LIMITED, ip_address(pool.THREE))
    assert found.count((Reason.FORWARDED, ip_address(pool.TWO))) == names["two"]
    assert found.count(above) == names["three"] >= 17


@pytest.mark.parametrize("target", [pool.OWN[0], pool.LOOPBACK[0], pool.OWN[1]])
def test_a_node_port_of_every_address(ring: Listener, client: Client, target: str) -> None:
    """The address asked is told as it was; a flag says that the frontend's key is another one."""
    assert client.tcp(target, NODE_PORT) == "one"
    client.tcp(WEB[0], 80)
    asked, direct = ring.drain()
    assert asked.asked == _backend(target, NODE_PORT)
    assert [bool(event.flags & EventFlag.NODE_PORT) for event in (asked, direct)] == [True, False]


def test_who_asked(host: Host, ring: Listener, client: Client, inside: Client) -> None:
    """Process, command, cgroup and network namespace are those of the caller."""
    for asking in (client, inside):
        asking.tcp(WEB[0], 80)
    own, other = ring.drain()
    with netns.socket_in(Path("/run/netns") / host.netns, socket.AF_INET, socket.SOCK_DGRAM, 0) as probe:
        cookie = int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), "little")
    for event, asking, place in ((own, client, "host"), (other, inside, f"kubepods/pod{UID}/container")):
        assert event.pid == asking.pid
        assert event.comm == Path(f"/proc/{asking.pid}/comm").read_text().strip()
        assert event.cgroup == cgroup_id(host.cgroup / place)
        assert event.netns == cookie
    assert own.socket != other.socket
    assert 0 < own.time < other.time


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("mapped", [False, True], ids=["v4", "mapped"])
def test_an_unconnected_socket_is_told_of_once(
    host: Host, ring: Listener, client: Client, mapped: bool
) -> None:
    """One event when the socket gets a backend, none while it stays, one when it has to change."""
    talking = client.open_udp(mapped=mapped)
    assert {reply.name for reply in talking.exchange(WEB[0], 80, count=50)} == {"one"}
    (first,) = ring.drain()
    _apply(host, ring, _served(pool.TWO))
    assert {reply.name for reply in talking.exchange(WEB[0], 80, count=50)} == {"two"}
    (second,) = ring.drain()
    assert [backend_parts(event.chosen)[0] for event in (first, second)] == [
        ip_address(pool.ONE),
        ip_address(pool.TWO),
    ]
    assert first.socket == second.socket


@pytest.mark.parametrize("mapped", [False, True], ids=["v4", "mapped"])
def test_a_rejected_destination_is_told_of_once(ring: Listener, client: Client, mapped: bool) -> None:
    """A resolver that tries its dead servers in turn, without end, is one event for each of them."""
    talking = client.open_udp(mapped=mapped)
    unknown = [(WEB[0], port) for port in range(81, 87)]
    for _ in range(20):
        for vip, port in ((EMPTY[0], 80), (LOCAL[0], 80), *unknown):
            assert talking.exchange(vip, port)[0].errno
    told = [Reason.REFUSED, Reason.UNREACHABLE, *[Reason.UNKNOWN_PORT] * len(unknown)]
    assert _reasons(ring.drain()) == told


def test_a_canary_is_no_event_and_in_no_count(host: Host, ring: Listener) -> None:
    """Whoever looks at a host again and again must not find himself in what he sees."""
    before = host.balancer.json("status")
    after = host.balancer.json("status")
    assert (after["canary"]["result"], after["counters"]) == ("worked", before["counters"])
    assert ring.drain() == []


@pytest.mark.usefixtures("restored")
def test_a_destination_that_changes_is_news(host: Host, ring: Listener, client: Client) -> None:
    """Forwarded, then refused, then forwarded again: each is told of once, however many datagrams follow."""
    talking = client.open_udp()
    for objects in (_served(), [service("web", *both(80), ips=WEB[:1])], _served(pool.TWO)):
        _apply(host, ring, objects)
        talking.exchange(WEB[0], 80, count=5)
    assert _reasons(ring.drain()) == [Reason.FORWARDED, Reason.REFUSED, Reason.FORWARDED]


def test_a_later_listener_is_told_again(host: Host, ring: Listener, client: Client) -> None:
    """Who comes after a rejection was told of still learns that it goes on."""
    talking = client.open_udp()
    talking.exchange(EMPTY[0], 80, count=5)
    assert _reasons(ring.drain()) == [Reason.REFUSED]
    with Listener(Pins(host.balancer.bpffs), EventLevel.REJECTIONS) as later:
        talking.exchange(EMPTY[0], 80, count=5)
        assert _reasons(later.drain()) == [Reason.REFUSED]


def test_connecting_is_always_told(ring: Listener, client: Client) -> None:
    """Every connect is a decision of its own, rejected or not."""
    for way in (Way.TCP, Way.CONNECTED):
        client.tally(WEB[0], 80, way=way, count=5)
        client.tally(EMPTY[0], 80, way=way, count=5)
    assert _reasons(ring.drain()) == ([Reason.FORWARDED] * 5 + [Reason.REFUSED] * 5) * 2


def test_what_is_not_ours_is_not_told(ring: Listener, client: Client) -> None:
    """Neither a connection to a backend itself, nor one to a port that no service has on a node's address."""
    client.tcp(pool.ONE, pool.PORT)
    client.tcp(pool.OWN[0], 9)
    assert ring.drain() == []
