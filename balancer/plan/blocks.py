"""Where lists of backends lie in the slots map.

A block is a run of slots that holds one list. Blocks are immutable: a slot that a live frontend
refers to is never given out, so a reader always sees a whole list. What is free is worked out from
the live frontends alone; slots that a crash left unreferenced are free again without any clean-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from balancer.errors import CapacityExceeded
from balancer.plan.actual import Actual, Range
from balancer.plan.encode import BackendList
from balancer.plan.entries import MapName

_UNBOUNDED = 1 << 62
"""A map that everything fits into: placing there tells how large the real one has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`base_of` has the first slot of every list asked for, 0 for the empty list. `new` are the blocks
    that have to be written first, by rising first slot.
    """

    base_of: Mapping[BackendList, int]
    new: tuple[tuple[int, BackendList], ...] = ()


def place(lists: Iterable[BackendList], actual: Actual, capacity: int) -> Placement:
    """A place for every list: the block that already holds it, or else the first free run that fits.

    Longer lists are placed first, which keeps the free slots in fewer pieces; the result does not
    depend on the order of `lists`. Raises CapacityExceeded if old and new blocks do not fit side by
    side; `need` is then the smallest map in which this placement would have succeeded.
    """
    base_of = _live_blocks(actual) | {(): 0}
    missing = sorted(set(lists) - base_of.keys(), key=lambda item: (-len(item), item))
    free = _FreeSlots(free_ranges(actual, _UNBOUNDED))
    new: list[tuple[int, BackendList]] = []
    for item in missing:
        base_of[item] = free.take(len(item))
        new.append((base_of[item], item))
    need = max((base + len(item) for base, item in new), default=0)
    if need > capacity:
        raise slots_exceeded(need, capacity)
    return Placement(base_of=base_of, new=tuple(sorted(new)))


def slots_exceeded(need: int, capacity: int) -> CapacityExceeded:
    """The error for a slots map in which the new blocks do not fit beside the live ones."""
    error = CapacityExceeded(map_name=MapName.SLOTS, need=need, limit=capacity)
    error.hint += "; old and new backend lists lie side by side until every frontend has changed over"
    return error


def free_ranges(actual: Actual, capacity: int) -> list[Range]:
    """The runs of slots below `capacity` that no live frontend refers to, by rising first slot."""
    free: list[Range] = []
    end = 0
    for base, length in sorted(item for item, backends in actual.blocks.items() if backends):
        if base > end:
            free.append((end, base - end))
        end = max(end, base + length)
    if end < capacity:
        free.append((end, capacity - end))
    return free


class _FreeSlots:
    """First fit over runs of free slots, for requests of falling length.

    Runs only shrink, so what was too short for one request is too short for the next one of the same
    length: the search starts over only when the length changes.
    """

    def __init__(self, free: list[Range]) -> None:
        self._bases = [base for base, _ in free]
        self._lengths = [length for _, length in free]
        self._length = 0
        self._first = 0

    def take(self, length: int) -> int:
        """The first slot of a run of `length`, which is free no longer."""
        if length != self._length:
            self._length, self._first = length, 0
        while self._lengths[self._first] < length:
            self._first += 1
        base = self._bases[self._first]
        self._bases[self._first] += length
        self._lengths[self._first] -= length
        return base


def _live_blocks(actual: Actual) -> dict[BackendList, int]:
    """The first slot of every list that is live; of several equal blocks the lowest."""
    found: dict[BackendList, int] = {}
    for (base, length), backends in sorted(actual.blocks.items(), reverse=True):
        if len(backends) == length:
            found[backends] = base
    return found
