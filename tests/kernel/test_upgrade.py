"""The running programs are replaced by a new build, or by larger maps, while clients connect without pause.

Each sort of upgrade is done once, with everything in place that has to survive it; each test then looks at
one thing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import pool
from harness.client import Client, Socket, Way
from harness.hammer import Hammer
from harness.host import Host
from harness.objects import Object, both, endpoint_slice, plain, port, service
from harness.talk import Family, Talk

from balancer.kernel.pins import Generation, Pins

STORM, HELD = pool.vip(1), pool.vip(2)
STICKY = pool.vip(3)[0]
TREE = Path(__file__).parents[2]
SMALL = "map_limits: {addresses: 64, frontends: 64, slots: 64, members: 64, counters: 65, rates: 65}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What was there before an upgrade and what is there after it. Sockets come with what they are to show."""

    storms: dict[Talk, Counter[str]]
    hammers: list[Counter[str]]
    connected: dict[Talk, Socket]
    unconnected: dict[Talk, tuple[Socket, str]]
    sticky: tuple[str, str]
    counts: tuple[Any, Any]
    affinity: tuple[Any, Any]


def live(host: Host) -> Generation:
    found = Pins(host.balancer.bpffs).live()
    assert found is not None
    return found


def served() -> list[Object]:
    """A service for storms, one for sockets that stay, both in two families, and one with affinity."""
    objects: list[Object] = []
    for name, (four, six) in (("storm", STORM), ("held", HELD)):
        objects += plain(name, four, pool.FOUR_ADDRESSES)
        objects += plain(f"{name}6", six, pool.SIX_ADDRESSES)
    objects.append(service("sticky", *both(80), ips=(STICKY,), affinity=600))
    objects.append(endpoint_slice("sticky", pool.FOUR_ADDRESSES, *both(pool.PORT)))
    return objects


def more(count: int) -> list[Object]:
    """Services with an endpoint of their own each."""
    found: list[Object] = []
    for number in range(1, count + 1):
        found.append(service(f"more{number}", port(80), ips=(f"10.101.0.{number}",)))
        found.append(endpoint_slice(f"more{number}", [f"10.202.0.{number}"], port(8080)))
    return found


def release(directory: Path) -> Path:
    """Another release of the product: a copy of the tree with other C source."""
    for name in ("balancer", "bpf", "schemas"):
        shutil.copytree(TREE / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    source = directory / "bpf" / "balancer.c"
    source.write_text(source.read_text() + "\n/* the next release */\n")
    return directory


def release_with_more_reasons(directory: Path) -> Path:
    """One that counts one thing more of each frontend, so that a counter is larger."""
    release(directory)
    for name, old, new in (
        ("bpf/reasons.h", "\tREASON_COUNT = 8,", "\tREASON_NEW = 8,\n\tREASON_COUNT = 9,"),
        ("balancer/kernel/reasons.py", "    UNKNOWN_PORT = 7", "    UNKNOWN_PORT = 7\n    NEW = 8"),
    ):
        text = (directory / name).read_text()
        assert text.count(old) == 1
        (directory / name).write_text(text.replace(old, new))
    return directory


def _upgrade(host: Host, kind: str, directory: Path, patch: pytest.MonkeyPatch) -> None:
    before = live(host)
    if kind == "new build":
        patch.setenv("PYTHONPATH", str(release(directory)))
    else:
        host.balancer.config.unlink()
        host.balancer.add("more.yaml", *more(80))
    host.balancer.run("apply", str(host.balancer.manifests))
    assert Pins(host.balancer.bpffs).generations() == (live(host),)
    assert live(host) != before


def _talks(*ways: Way) -> list[Talk]:
    return [Talk(way=way, family=family) for way in ways for family in Family]


def _open_connected(client: Client, talk: Talk) -> Socket:
    mapped = talk.family is Family.MAPPED
    return client.open_connected(talk.way, talk.pick(HELD), 80, mapped=mapped)


def _open_unconnected(client: Client, talk: Talk) -> tuple[Socket, str]:
    """A socket that has been answered once, and by whom."""
    socket = client.open_udp(six=talk.family is Family.IPV6, mapped=talk.family is Family.MAPPED)
    (first,) = socket.exchange(talk.pick(HELD), 80)
    return socket, first.name


def _counts(host: Host) -> dict[tuple[str, str], int]:
    """What each frontend that no storm is for has forwarded, and what was refused without one."""
    shown = host.balancer.json("get", "frontends")["frontends"]
    found = {
        (item["address"], item["protocol"]): item["forwarded"]
        for item in shown
        if item["address"] in (*HELD, STICKY)
    }
    found["", "unknown port"] = host.balancer.json("status")["counters"]["unknown_port"]
    return found


def _affinity(host: Host) -> list[tuple[str, int, str]]:
    records = host.balancer.json("get", "affinity")["affinity"]
    return [(item["group"], item["client"], item["address"]) for item in records]


@pytest.fixture(scope="module", params=["new build", "larger maps"])
def upgraded(
    request: pytest.FixtureRequest, host: Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    client = host.client
    host.balancer.run("detach")
    if request.param == "larger maps":
        host.balancer.config.write_text(SMALL)
    host.balancer.apply(served())
    sticky = (client.tcp(STICKY, 80), client.udp(STICKY, 80))
    connected = {talk: _open_connected(client, talk) for talk in _talks(Way.TCP, Way.CONNECTED)}
    unconnected = {talk: _open_unconnected(client, talk) for talk in _talks(Way.UNCONNECTED)}
    client.tally(HELD[0], 81, count=5)
    counts, affinity = _counts(host), _affinity(host)
    clients = [host.add_client(f"storm{number}") for number in range(2)]
    storms = {talk: _storm(clients[number % 2], talk) for number, talk in enumerate(_talks(*Way))}
    hammers = [Hammer(host.place("hammer"), address, 80) for address in STORM]
    with pytest.MonkeyPatch.context() as patch:
        _upgrade(host, request.param, tmp_path_factory.mktemp("release"), patch)
        hammered = [hammer.rest() for hammer in hammers]
        outcomes = {talk: storm.calm() for talk, storm in storms.items()}
        yield Upgraded(
            storms=outcomes,
            hammers=hammered,
            connected=connected,
            unconnected=unconnected,
            sticky=sticky,
            counts=(counts, _counts(host)),
            affinity=(affinity, _affinity(host)),
        )
    for socket in (*connected.values(), *(socket for socket, _ in unconnected.values())):
        socket.close()


def _storm(client: Client, talk: Talk) -> Any:
    return client.storm(talk.way, talk.pick(STORM), 80, mapped=talk.family is Family.MAPPED)


def test_no_connection_fails_or_goes_untranslated(upgraded: Upgraded) -> None:
    """Every sort of socket reaches a backend every time. Nothing has a route to the service's address, so
    that a connection that is not translated ends with ENETUNREACH.
    """
    assert len(upgraded.storms) == 9
    for talk, outcomes in upgraded.storms.items():
        assert set(outcomes) <= set(pool.NAMES), (talk, outcomes)
        assert sum(outcomes.values()) > 20, (talk, outcomes)


def test_not_one_call_goes_untranslated(upgraded: Upgraded) -> None:
    """Links are switched, never taken off: two processes do nothing but connect(), each for one family."""
    for outcomes in upgraded.hammers:
        assert set(outcomes) == {"ok"}
        assert outcomes["ok"] > 10_000


def test_open_sockets_keep_what_they_were_told(upgraded: Upgraded) -> None:
    """getpeername goes on showing the service's address for a socket that was connected before."""
    for talk, socket in upgraded.connected.items():
        assert socket.peer() == (talk.seen(HELD), 80), talk
        if talk.way is Way.CONNECTED:
            assert len({socket.say() for _ in range(5)} & set(pool.NAMES)) == 1


def test_unconnected_sockets_keep_backend_and_source(upgraded: Upgraded) -> None:
    """A socket that sends without connecting stays with its backend, and replies come from the service."""
    for talk, (socket, backend) in upgraded.unconnected.items():
        replies = socket.exchange(talk.pick(HELD), 80, count=8)
        assert {reply.name for reply in replies} == {backend}
        assert {reply.source for reply in replies} == {(talk.seen(HELD), 80)}


def test_affinity_is_kept(host: Host, upgraded: Upgraded) -> None:
    """A client stays with its backend, for each protocol on its own."""
    before, after = upgraded.affinity
    assert (len(before), after) == (2, before)
    assert host.client.tally(STICKY, 80, count=20) == {upgraded.sticky[0]: 20}
    assert host.client.tally(STICKY, 80, way=Way.UNCONNECTED, count=20) == {upgraded.sticky[1]: 20}


def test_counters_are_kept(upgraded: Upgraded) -> None:
    """What was counted before is there after. The canaries of reading are in no count."""
    before, after = upgraded.counts
    unknown = ("", "unknown port")
    assert before[unknown] == 5
    assert after == before
    assert before[HELD[0], "TCP"] == 2  # an IPv4 socket and one that uses the mapped address


def test_forth_and_back_under_load(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that is undone at once, as a failed roll-out is."""
    host.balancer.apply(served())
    before = live(host)
    storms = [host.client.storm(way, STORM[0], 80) for way in Way]
    _upgrade(host, "new build", tmp_path, monkeypatch)
    monkeypatch.delenv("PYTHONPATH")
    host.balancer.run("apply", str(host.balancer.manifests))
    assert live(host) == before
    for storm in storms:
        outcomes = storm.calm()
        assert set(outcomes) <= set(pool.NAMES), outcomes


def test_a_release_that_counts_more_and_back(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters of another size are carried over by their reasons; the new release can read the old maps."""
    host.balancer.apply(served())
    host.client.tally(HELD[0], 80, count=5)
    before = _counts(host)
    monkeypatch.setenv("PYTHONPATH", str(release_with_more_reasons(tmp_path)))
    assert _counts(host) == before
    host.balancer.run("apply", str(host.balancer.manifests))
    assert _counts(host) == before
    host.client.tally(HELD[0], 80, count=5)
    monkeypatch.delenv("PYTHONPATH")
    host.balancer.run("apply", str(host.balancer.manifests))
    assert _counts(host) == {**before, (HELD[0], "TCP"): before[HELD[0], "TCP"] + 5}
