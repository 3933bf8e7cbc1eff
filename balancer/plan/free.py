"""Free slots and counters, kept up as they are taken and given back, for whoever follows the maps pass by pass.

What is free follows from the live frontends alone (`blocks.free_ranges`); this only spares working it out anew.
Nothing here may give out what a live frontend refers to.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable

from balancer.plan.actual import Range
from balancer.plan.counters import FIRST


class FreeSlots:
    """Runs of free slots, no two of them side by side. Each call costs what a search in a sorted list does."""

    def __init__(self, runs: Iterable[Range]) -> None:
        self._by_base: dict[int, int] = {}
        self._by_end: dict[int, int] = {}
        self._by_length: list[tuple[int, int]] = []
        for base, length in runs:
            self.give(base, length)

    def take(self, length: int) -> int | None:
        """The first slot of a run of `length`, the shortest that fits and of those the lowest; None if none does."""
        found = bisect_left(self._by_length, (length, 0))
        if found == len(self._by_length):
            return None
        run, base = self._by_length[found]
        self._remove(base, run)
        if run > length:
            self._add(base + length, run - length)
        return base

    def give(self, base: int, length: int) -> None:
        """These slots are free again."""
        end = base + length
        if (before := self._by_end.get(base)) is not None:
            self._remove(before, base - before)
            base = before
        if (after := self._by_base.get(end)) is not None:
            self._remove(end, after)
            end += after
        self._add(base, end - base)

    def runs(self) -> list[Range]:
        """All that is free, by rising first slot."""
        return sorted(self._by_base.items())

    def _add(self, base: int, length: int) -> None:
        self._by_base[base], self._by_end[base + length] = length, base
        insort(self._by_length, (length, base))

    def _remove(self, base: int, length: int) -> None:
        del self._by_base[base], self._by_end[base + length]
        del self._by_length[bisect_left(self._by_length, (length, base))]


class FreeCounters:
    """Indexes of the counters map that no live frontend has, the lowest first."""

    def __init__(self, taken: Iterable[int]) -> None:
        known = set(taken)
        # The lowest that are free, at the most as many as are taken; what is beyond all of these comes later.
        self._next = FIRST + len(known)
        self._gaps = sorted(set(range(FIRST, self._next)) - known)
        self._beyond = {counter for counter in known if counter >= self._next}

    def take(self) -> int:
        """The lowest one; it is free no longer."""
        if self._gaps:
            return heapq.heappop(self._gaps)
        while self._next in self._beyond:
            self._next += 1
        self._next += 1
        return self._next - 1

    def give(self, counter: int) -> None:
        """It is free again."""
        self._beyond.discard(counter)
        if counter < self._next:
            heapq.heappush(self._gaps, counter)
