"""What the metrics read: maps in memory, and a state file on disk."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from memory_store import MemoryStore
from plan_builders import converge, converged, desired, frontend, key, wanted

from balancer import state
from balancer.config import Settings
from balancer.desired.types import Frontend
from balancer.errors import NotLoaded
from balancer.kernel.hooks import Hook
from balancer.kernel.pins import Generation
from balancer.kernel.reasons import Reason
from balancer.observe import metrics_reading
from balancer.observe.metrics_reading import Live, Reader
from balancer.plan.counters import NO_FRONTEND, RETIRED
from balancer.plan.entries import INDEX, SETTING, FrontendEntry, MapName, Setting
from balancer.views import Canary, CanaryResult, Effect

WEB = frontend("10.96.0.1:80", "10.0.0.1:80", "10.0.0.2:80", name="Service d/web", group="w")
API = frontend("10.96.0.2:80", "10.0.0.2:80", name="Service d/api", group="a")


class World:
    """One instance whose maps are in memory; `canaries` are the results it will have, the last one again."""

    def __init__(self, directory: Path) -> None:
        self.settings = Settings(state=directory / "state.json")
        self.store: MemoryStore | None = converged(wanted(WEB, API))
        self.now = 0.0
        self.attached = True
        self.canaries = [CanaryResult.WORKED]
        self.sent = 0
        self.read = Reader(self.settings, lambda: self.now)

    @contextmanager
    def opened(self, _settings: Settings) -> Iterator[tuple[Generation, MemoryStore]]:
        if self.store is None:
            raise NotLoaded("nothing")
        yield Generation(Path("/pins/00000000000000ab")), self.store

    def send(self, *_details: object) -> Canary:
        self.sent += 1
        return Canary(result=self.canaries.pop(0) if len(self.canaries) > 1 else self.canaries[0])

    def save(self, *frontends: Frontend) -> None:
        labels, _ = state.label_frontends(desired(*frontends))
        state.save(self.settings.state, state.State(labels=labels))

    def count(self, number: int, **counts: int) -> None:
        assert self.store is not None
        values = [counts.get(reason.name.lower(), 0) for reason in Reason]
        self.store.maps[MapName.COUNTERS][INDEX.pack(number)] = struct.pack("=8Q", *values)

    def counter_of(self, text: str) -> int:
        assert self.store is not None
        return FrontendEntry.unpack(self.store.maps[MapName.FRONTENDS][key(text)]).counter

    def live(self) -> Live:
        found = self.read().live
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr(metrics_reading, "opened", made.opened)
    monkeypatch.setattr(metrics_reading, "attached", lambda *_: dict.fromkeys(Hook, made.attached))
    monkeypatch.setattr(metrics_reading, "send_canary", made.send)
    monkeypatch.setattr(metrics_reading.mounts, "resolve_cgroup", lambda _: Path("/"))
    return made


def test_decisions_are_all_that_there_ever_were(world: World) -> None:
    """Those without a frontend and those of frontends that are gone included."""
    world.count(NO_FRONTEND, unknown_port=4)
    world.count(RETIRED, forwarded=100)
    world.count(world.counter_of("10.96.0.1:80"), forwarded=3, affinity=2)
    counts = dict(zip(Reason, world.live().decisions, strict=True))
    assert (counts[Reason.FORWARDED], counts[Reason.AFFINITY], counts[Reason.UNKNOWN_PORT]) == (103, 2, 4)


def test_frontends_are_labelled_by_the_state_file(world: World) -> None:
    world.save(WEB, API)
    world.count(world.counter_of("10.96.0.1:80"), forwarded=3)
    found = {item.labels.service: item for item in world.live().frontends}
    assert found.keys() == {"web", "api"}
    assert (found["web"].total, found["api"].total) == (3, 0)


def test_new_names_are_taken_up(world: World) -> None:
    world.save(WEB)
    assert sorted(item.labels.service for item in world.live().frontends) == ["", "web"]
    world.save(replace(WEB, object="Service d/other"), API)
    assert sorted(item.labels.service for item in world.live().frontends) == ["api", "other"]


def test_backends_are_counted_once(world: World) -> None:
    world.save(WEB, API)
    live = world.live()
    assert live.backends == 2
    assert {port.service: count for port, count in live.service_backends.items()} == {"web": 2, "api": 1}


def test_backends_of_a_service_port_are_those_of_all_its_addresses(world: World) -> None:
    other = replace(API, object=WEB.object)
    world.save(WEB, other)
    assert list(world.live().service_backends.values()) == [2]


def test_how_full_the_maps_are(world: World) -> None:
    used = {item.name: (item.used, item.capacity) for item in world.live().maps}
    assert used["frontends"] == (2, 4096)
    assert (used["slots"][0], used["counters"][0], used["addresses"][0]) == (3, 4, 2)


def test_events_lost(world: World) -> None:
    assert world.store is not None
    world.store.maps[MapName.SETTINGS][INDEX.pack(Setting.EVENTS_LOST)] = SETTING.pack(7)
    assert world.live().events_lost == 7


def test_a_pass_that_moves_counts_meanwhile_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first and the last entry that is read, another process retires a frontend."""
    store = world.store
    assert store is not None
    world.count(world.counter_of("10.96.0.1:80"), forwarded=50)
    read, moved = store.read, [False]

    def retiring(name: MapName, keys: list[bytes]) -> list[bytes | None]:
        found = read(name, keys)
        if name is MapName.COUNTERS and len(keys) == 1 and not moved[0]:
            moved[0] = True
            store.retire([INDEX.pack(world.counter_of("10.96.0.1:80"))])
        return found

    monkeypatch.setattr(store, "read", retiring)
    assert world.live().decisions[Reason.FORWARDED] == 50
    assert moved[0]


def test_decisions_never_go_down(world: World) -> None:
    """Not when a frontend goes, whose own series ends, nor when a reading falls into a pass."""
    assert world.store is not None
    world.count(world.counter_of("10.96.0.1:80"), forwarded=50)
    world.count(world.counter_of("10.96.0.2:80"), forwarded=60)
    assert world.live().decisions[Reason.FORWARDED] == 110
    converge(wanted(API), world.store)
    assert world.live().decisions[Reason.FORWARDED] == 110
    assert [item.total for item in world.live().frontends] == [60]
    world.count(RETIRED)
    assert world.live().decisions[Reason.FORWARDED] == 110


def test_maps_that_began_anew_are_told_as_they_are(world: World) -> None:
    """A counter that falls is what Prometheus takes for a new beginning."""
    world.count(NO_FRONTEND, unknown_port=1000)
    world.live()
    world.count(NO_FRONTEND, unknown_port=3)
    assert world.live().decisions[Reason.UNKNOWN_PORT] == 3


def test_so_is_what_was_removed_and_loaded_again(world: World) -> None:
    world.count(NO_FRONTEND, unknown_port=10)
    world.live()
    store, world.store = world.store, None
    assert world.read().live is None
    world.store = store
    world.count(NO_FRONTEND, unknown_port=9)
    assert world.live().decisions[Reason.UNKNOWN_PORT] == 9


def test_nothing_loaded_still_has_a_state_file(world: World) -> None:
    world.store = None
    state.save(world.settings.state, state.State(stale_files=("b.yaml",)))
    found = world.read()
    assert (found.live, found.state.stale_files) == (None, ("b.yaml",))


def test_a_damaged_state_file_is_said(world: World) -> None:
    world.settings.state.write_text("{")
    assert "damaged" in world.read().warning


def test_a_canary_is_believed_for_a_minute(world: World) -> None:
    world.canaries = [CanaryResult.WORKED, CanaryResult.FAILED]
    found = []
    for world.now in (0.0, 59.0, 60.0):
        found.append(world.live().effect)
    assert found == [Effect.EFFECTIVE, Effect.EFFECTIVE, Effect.INEFFECTIVE]
    assert world.sent == 2


def test_no_canary_is_sent_where_a_hook_is_missing(world: World) -> None:
    world.attached = False
    assert (world.live().effect, world.sent) == (Effect.INEFFECTIVE, 0)
