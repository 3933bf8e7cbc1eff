"""The live maps as the last pass left them, and plans for a few frontends that cost what these few do.

A plan made here is one that `diff.make_plan` could have made: the same writes in the same order, by the same
code, only that new lists may lie elsewhere. What it needs to know of everything else (free slots and counters,
who shares a list, which frontends are of a group) is kept up instead of being worked out from all of it. Whatever is
not plainly covered raises `Unsure`, and then only a full plan is right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from balancer.plan.actual import Actual, Range, ranges_of, read_blocks
from balancer.plan.blocks import Placement, free_ranges
from balancer.plan.brakes import is_mass_delete
from balancer.plan.diff import Difference, Plan, assemble, compare
from balancer.plan.encode import BackendList, Wanted, WantedFrontend
from balancer.plan.entries import MEMBER, FrontendEntry, MapName, address_flags
from balancer.plan.free import FreeCounters, FreeSlots
from balancer.plan.store import MapStore


class Unsure(Exception):
    """A narrow plan may not be right, or not be possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """`plan` turns what the maps hold of all that may differ, `actual`, into `wanted`."""

    plan: Plan
    wanted: Wanted
    actual: Actual


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be different: the frontends and addresses of `put` come or are replaced, those gone go.

    `put.cgroups` and `put.owners` are all that there are to be; its members are not looked at. The counts are
    how many frontends and addresses there are to be in the end.
    """

    put: Wanted
    gone: frozenset[bytes] = frozenset()
    addresses_gone: frozenset[bytes] = frozenset()
    frontend_count: int
    address_count: int


class Live:
    """What the maps hold, with indexes. `wanted` and `actual` say the same, read back after a pass; `slots` is
    the size of the slots map.

    `plan` and then `follow`, or nothing any more: what a plan takes is taken, and after an exception this is of
    no use.
    """

    def __init__(self, wanted: Wanted, actual: Actual, slots: int) -> None:
        self.frontends: dict[bytes, FrontendEntry] = dict(actual.frontends)
        self.logical: dict[bytes, WantedFrontend] = dict(wanted.frontends)
        self.addresses: dict[bytes, int] = dict(actual.addresses)
        self.cgroups, self.owners = actual.cgroups, actual.owners
        self.member_count = len(actual.members)
        counters = {entry.counter for entry in self.frontends.values()}
        self._sound = _are_apart(actual.blocks) and len(counters) == len(self.frontends)
        self._slots = FreeSlots(free_ranges(actual, slots))
        self._counters = FreeCounters(counters)
        self._bases = {backends: base for (base, _), backends in sorted(actual.blocks.items(), reverse=True)}
        self._users: Counter[Range] = Counter()
        self._groups: dict[int, set[bytes]] = defaultdict(set)
        for key, entry in self.frontends.items():
            self._users.update(ranges_of([entry]))
            for group in _groups_of(self.logical[key]):
                self._groups[group].add(key)

    def plan(self, asked: Asked, capacities: Mapping[MapName, int], *, settled: bool) -> Narrow:
        """The plan for what is asked. Raises Unsure."""
        wanted, actual = self._excerpts(asked)
        difference = compare(wanted, actual)
        self._check(wanted, actual, difference, capacities)
        self._count(asked, wanted, actual, difference)
        placement = self._place(difference.lists(wanted))
        counters = {key: self._counters.take() for key in difference.added}
        if max(counters.values(), default=0) >= min(capacities[MapName.COUNTERS], capacities[MapName.RATES]):
            raise Unsure("no counter is free")
        plan = assemble(difference, placement, counters, wanted, actual, settled=settled)
        return Narrow(plan=plan, wanted=wanted, actual=actual)

    def follow(self, done: Narrow, read: Actual) -> None:
        """The plan was played, and `read` is what the maps were found to hold of all that it was about: the
        same as wanted.
        """
        for key in done.wanted.frontends:
            self._users.update(ranges_of([read.frontends[key]]))
        for key in done.actual.frontends:
            self._leave(key, goes=key not in done.wanted.frontends)
        for key, item in done.wanted.frontends.items():
            self._enter(key, read.frontends[key], item)
        for address in done.actual.addresses.keys() - done.wanted.addresses.keys():
            del self.addresses[address]
        self.addresses.update(done.wanted.addresses)
        self.member_count += len(done.wanted.members) - len(done.actual.members)
        self.cgroups, self.owners = done.wanted.cgroups, done.wanted.owners

    def _leave(self, key: bytes, *, goes: bool) -> None:
        """The frontend as it was is no more; `goes`: nor is there another one in its place."""
        entry, item = self.frontends.pop(key), self.logical.pop(key)
        for group in _groups_of(item):
            self._groups[group].discard(key)
        for place in ranges_of([entry]):
            self._users[place] -= 1
            if not self._users[place]:
                self._free(place, item)
        if goes:
            self._counters.give(entry.counter)

    def _free(self, place: Range, item: WantedFrontend) -> None:
        """Nobody uses the slots any more that held a list of the frontend."""
        del self._users[place]
        self._slots.give(*place)
        for backends in (item.backends, item.fallback):
            if len(backends) == place[1] and self._bases.get(backends) == place[0]:
                del self._bases[backends]

    def _enter(self, key: bytes, entry: FrontendEntry, item: WantedFrontend) -> None:
        self.frontends[key], self.logical[key] = entry, item
        for group in _groups_of(item):
            self._groups[group].add(key)
        self._bases.setdefault(item.backends, entry.base)
        self._bases.setdefault(item.fallback, entry.fallback_base)

    def _excerpts(self, asked: Asked) -> tuple[Wanted, Actual]:
        """What is wanted and what is live, both without what nobody asks to change."""
        new = asked.put.frontends
        live = {key: self.frontends[key] for key in (*new, *asked.gone) if key in self.frontends}
        touched = (*asked.put.addresses, *asked.addresses_gone)
        items = (*(self.logical[key] for key in live), *new.values())
        groups = {group for item in items for group in _groups_of(item)}
        actual = Actual(
            frontends=live,
            blocks=dict(self._blocks(live)),
            addresses={key: self.addresses[key] for key in touched if key in self.addresses},
            members=frozenset(self._members(groups, {})),
            cgroups=self.cgroups,
            owners=self.owners,
        )
        members = frozenset(self._members(groups, {**dict.fromkeys(live), **new}))
        return replace(asked.put, members=members), actual

    def _blocks(self, live: Mapping[bytes, FrontendEntry]) -> Iterator[tuple[Range, BackendList]]:
        for key, entry in live.items():
            yield (entry.base, entry.length), self.logical[key].backends
            yield (entry.fallback_base, entry.fallback_length), self.logical[key].fallback

    def _members(
        self, groups: Iterable[int], instead: Mapping[bytes, WantedFrontend | None]
    ) -> Iterator[bytes]:
        """The members of these groups, with other frontends in the place of some; None for those that go."""
        more: dict[int, set[bytes]] = defaultdict(set)
        for key, item in instead.items():
            for group in _groups_of(item) if item else ():
                more[group].add(key)
        for group in groups:
            lists: dict[int, BackendList] = {}
            for key in self._groups.get(group, set()) | more[group]:
                item = instead[key] if key in instead else self.logical[key]
                for name, backends in _lists_of(item) if item else ():
                    if name == group:
                        lists[id(backends)] = backends
            yield from (MEMBER.pack(group, raw) for backends in lists.values() for raw in backends)

    def _check(
        self, wanted: Wanted, actual: Actual, difference: Difference, capacities: Mapping[MapName, int]
    ) -> None:
        """That there is room for old and new at once, and that no brake would hold the plan."""
        peaks = {
            MapName.FRONTENDS: len(self.frontends) + len(difference.added),
            MapName.ADDRESSES: len(self.addresses) + len(wanted.addresses.keys() - actual.addresses.keys()),
            MapName.MEMBERS: self.member_count + len(wanted.members - actual.members),
            MapName.CGROUPS: len(wanted.cgroups.keys() | actual.cgroups.keys()),
            MapName.OWNERS: len(wanted.owners | actual.owners),
        }
        if not self._sound or any(need > capacities[name] for name, need in peaks.items()):
            raise Unsure("there may be no room")
        if is_mass_delete(len(difference.removed), len(self.frontends)):
            raise Unsure("a large part goes")

    def _count(self, asked: Asked, wanted: Wanted, actual: Actual, difference: Difference) -> None:
        """Where two of the desired state are one here (an address and its v4-mapped form), counts do not fit."""
        frontends = len(self.frontends) + len(difference.added) - len(difference.removed)
        addresses = len(self.addresses) + len(wanted.addresses) - len(actual.addresses)
        if (frontends, addresses) != (asked.frontend_count, asked.address_count):
            raise Unsure("there would be other frontends or addresses than are desired")

    def _place(self, lists: Iterable[BackendList]) -> Placement:
        """The block that already holds a list, or free slots for it."""
        base_of: dict[BackendList, int] = {(): 0}
        new: list[tuple[int, BackendList]] = []
        for backends in sorted(set(lists) - {()}, key=lambda item: (-len(item), item)):
            base = self._bases.get(backends)
            if base is None:
                base = self._slots.take(len(backends))
                if base is None:
                    raise Unsure("there is no room for a list")
                new.append((base, backends))
            base_of[backends] = base
        return Placement(base_of=base_of, new=tuple(sorted(new)))


def read_excerpt(store: MapStore, about: Narrow) -> Actual:
    """What the maps hold now of all that a narrow plan was about. Raises KernelCallFailed."""
    keys = sorted(about.wanted.frontends.keys() | about.actual.frontends.keys())
    raw = zip(keys, store.read(MapName.FRONTENDS, keys), strict=True)
    frontends = {key: FrontendEntry.unpack(value) for key, value in raw if value is not None}
    addresses = sorted(about.wanted.addresses.keys() | about.actual.addresses.keys())
    flags = zip(addresses, store.read(MapName.ADDRESSES, addresses), strict=True)
    members = sorted(about.wanted.members | about.actual.members)
    found = zip(members, store.read(MapName.MEMBERS, members), strict=True)
    return Actual(
        frontends=frontends,
        blocks=read_blocks(store, ranges_of(frontends.values())),
        addresses={key: address_flags(value) for key, value in flags if value is not None},
        members=frozenset(key for key, value in found if value is not None),
        cgroups=_dump(store, MapName.CGROUPS, about.wanted.cgroups or about.actual.cgroups),
        owners=frozenset(_dump(store, MapName.OWNERS, about.wanted.owners or about.actual.owners)),
    )


def _dump(store: MapStore, name: MapName, expected: Collection[bytes]) -> dict[bytes, bytes]:
    """The whole of a map of few entries, where there are any."""
    return store.dump(name) if expected else {}


def _are_apart(blocks: Mapping[Range, BackendList]) -> bool:
    """Whether every list is where its frontend says, and no two share a slot."""
    end = 0
    for (base, length), backends in sorted(blocks.items()):
        if base < end or len(backends) != length:
            return False
        end = base + length
    return True


def _lists_of(item: WantedFrontend) -> tuple[tuple[int, BackendList], ...]:
    return ((item.group, item.backends), (item.fallback_group, item.fallback))


def _groups_of(item: WantedFrontend) -> tuple[int, ...]:
    return tuple(group for group, _ in _lists_of(item) if group)
