"""What programs remember of frontends: never older than the last pass, never a mixture, and gone before an upgrade."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import plain

from balancer.kernel import dataplane, libbpf
from balancer.kernel.layout import RECENT_SIZE
from balancer.kernel.maps import PinnedMaps, read_setting, write_settings
from balancer.kernel.pins import Generation, Pins
from balancer.model.service import Protocol
from balancer.plan.entries import INDEX, FrontendEntry, MapName, Setting, frontend_check, frontend_key
from balancer.plan.sizes import DEFAULT_SIZES

VIP = pool.vip(1)[0]
KEY = frontend_key(ip_address(VIP), 80, Protocol.TCP)
REFUSE = 1
REFUSED = "ECONNREFUSED"


@dataclass(slots=True)
class Live:
    """The live maps, the one of remembered frontends among them."""

    generation: Generation
    store: PinnedMaps
    recent: int

    def switch(self, *, to_action: int) -> None:
        """Another action for the frontend, written as no pass would: the epoch stays."""
        entry = FrontendEntry.unpack(self.store.dump(MapName.FRONTENDS)[KEY])
        self.store.update(MapName.FRONTENDS, [(KEY, entry._replace(action=to_action).pack(KEY))])

    def place(self) -> bytes:
        """The key of the frontend's record, which a connection has left behind."""
        check = struct.pack("=Q", frontend_check(KEY))
        for number in range(libbpf.map_info(self.recent).max_entries):
            if self.record(INDEX.pack(number))[8:16] == check:
                return INDEX.pack(number)
        raise LookupError("nothing is remembered")

    def record(self, place: bytes) -> bytes:
        found = libbpf.lookup(self.recent, place, RECENT_SIZE)
        assert found is not None
        return found


@pytest.fixture
def live(host: Host, client: Client) -> Iterator[Live]:
    """A service that one connection went to, so that its frontend is remembered."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    generation = Pins(host.balancer.bpffs).live()
    assert generation is not None
    assert client.tcp(VIP, 80) == "one"
    recent = libbpf.obj_get(generation.maps / "recent")
    with PinnedMaps(generation.maps) as store:
        yield Live(generation, store, recent)
    os.close(recent)


def _epoch(live: Live) -> int:
    return read_setting(live.store, Setting.EPOCH)


def test_what_was_found_is_remembered_within_an_epoch(live: Live, client: Client) -> None:
    """The control for the others: without a new epoch nobody looks at the map of frontends."""
    live.switch(to_action=REFUSE)
    assert client.tcp(VIP, 80) == "one"


def test_a_new_epoch_forgets(live: Live, client: Client) -> None:
    live.switch(to_action=REFUSE)
    write_settings(live.store, {Setting.EPOCH: _epoch(live) + 2})
    assert client.tcp(VIP, 80) == REFUSED


def test_in_an_odd_epoch_nothing_is_remembered(live: Live, client: Client) -> None:
    """Each connection sees the map as it is then, as during a pass that writes it."""
    before = _epoch(live)
    write_settings(live.store, {Setting.EPOCH: before | 1})
    for action, answer in ((REFUSE, REFUSED), (0, "one"), (REFUSE, REFUSED)):
        live.switch(to_action=action)
        assert client.tcp(VIP, 80) == answer
    write_settings(live.store, {Setting.EPOCH: before})
    assert client.tcp(VIP, 80) == "one"


@pytest.mark.parametrize("word", range(RECENT_SIZE // 8))
def test_a_record_of_which_one_word_is_of_another_does_not_count(
    live: Live, client: Client, word: int
) -> None:
    """Programs on several processors write one record without a lock, so it may be a mixture."""
    place = live.place()
    words = list(struct.unpack("=8Q", live.record(place)))
    words[word] ^= 1 << 40
    libbpf.update(live.recent, place, struct.pack("=8Q", *words))
    live.switch(to_action=REFUSE)
    assert client.tcp(VIP, 80) == REFUSED


def test_a_record_of_another_key_does_not_count(live: Live, client: Client) -> None:
    """Two keys may share a place."""
    record = live.record(live.place())
    for number in range(libbpf.map_info(live.recent).max_entries):
        libbpf.update(live.recent, INDEX.pack(number), record)
    assert client.tcp(VIP, 81) == REFUSED
    assert client.tcp(pool.vip(2)[0], 80) == "ENETUNREACH"


def test_a_pass_that_writes_begins_a_new_epoch(host: Host, live: Live, client: Client) -> None:
    before = _epoch(live)
    host.balancer.apply(plain("web", VIP, (pool.TWO,)))
    assert client.tcp(VIP, 80) == "two"
    assert _epoch(live) > before
    assert _epoch(live) % 2 == 0


def test_a_pass_ends_the_odd_epoch_that_a_killed_one_left(host: Host, live: Live) -> None:
    left = _epoch(live) | 1
    write_settings(live.store, {Setting.EPOCH: left})
    live.switch(to_action=REFUSE)
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    assert _epoch(live) == left + 1


def test_what_an_upgrade_replaces_remembers_nothing(host: Host, live: Live) -> None:
    """Both generations share the map of frontends, and only the new one's epoch is counted on."""
    sizes = live.generation.sizes() | {"affinity": DEFAULT_SIZES["affinity"] // 2}
    made = dataplane.load(Pins(host.balancer.bpffs), sizes, host.balancer.cgroup)
    assert _epoch(live) % 2 == 1
    made.remove()


def test_the_map_is_private(live: Live) -> None:
    """Only root may write what decides where connections go."""
    assert Path(live.generation.maps / "recent").stat().st_mode & 0o077 == 0
