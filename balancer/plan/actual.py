"""What the live maps say now, in the same logical form as what they should say.

The maps are the only memory between passes: everything that a plan needs to know about the past is
read here. This must never write, and must never trust a range of slots to lie inside the map.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from balancer.plan.encode import BackendList, WantedFrontend
from balancer.plan.entries import INDEX, FrontendEntry, MapName, address_flags
from balancer.plan.store import MapStore

Range = tuple[int, int]
"""First slot and number of slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """The live maps. Keys are as in `Wanted`; `blocks` holds the slots of every range that a frontend
    refers to, and the empty list for a range that reaches past the end of the map.
    """

    frontends: Mapping[bytes, FrontendEntry] = field(default_factory=dict)
    blocks: Mapping[Range, BackendList] = field(default_factory=dict)
    addresses: Mapping[bytes, int] = field(default_factory=dict)
    members: frozenset[bytes] = frozenset()
    cgroups: Mapping[bytes, bytes] = field(default_factory=dict)
    owners: frozenset[bytes] = frozenset()

    def logical(self, key: bytes) -> WantedFrontend:
        """The frontend with the lists that its ranges hold. KeyError if there is none."""
        entry = self.frontends[key]
        return WantedFrontend(
            group=entry.group,
            fallback_group=entry.fallback_group,
            affinity_seconds=entry.affinity_seconds,
            rate=entry.rate,
            action=entry.action,
            flags=entry.flags,
            fallback_action=entry.fallback_action,
            backends=self.blocks.get((entry.base, entry.length), ()),
            fallback=self.blocks.get((entry.fallback_base, entry.fallback_length), ()),
        )


def read_actual(store: MapStore) -> Actual:
    """Read the maps. Only slots that a frontend refers to are read, all in one call.

    Raises KernelCallFailed.
    """
    frontends = {key: FrontendEntry.unpack(raw) for key, raw in store.dump(MapName.FRONTENDS).items()}
    return Actual(
        frontends=frontends,
        blocks=read_blocks(store, ranges_of(frontends.values())),
        addresses={key: address_flags(raw) for key, raw in store.dump(MapName.ADDRESSES).items()},
        members=frozenset(store.dump(MapName.MEMBERS)),
        cgroups=store.dump(MapName.CGROUPS),
        owners=frozenset(store.dump(MapName.OWNERS)),
    )


def read_frontend(store: MapStore, key: bytes) -> WantedFrontend | None:
    """One frontend with its lists, None where there is none. Raises KernelCallFailed."""
    (raw,) = store.read(MapName.FRONTENDS, [key])
    if raw is None:
        return None
    entry = FrontendEntry.unpack(raw)
    return Actual(frontends={key: entry}, blocks=read_blocks(store, ranges_of([entry]))).logical(key)


def ranges_of(entries: Iterable[FrontendEntry]) -> set[Range]:
    """The ranges of slots that these frontends refer to, the empty one left out."""
    found: set[Range] = set()
    for entry in entries:
        if entry.length:
            found.add((entry.base, entry.length))
        if entry.fallback_length:
            found.add((entry.fallback_base, entry.fallback_length))
    return found


def read_blocks(store: MapStore, ranges: set[Range]) -> dict[Range, BackendList]:
    """The lists in these ranges, the empty one for a range past the end of the map. Raises KernelCallFailed."""
    capacity = store.capacity(MapName.SLOTS)
    inside = [item for item in ranges if sum(item) <= capacity]
    indexes = sorted({index for base, length in inside for index in range(base, base + length)})
    values = store.read(MapName.SLOTS, [INDEX.pack(index) for index in indexes])
    slots = dict(zip(indexes, values, strict=True))
    blocks: dict[Range, BackendList] = dict.fromkeys(ranges, ())
    shared: dict[BackendList, BackendList] = {}
    for base, length in inside:
        found = [slots[index] for index in range(base, base + length)]
        backends = tuple([raw for raw in found if raw is not None])
        if len(backends) == length:
            blocks[base, length] = shared.setdefault(backends, backends)
    return blocks
