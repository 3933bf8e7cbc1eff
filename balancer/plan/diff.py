"""The difference between wanted and actual maps, as an ordered list of writes.

The plan is a value: it can be shown, kept and played, and `execute` recomputes nothing. It depends on
the two states alone, so any history that led to the same maps gives the same plan. The order of the
writes and the reason for it are in `steps.Step`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from balancer.plan.actual import Actual
from balancer.plan.blocks import Placement, place
from balancer.plan.capacity import check_capacity
from balancer.plan.changes import Change, FrontendState, Verb, find_changes
from balancer.plan.counters import assign_counters
from balancer.plan.encode import BackendList, Wanted, WantedFrontend
from balancer.plan.entries import INDEX, MEMBER_VALUE, OWNER_VALUE, FrontendEntry, MapName, address_value
from balancer.plan.steps import Step, Write, WriteKind

__all__ = ["Change", "FrontendState", "Plan", "Step", "Verb", "Write", "WriteKind", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`changes` tell what happens to frontends, in the order of `Change.order`; `writes` are what is
    played, in the order of `Step`. A plan may have writes without changes (addresses, members).
    """

    changes: tuple[Change, ...] = ()
    writes: tuple[Write, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether wanted and actual are the same, so that nothing is written."""
        return not self.writes


class Difference(NamedTuple):
    """Keys of frontends by what happens to them, each tuple by rising key."""

    added: tuple[bytes, ...]
    changed: tuple[bytes, ...]
    removed: tuple[bytes, ...]

    def lists(self, wanted: Wanted) -> Iterator[BackendList]:
        """The lists of the frontends that are written; all others keep their places."""
        for key in (*self.added, *self.changed):
            yield wanted.frontends[key].backends
            yield wanted.frontends[key].fallback


def make_plan(
    wanted: Wanted, actual: Actual, capacities: Mapping[MapName, int], *, settled: bool = False
) -> Plan:
    """The writes that turn `actual` into `wanted`; none if they say the same.

    `capacities` has the size of every map named by `capacity.needs`. `settled` says that the plan
    played before this one on the same maps is known to have ended, its last synchronize included: then
    free slots can be reused without waiting first. Leave it false for maps that were found, not written.
    Raises CapacityExceeded.
    """
    check_capacity(wanted, actual, capacities)
    difference = compare(wanted, actual)
    placement = place(difference.lists(wanted), actual, capacities[MapName.SLOTS])
    counters = assign_counters(difference.added, actual, capacities[MapName.COUNTERS])
    return assemble(difference, placement, counters, wanted, actual, settled=settled)


def assemble(
    difference: Difference,
    placement: Placement,
    counters: Mapping[bytes, int],
    wanted: Wanted,
    actual: Actual,
    *,
    settled: bool,
) -> Plan:
    """The plan for a difference whose lists and new frontends have their places and counters.

    `wanted` and `actual` may leave out whatever is the same in both.
    """
    writes = [
        *_preparing(placement, counters, wanted, actual),
        *_switching(difference, placement, counters, wanted, actual),
        *_removing(difference, wanted, actual),
    ]
    if not settled and writes and writes[0].step is Step.BLOCKS:
        writes.insert(0, Write(step=Step.SETTLE, kind=WriteKind.SYNCHRONIZE))
    if difference.changed or difference.removed:
        writes.append(Write(step=Step.SYNCHRONIZE, kind=WriteKind.SYNCHRONIZE))
    retired = _counters_of(difference.removed, actual)
    writes += _take(Step.COLLECT_COUNTERS, WriteKind.RETIRE, MapName.COUNTERS, retired)
    keys = (*difference.added, *difference.changed, *difference.removed)
    return Plan(changes=find_changes(keys, wanted, actual), writes=tuple(writes))


def compare(wanted: Wanted, actual: Actual) -> Difference:
    """What has to happen to the frontends."""
    live = actual.frontends
    added = sorted(wanted.frontends.keys() - live.keys())
    removed = sorted(live.keys() - wanted.frontends.keys())
    changed = sorted(
        key for key, item in wanted.frontends.items() if key in live and actual.logical(key) != item
    )
    return Difference(tuple(added), tuple(changed), tuple(removed))


def _preparing(
    placement: Placement, counters: Mapping[bytes, int], wanted: Wanted, actual: Actual
) -> Iterable[Write]:
    """What no program run looks at before a frontend leads to it."""
    slots = [
        (INDEX.pack(base + offset), raw)
        for base, backends in placement.new
        for offset, raw in enumerate(backends)
    ]
    yield from _update(Step.BLOCKS, MapName.SLOTS, slots)
    members = sorted(wanted.members - actual.members)
    yield from _update(Step.ADD_MEMBERS, MapName.MEMBERS, [(key, MEMBER_VALUE.pack(1)) for key in members])
    given = [INDEX.pack(number) for number in sorted(counters.values())]
    yield from _take(Step.FREE_COUNTERS, WriteKind.RETIRE, MapName.COUNTERS, given)
    cgroups = sorted(wanted.cgroups.items() - actual.cgroups.items())
    yield from _update(Step.ADD_CGROUPS, MapName.CGROUPS, cgroups)
    owners = sorted(wanted.owners - actual.owners)
    yield from _update(Step.ADD_OWNERS, MapName.OWNERS, [(key, OWNER_VALUE.pack(1)) for key in owners])


def _switching(
    difference: Difference,
    placement: Placement,
    counters: Mapping[bytes, int],
    wanted: Wanted,
    actual: Actual,
) -> Iterable[Write]:
    """The frontends themselves, and then the gate that leads to them."""
    frontends = []
    for key in sorted((*difference.added, *difference.changed)):
        counter = counters[key] if key in counters else actual.frontends[key].counter
        frontends.append((key, _entry(wanted.frontends[key], placement, counter).pack(key)))
    yield from _update(Step.PUT_FRONTENDS, MapName.FRONTENDS, frontends)
    addresses = sorted(wanted.addresses.items() - actual.addresses.items())
    entries = [(raw, address_value(raw, flags)) for raw, flags in addresses]
    yield from _update(Step.PUT_ADDRESSES, MapName.ADDRESSES, entries)


def _removing(difference: Difference, wanted: Wanted, actual: Actual) -> Iterable[Write]:
    """What nothing leads to any more."""
    retired = _counters_of(difference.removed, actual)
    yield from _take(Step.RETIRE_COUNTERS, WriteKind.RETIRE, MapName.COUNTERS, retired)
    gone: list[tuple[Step, MapName, Collection[bytes]]] = [
        (Step.DELETE_FRONTENDS, MapName.FRONTENDS, difference.removed),
        (Step.DELETE_ADDRESSES, MapName.ADDRESSES, actual.addresses.keys() - wanted.addresses.keys()),
        (Step.DELETE_MEMBERS, MapName.MEMBERS, actual.members - wanted.members),
        (Step.DELETE_CGROUPS, MapName.CGROUPS, actual.cgroups.keys() - wanted.cgroups.keys()),
        (Step.DELETE_OWNERS, MapName.OWNERS, actual.owners - wanted.owners),
    ]
    for step, name, keys in gone:
        yield from _take(step, WriteKind.DELETE, name, sorted(keys))


def _counters_of(keys: Iterable[bytes], actual: Actual) -> list[bytes]:
    return [INDEX.pack(number) for number in sorted(actual.frontends[key].counter for key in keys)]


def _entry(item: WantedFrontend, placement: Placement, counter: int) -> FrontendEntry:
    return FrontendEntry(
        group=item.group,
        fallback_group=item.fallback_group,
        base=placement.base_of[item.backends],
        length=len(item.backends),
        fallback_base=placement.base_of[item.fallback],
        fallback_length=len(item.fallback),
        affinity_seconds=item.affinity_seconds,
        counter=counter,
        rate=item.rate,
        action=item.action,
        flags=item.flags,
        fallback_action=item.fallback_action,
    )


def _update(step: Step, name: MapName, entries: Sequence[tuple[bytes, bytes]]) -> Iterable[Write]:
    if entries:
        yield Write(step=step, kind=WriteKind.UPDATE, map=name, entries=tuple(entries))


def _take(step: Step, kind: WriteKind, name: MapName, keys: Sequence[bytes]) -> Iterable[Write]:
    if keys:
        yield Write(step=step, kind=kind, map=name, keys=tuple(keys))
