"""One reading of everything that the metrics tell: the live maps, the hooks, a canary and the state file.

What costs much and changes seldom is kept between readings: labels until the file of names is replaced, the
canary for a minute. Everything else is read anew, so that two processes tell the same.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from balancer import durable, state
from balancer.config import Settings
from balancer.errors import NotLoaded
from balancer.kernel import mounts
from balancer.kernel.attach import attached
from balancer.kernel.canary import send_canary
from balancer.kernel.maps import PinnedMaps, read_setting
from balancer.kernel.pins import Pins
from balancer.live import counts_of, opened, source_of
from balancer.observe.series import Counted, FrontendLabels, Names, ServicePort
from balancer.plan.actual import Actual, Range, ranges_of, read_actual
from balancer.plan.counters import NO_FRONTEND, RETIRED
from balancer.plan.entries import INDEX, SETTING, FrontendEntry, MapName, Setting, frontend_key_parts
from balancer.state import State
from balancer.views import Attachment, Canary, Effect, MapFill, Status

CANARY_SECONDS = 60.0
"""How long what a canary found is believed, where one process reads again and again."""
_RESERVED = (NO_FRONTEND, RETIRED)
_TRIES = 5
_BETWEEN_LOOKS = 0.05  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What the kernel has. `decisions` are all there ever were, in the order of `Reason`; `hooks` says whether
    the kernel runs our program at each; `backends` counts each address and port once.
    """

    build_id: str
    hooks: Mapping[str, bool]
    effect: Effect
    maps: tuple[MapFill, ...]
    decisions: tuple[int, ...]
    frontends: tuple[Counted, ...]
    kinds: Mapping[tuple[str, str], int]
    backends: int
    service_backends: Mapping[ServicePort, int]
    events_lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`live` is None when nothing is loaded. `warning` is what is wrong with the state file, "" for nothing."""

    live: Live | None = None
    state: State = field(default_factory=State)
    warning: str = ""


class Reader:
    """Reads one instance again and again. For one thread at a time. `clock` is in monotonic seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._stamps: tuple[object, ...] = ()
        self._state, self._warning = State(), ""
        self._names = Names({}, ())
        self._labels: dict[tuple[bytes, int], FrontendLabels] = {}
        self._canary: tuple[float, int, Canary] | None = None
        self._most: tuple[int, ...] = ()

    def __call__(self) -> Reading:
        """Raises HostError where the kernel or the directory of pins cannot be read."""
        self._read_state()
        try:
            with opened(self._settings) as (generation, store):
                live = self._read_live(generation.build_id, store)
        except NotLoaded:
            self._canary, self._most = None, ()
            return Reading(state=self._state, warning=self._warning)
        return Reading(live=live, state=self._state, warning=self._warning)

    def _read_state(self) -> None:
        """The state file, if it was replaced; names are decoded anew only if theirs was."""
        path = self._settings.state
        stamps = (durable.stamp(state.names_path(path)), durable.stamp(path))
        if stamps == self._stamps:
            return
        known_names = bool(self._stamps) and stamps[0] == self._stamps[0]
        found, self._warning = state.load(path)
        policies_changed = found.policies != self._state.policies
        self._state, self._stamps = found, stamps
        if not known_names or policies_changed:
            self._names = Names(found.labels, found.policies)
            self._labels = {}

    def _read_live(self, build_id: int, store: PinnedMaps) -> Live:
        actual = read_actual(store)
        counts = _read_counts(store, actual)
        frontends = self._counted(actual, counts)
        hooks, effect = self._effect(build_id, store, actual)
        (lost,) = store.read(MapName.SETTINGS, [INDEX.pack(Setting.EVENTS_LOST)])
        return Live(
            build_id=f"{build_id:016x}",
            hooks=hooks,
            effect=effect,
            maps=_fill(store, actual),
            decisions=self._never_less(tuple(map(sum, zip(*counts.values(), strict=True)))),
            frontends=tuple(frontends.values()),
            kinds=Counter((item.labels.kind, item.labels.source) for item in frontends.values()),
            backends=len(set().union(*actual.blocks.values())),
            service_backends=_service_backends(actual, frontends),
            events_lost=int(SETTING.unpack(lost)[0]) if lost else 0,
        )

    def _counted(self, actual: Actual, counts: Mapping[int, tuple[int, ...]]) -> dict[bytes, Counted]:
        """The frontends by key. Labels of those that are gone are forgotten."""
        labels = {
            key: self._labels.get((key, entry.flags)) or self._label(key, entry)
            for key, entry in actual.frontends.items()
        }
        self._labels = {(key, actual.frontends[key].flags): found for key, found in labels.items()}
        return {key: Counted(labels[key], counts[entry.counter]) for key, entry in actual.frontends.items()}

    def _label(self, key: bytes, entry: FrontendEntry) -> FrontendLabels:
        return self._names.of(*frontend_key_parts(key), source_of(entry.flags, None))

    def _never_less(self, now: tuple[int, ...]) -> tuple[int, ...]:
        """A counter of Prometheus that falls has begun anew. While a pass removes frontends or replaces the
        maps, what is read may for an instant be less than it was: then the most that was seen stands. Maps
        that really began anew have far less.
        """
        if sum(now) * 2 >= sum(self._most):
            now = tuple(map(max, now, self._most or now))
        self._most = now
        return now

    def _effect(self, build_id: int, store: PinnedMaps, actual: Actual) -> tuple[dict[str, bool], Effect]:
        cgroup = mounts.resolve_cgroup(self._settings.cgroup)
        hooks = self._hooks(cgroup)
        if not all(hooks.values()):  # or else a pass was just about to put another program into a link
            time.sleep(_BETWEEN_LOOKS)
            hooks = self._hooks(cgroup)
        canary = self._sent(build_id, cgroup, store, actual) if all(hooks.values()) else Canary()
        attachments = tuple(Attachment(hook=hook, attached=found) for hook, found in hooks.items())
        return hooks, Status(loaded=True, attachments=attachments, canary=canary).effect

    def _hooks(self, cgroup: Path) -> dict[str, bool]:
        return {str(hook): found for hook, found in attached(Pins(self._settings.bpffs), cgroup).items()}

    def _sent(self, build_id: int, cgroup: Path, store: PinnedMaps, actual: Actual) -> Canary:
        now = self._clock()
        if self._canary and self._canary[1] == build_id and now - self._canary[0] < CANARY_SECONDS:
            return self._canary[2]

        def canaries() -> int:
            return read_setting(store, Setting.CANARIES)

        known = [actual]  # good for the first question; to the second one things may have changed
        canary = send_canary(cgroup, lambda: known.pop() if known else read_actual(store), canaries)
        self._canary = (now, build_id, canary)
        return canary


def _read_counts(store: PinnedMaps, actual: Actual) -> dict[int, tuple[int, ...]]:
    """Each counter that is in use, once. A pass that removes frontends moves their counts into RETIRED: as
    long as it did so meanwhile, some may be missing or there twice, and all are read again.
    """
    numbers = [*{NO_FRONTEND, *(entry.counter for entry in actual.frontends.values())}, RETIRED]
    keys = [INDEX.pack(number) for number in numbers]
    for _ in range(_TRIES):
        (before,) = store.read(MapName.COUNTERS, keys[-1:])
        raw = store.read(MapName.COUNTERS, keys)
        if raw[-1] == before:
            break
    return {number: counts_of(found) for number, found in zip(numbers, raw, strict=True)}


def _service_backends(actual: Actual, frontends: Mapping[bytes, Counted]) -> dict[ServicePort, int]:
    """How many backends each service port has, those of all its addresses together."""
    ranges: dict[tuple[str, ...], set[Range]] = defaultdict(set)
    for key, item in frontends.items():
        if item.labels.service:
            entry = actual.frontends[key]
            ranges[item.labels[:4]].add((entry.base, entry.length))
    blocks = {(0, 0): (), **actual.blocks}
    return {
        ServicePort(*port): len(set().union(*[blocks[item] for item in found]))
        for port, found in ranges.items()
    }


def _fill(store: PinnedMaps, actual: Actual) -> tuple[MapFill, ...]:
    per_frontend = len(actual.frontends) + len(_RESERVED)
    used = {
        MapName.ADDRESSES: len(actual.addresses),
        MapName.FRONTENDS: len(actual.frontends),
        MapName.SLOTS: sum(length for _, length in ranges_of(actual.frontends.values())),
        MapName.MEMBERS: len(actual.members),
        MapName.AFFINITY: len(store.dump(MapName.AFFINITY)),
        MapName.COUNTERS: per_frontend,
        MapName.CGROUPS: len(actual.cgroups),
        MapName.OWNERS: len(actual.owners),
        MapName.RATES: per_frontend,
    }
    return tuple(
        MapFill(name=name, used=count, capacity=store.capacity(name)) for name, count in used.items()
    )
