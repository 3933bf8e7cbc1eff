"""Playing a plan against the maps.

This must never decide anything: the writes are played as they stand, in order, and the first error
ends the run. What was written until then is safe to leave (see `steps.Step`); the next pass reads
the maps again and writes the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from balancer.plan.diff import Plan
from balancer.plan.entries import MapName
from balancer.plan.steps import Write, WriteKind
from balancer.plan.store import MapStore

BATCH = 8192
"""Single writes in one call of the store, so that progress is seen in a large plan."""


def execute(plan: Plan, store: MapStore, progress: Callable[[int, int], None] | None = None) -> None:
    """Write everything the plan says. `progress` gets the single writes done and their total.

    Raises KernelCallFailed from the store; writes after the failed one are not tried.
    """
    total = sum(write.size for write in plan.writes)
    done = 0
    for write in plan.writes:
        for size in _play(write, store):
            done += size
            if progress:
                progress(done, total)


def _play(write: Write, store: MapStore) -> Iterator[int]:
    """Make the calls of one write, giving after each how many single writes it was."""
    if write.map is None:
        store.synchronize()
        yield write.size
        return
    for start in range(0, write.size, BATCH):
        part = slice(start, start + BATCH)
        _call(write, write.map, part, store)
        yield min(BATCH, write.size - start)


def _call(write: Write, name: MapName, part: slice, store: MapStore) -> None:
    if write.kind is WriteKind.UPDATE:
        store.update(name, write.entries[part])
    elif write.kind is WriteKind.DELETE:
        store.delete(name, write.keys[part])
    else:
        store.retire(write.keys[part])
