"""What goes over from one generation of maps to the next one, around the instant of the switch.

Maps that both generations share need nothing. This must never write to the old maps: should the switch
fail, they are still in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from balancer.kernel.maps import PinnedMaps, added, read_setting, subtracted, write_settings
from balancer.plan.counters import NO_FRONTEND, RETIRED
from balancer.plan.entries import INDEX, FrontendEntry, MapName, Setting

# The switch of the events and what it has to tell: who listens goes on listening.
_EVENT_SETTINGS = (Setting.EVENT_SINCE, Setting.EVENTS_LOST, Setting.EVENT_UNTIL, Setting.EVENT_LEVEL)


@contextmanager
def carried_over(before: PinnedMaps, after: PinnedMaps) -> Iterator[None]:
    """Copies what programs recorded, lets the block switch, and then adds what was counted meanwhile."""
    if not before.same_map(after, MapName.AFFINITY):
        after.update(MapName.AFFINITY, list(before.dump(MapName.AFFINITY).items()))
    shared = before.same_map(after, MapName.COUNTERS)
    counted = {} if shared else _copy_counters(before, after)
    write_settings(after, {index: read_setting(before, index) for index in _EVENT_SETTINGS})
    yield
    if not shared:
        before.synchronize()
        _add_late_counts(before, after, counted)


def _copy_counters(before: PinnedMaps, after: PinnedMaps) -> Mapping[int, bytes]:
    """Counts of frontends that the new maps lack go to their entry RETIRED. Returns what was read."""
    old = {key: FrontendEntry.unpack(raw).counter for key, raw in before.dump(MapName.FRONTENDS).items()}
    new = {key: FrontendEntry.unpack(raw).counter for key, raw in after.dump(MapName.FRONTENDS).items()}
    found = _read(before, [NO_FRONTEND, RETIRED, *old.values()])
    retired = found[RETIRED]
    for key, counter in old.items():
        if key in new:
            after.write_per_cpu(MapName.COUNTERS, INDEX.pack(new[key]), found[counter])
        else:
            retired = added(retired, found[counter])
    after.write_per_cpu(MapName.COUNTERS, INDEX.pack(NO_FRONTEND), found[NO_FRONTEND])
    after.write_per_cpu(MapName.COUNTERS, INDEX.pack(RETIRED), retired)
    return found


def _add_late_counts(before: PinnedMaps, after: PinnedMaps, counted: Mapping[int, bytes]) -> None:
    """The old programs counted on until the last hook was switched. The entries of the new frontends are
    being counted in already, so this goes to RETIRED, in which programs never count.
    """
    (retired,) = _read(after, [RETIRED]).values()
    for counter, now in _read(before, list(counted)).items():
        retired = added(retired, subtracted(now, counted[counter]))
    after.write_per_cpu(MapName.COUNTERS, INDEX.pack(RETIRED), retired)


def _read(store: PinnedMaps, counters: list[int]) -> dict[int, bytes]:
    values = store.read(MapName.COUNTERS, [INDEX.pack(counter) for counter in counters])
    return {counter: raw for counter, raw in zip(counters, values, strict=True) if raw is not None}
