"""Who listens to the ring of events: several at once, slow ones, killed ones, across upgrades, and nobody."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import plain, port, service

from balancer.errors import HostUnfit, NotLoaded
from balancer.kernel import ring as module
from balancer.kernel.maps import PinnedMaps, read_setting, write_settings
from balancer.kernel.pins import Generation, Pins
from balancer.kernel.reasons import Reason
from balancer.kernel.ring import EventLevel, Listener
from balancer.plan.entries import EVENT, Setting
from balancer.plan.sizes import DEFAULT_SIZES

VIP, EMPTY = pool.vip(1)[0], pool.vip(2)[0]
TREE = Path(__file__).parents[2]
RING = DEFAULT_SIZES["events"] // (EVENT.size + 8)  # events that fit
MANY = RING + 500
LISTENING = """
import sys, time
from pathlib import Path
from balancer.kernel.pins import Pins
from balancer.kernel.ring import EventLevel, Listener
with Listener(Pins(Path(sys.argv[1])), EventLevel.ALL) as listener:
    print("listening", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens in this process need not hurry to renew."""
    monkeypatch.setattr(module, "_AHEAD", 600 * 10**9)


@pytest.fixture(scope="module")
def pins(host: Host) -> Pins:
    host.balancer.apply(plain("web", VIP, (pool.ONE,)), service("empty", port(80), ips=(EMPTY,)))
    return Pins(host.balancer.bpffs)


def _live(pins: Pins) -> Generation:
    live = pins.live()
    assert live is not None
    return live


def _setting(pins: Pins, index: Setting) -> int:
    with PinnedMaps(_live(pins).maps) as store:
        return read_setting(store, index)


def _produced(pins: Pins) -> int:
    """How far the programs have written into the ring."""
    opened = module._open_live(pins)
    try:
        return int(opened._producer[0])
    finally:
        opened.close()


def _refusals(client: Client, count: int) -> None:
    assert client.tally(EMPTY, 80, count=count) == {"ECONNREFUSED": count}


def test_nobody_listening_writes_nothing(pins: Pins, client: Client) -> None:
    """Off is off: the level is all that the programs look at."""
    before = _produced(pins)
    client.tally(VIP, 80, count=20)
    _refusals(client, 20)
    assert _produced(pins) == before
    assert _setting(pins, Setting.EVENTS_LOST) == 0


def test_two_listeners_see_everything(pins: Pins, client: Client) -> None:
    """Neither takes anything away from the other, whoever reads first."""
    with Listener(pins, EventLevel.ALL) as first, Listener(pins, EventLevel.ALL) as second:
        seen: tuple[list[object], list[object]] = ([], [])
        for _ in range(3):
            client.tally(VIP, 80, count=10)
            seen[0].extend(first.drain())
            seen[1].extend(second.drain())
        assert seen[0] == seen[1]
        assert (len(seen[0]), first.lost, second.lost) == (30, 0, 0)


def test_each_listener_has_its_level(pins: Pins, client: Client) -> None:
    """Who asks for rejections gets these alone, although another one asks for all."""
    with Listener(pins, EventLevel.REJECTIONS) as few:
        client.tcp(VIP, 80)
        with Listener(pins, EventLevel.ALL) as all_of_them:
            client.tcp(VIP, 80)
            few.renew()
            client.tcp(VIP, 80)
            _refusals(client, 2)
            assert [event.reason for event in few.drain()] == [Reason.REFUSED] * 2
            assert len(all_of_them.drain()) == 4


def test_what_was_there_before_is_not_told(pins: Pins, client: Client) -> None:
    with Listener(pins, EventLevel.ALL) as first:
        client.tcp(VIP, 80)
        with Listener(pins, EventLevel.ALL) as second:
            assert (len(first.drain()), second.drain()) == (1, [])


def test_the_last_one_switches_off(pins: Pins) -> None:
    """Whoever leaves first leaves the others their events."""
    with Listener(pins, EventLevel.ALL) as first:
        with Listener(pins, EventLevel.ALL):
            first.renew()
        assert _setting(pins, Setting.EVENT_LEVEL) == EventLevel.ALL
        first.renew()
        first.renew()
    assert _setting(pins, Setting.EVENT_LEVEL) == EventLevel.OFF


def test_the_level_falls_when_the_curious_one_leaves(pins: Pins) -> None:
    with Listener(pins, EventLevel.REJECTIONS) as few:
        with Listener(pins, EventLevel.ALL):
            assert _setting(pins, Setting.EVENT_LEVEL) == EventLevel.ALL
        for _ in range(2):
            few.renew()
        assert _setting(pins, Setting.EVENT_LEVEL) == EventLevel.REJECTIONS


def test_a_killed_listener_costs_nothing_for_long(pins: Pins, client: Client) -> None:
    """SIGKILL leaves the switch on; three seconds later it no longer counts."""
    command = [sys.executable, "-c", LISTENING, str(pins.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        client.tcp(VIP, 80)
        process.send_signal(signal.SIGKILL)
    assert _setting(pins, Setting.EVENT_LEVEL) == EventLevel.ALL
    time.sleep(3.1)
    before = _produced(pins)
    client.tally(VIP, 80, count=5)
    assert _produced(pins) == before
    with Listener(pins, EventLevel.ALL) as listener:
        client.tcp(VIP, 80)
        assert len(listener.drain()) == 1


def test_a_full_ring_loses_and_counts(pins: Pins, client: Client) -> None:
    """Who does not read gets what fits, and the exact number of the rest."""
    with Listener(pins, EventLevel.ALL) as listener:
        _refusals(client, MANY)
        assert listener.lost == MANY - RING
        assert len(listener.drain()) == RING
        _refusals(client, 3)
        assert (len(listener.drain()), listener.lost) == (3, MANY - RING)


def test_a_lapped_listener_counts_what_it_missed(pins: Pins, client: Client) -> None:
    """One that reads makes room in the ring; the other one gets the newest, whole, and knows how many went."""
    with Listener(pins, EventLevel.ALL) as slow, Listener(pins, EventLevel.ALL) as quick:
        read = 0
        for _ in range(2):
            _refusals(client, MANY // 2)
            read += len(quick.drain())
        late = slow.drain()
        assert (read, quick.lost) == (MANY // 2 * 2, 0)
        assert 0 < slow.lost == read - len(late)
        assert {(event.reason, event.pid) for event in late} == {(Reason.REFUSED, client.pid)}
        assert [event.time for event in late] == sorted(event.time for event in late)


def test_new_programs_go_on_telling(
    host: Host, pins: Pins, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade under way: every connection is one event, whichever programs and ring it was told by. The
    number of lost ones is carried over: it only grows, so that a metric of it does.
    """
    before = _live(pins)
    with PinnedMaps(before.maps) as store:
        write_settings(store, {Setting.EVENTS_LOST: 4321})
    with Listener(pins, EventLevel.ALL) as listener:
        storm = client.storm(Way.TCP, VIP, 80, pause=0.002)
        monkeypatch.setenv("PYTHONPATH", str(_release(tmp_path)))
        counted = 0
        with host.balancer.start("apply", str(host.balancer.manifests)) as upgrade:
            while upgrade.poll() is None:
                counted += _listen(listener)
        assert upgrade.returncode == 0
        for _ in range(4):
            counted += _listen(listener)
        connections = sum(storm.calm().values())
        counted += len(listener.drain())
        assert (counted, listener.lost) == (connections, 0)
    assert _live(pins) != before
    assert _setting(pins, Setting.EVENTS_LOST) == 4321
    assert _setting(pins, Setting.EVENT_LEVEL) == EventLevel.OFF


def _listen(listener: Listener) -> int:
    listener.renew()
    time.sleep(0.05)
    return len(listener.drain())


def _release(directory: Path) -> Path:
    """Another build of the product."""
    for name in ("balancer", "bpf", "schemas"):
        shutil.copytree(TREE / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    source = directory / "bpf" / "balancer.c"
    source.write_text(source.read_text() + "\n/* the next release */\n")
    return directory


def test_unloaded_and_loaded_again(host: Host, pins: Pins, client: Client) -> None:
    """A listener says when there is nothing to listen to, and goes on once there is."""
    with Listener(pins, EventLevel.ALL) as listener:
        host.balancer.run("detach")
        with pytest.raises(NotLoaded, match="no programs are attached"):
            listener.renew()
        host.balancer.apply(plain("web", VIP, (pool.ONE,)))
        listener.renew()
        client.tcp(VIP, 80)
        assert (len(listener.drain()), listener.lost) == (1, 0)
    host.balancer.run("detach")
    with pytest.raises(NotLoaded):
        Listener(pins, EventLevel.ALL)


def test_events_of_another_version_are_not_misread(
    host: Host, pins: Pins, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ring whose records have another size belongs to another version of the product."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    with Listener(pins, EventLevel.ALL) as listener:
        client.tcp(VIP, 80)
        larger = type(EVENT)(EVENT.format + "8x")
        monkeypatch.setattr(module, "EVENT", larger)
        with pytest.raises(HostUnfit, match="write events of 104 bytes, this version reads 112"):
            listener.drain()
