"""A `MapStore` in memory that behaves like the kernel's maps.

It checks key and value sizes, bounds and capacity, handles keys in order, counts calls, and can fail or
be killed at any single write, so that a batch is left half done.
"""

from __future__ import annotations

import errno
import itertools
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from balancer.errors import KernelCallFailed
from balancer.plan import entries
from balancer.plan.actual import read_actual
from balancer.plan.counters import NO_FRONTEND, RETIRED
from balancer.plan.diff import Plan
from balancer.plan.entries import INDEX, MapName
from balancer.plan.execute import execute

COUNTER = struct.Struct("=8Q")  # of one CPU
HASH_SIZES = {
    MapName.ADDRESSES: (entries.ADDRESS.size, entries.ADDRESS_INFO.size),
    MapName.FRONTENDS: (entries.FRONTEND_KEY.size, entries.FRONTEND.size),
    MapName.MEMBERS: (entries.MEMBER.size, entries.MEMBER_VALUE.size),
    MapName.AFFINITY: (entries.AFFINITY_KEY.size, entries.AFFINITY.size),
    MapName.CGROUPS: (entries.CGROUP_ID.size, entries.CGROUP_FLAGS.size),
    MapName.OWNERS: (entries.OWNER.size, entries.OWNER_VALUE.size),
}
ARRAY_SIZES = {
    MapName.SLOTS: entries.BACKEND.size,
    MapName.COUNTERS: COUNTER.size,
    MapName.SETTINGS: entries.SETTING.size,
    MapName.RATES: 16,
}
CAPACITIES = dict.fromkeys(HASH_SIZES, 4096) | {
    MapName.SLOTS: 4096,
    MapName.COUNTERS: 4098,
    MapName.SETTINGS: 8,
    MapName.RATES: 4098,
}


class Killed(BaseException):
    """What SIGKILL is to a process: no handler of expected errors catches it."""


@dataclass(frozen=True)
class Failure:
    """Fail the single write number `at` (from 0) with `errno`; everything before it is done."""

    at: int
    errno: int = errno.ENOMEM


class MemoryStore:
    """Maps in dictionaries. Array maps start full of zeros, as in the kernel.

    `calls` counts calls by method name, `written` single writes of all kinds (a synchronize is one).
    `kill_after` raises Killed before single write number `kill_after` (from 0).
    """

    def __init__(self, capacities: Mapping[MapName, int] | None = None) -> None:
        self.capacities = CAPACITIES | dict(capacities or {})
        self.maps: dict[MapName, dict[bytes, bytes]] = {name: {} for name in MapName}
        self.calls: Counter[str] = Counter()
        self.written = 0
        self.failure: Failure | None = None
        self.kill_after: int | None = None

    def capacity(self, name: MapName) -> int:
        return self.capacities[name]

    def dump(self, name: MapName) -> dict[bytes, bytes]:
        self.calls["dump"] += 1
        if name not in HASH_SIZES:
            raise ValueError(f"{name} is no hash map")
        return dict(self.maps[name])

    def read(self, name: MapName, keys: Sequence[bytes]) -> list[bytes | None]:
        self.calls["read"] += 1
        return [self._read_one(name, key) for key in keys]

    def update(self, name: MapName, entries: Sequence[tuple[bytes, bytes]]) -> None:
        self.calls["update"] += 1
        for key, value in entries:
            self._write(f"update map {name}", lambda key=key, value=value: self._put(name, key, value))

    def delete(self, name: MapName, keys: Sequence[bytes]) -> None:
        self.calls["delete"] += 1
        for key in keys:
            self._write(f"delete from map {name}", lambda key=key: self._remove(name, key))

    def retire(self, keys: Sequence[bytes]) -> None:
        """Two single writes for each key."""
        self.calls["retire"] += 1
        for key in keys:
            self._write("add to a retired counter", lambda key=key: self._add(RETIRED, self.counts(key)))
            self._write(
                "zero a counter", lambda key=key: self._put(MapName.COUNTERS, key, bytes(COUNTER.size))
            )

    def synchronize(self) -> None:
        self.calls["synchronize"] += 1
        self._write("synchronize", lambda: None)

    def copy(self) -> MemoryStore:
        """The same content, with nothing counted yet and nothing going to fail."""
        twin = MemoryStore(self.capacities)
        twin.maps = {name: dict(values) for name, values in self.maps.items()}
        return twin

    def prefixes(self, plan: Plan) -> Iterator[MemoryStore]:
        """What a kill after 0, 1, 2, ... single writes of the plan leaves, up to the whole plan."""
        killed = True
        for number in itertools.count():
            if not killed:
                return
            twin = self.copy()
            twin.kill_after = number
            try:
                execute(plan, twin)
                killed = False
            except Killed:
                killed = True
            twin.kill_after = None
            yield twin

    def counts(self, key: bytes) -> tuple[int, ...]:
        """The decisions in an entry of the counters map, by reason."""
        raw = self._read_one(MapName.COUNTERS, key)
        return COUNTER.unpack(raw) if raw else ()

    def decide(self, counter: int, reason: int, times: int = 1) -> None:
        """What a program does when it decides: the entry counts."""
        self._add(counter, tuple(times if index == reason else 0 for index in range(8)))

    def decisions(self) -> tuple[int, ...]:
        """All that was ever decided, by reason: what has no frontend, what had one, and what has one."""
        live = [entry.counter for entry in read_actual(self).frontends.values()]
        found = [self.counts(INDEX.pack(counter)) for counter in (NO_FRONTEND, RETIRED, *live)]
        return tuple(map(sum, zip(*found, strict=True)))

    def _add(self, counter: int, counts: tuple[int, ...]) -> None:
        key = INDEX.pack(counter)
        pairs = zip(self.counts(key), counts, strict=True)
        self._put(MapName.COUNTERS, key, COUNTER.pack(*(one + other for one, other in pairs)))

    def logical(self) -> dict[str, object]:
        """What the maps mean, whatever slots and counters are used: equal states are equal here."""
        actual = read_actual(self)
        return {
            "frontends": {key: actual.logical(key) for key in actual.frontends},
            "addresses": actual.addresses,
            "members": actual.members,
            "cgroups": actual.cgroups,
            "owners": actual.owners,
        }

    def _write(self, action: str, change: Callable[[], None]) -> None:
        if self.written == self.kill_after:
            raise Killed
        if self.failure and self.written == self.failure.at:
            raise KernelCallFailed(action, self.failure.errno)
        change()
        self.written += 1

    def _read_one(self, name: MapName, key: bytes) -> bytes | None:
        self._check_key(name, key)
        if name in HASH_SIZES:
            return self.maps[name].get(key)
        if INDEX.unpack(key)[0] >= self.capacities[name]:
            return None
        return self.maps[name].get(key, bytes(ARRAY_SIZES[name]))

    def _put(self, name: MapName, key: bytes, value: bytes) -> None:
        self._check_key(name, key)
        size = HASH_SIZES[name][1] if name in HASH_SIZES else ARRAY_SIZES[name]
        if len(value) != size:
            raise ValueError(f"a value of {name} has {size} bytes, not {len(value)}")
        full = name in HASH_SIZES and key not in self.maps[name] and self._is_full(name)
        outside = name in ARRAY_SIZES and INDEX.unpack(key)[0] >= self.capacities[name]
        if full or outside:
            raise KernelCallFailed(f"update map {name}", errno.E2BIG)
        self.maps[name][key] = value

    def _remove(self, name: MapName, key: bytes) -> None:
        self._check_key(name, key)
        if name not in HASH_SIZES:
            raise KernelCallFailed(f"delete from map {name}", errno.EINVAL)
        self.maps[name].pop(key, None)

    def _is_full(self, name: MapName) -> bool:
        return len(self.maps[name]) >= self.capacities[name]

    def _check_key(self, name: MapName, key: bytes) -> None:
        size = HASH_SIZES[name][0] if name in HASH_SIZES else INDEX.size
        if len(key) != size:
            raise ValueError(f"a key of {name} has {size} bytes, not {len(key)}")
