"""One reading after the other of the live maps, for `top`: counters, names, and how the last pass went."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from balancer import durable, live, state
from balancer.config import Settings
from balancer.desired.types import Source
from balancer.errors import NotLoaded
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Pins, require_access
from balancer.kernel.reasons import FORWARDING, REJECTING, Reason
from balancer.model.problem import Origin, Problem, Severity
from balancer.plan.actual import read_actual
from balancer.plan.changes import destination
from balancer.plan.entries import INDEX, MapName, frontend_key_parts
from balancer.traffic import Counts, Link, Reading, Tracked
from balancer.views import LiveFrontend

_SERVICE = "Service "


class _Known(NamedTuple):
    """Frontends that were read, and what they were read from: they are the same as long as that is."""

    names: state.State
    build_id: int
    entries: Mapping[bytes, bytes]
    frontends: tuple[Tracked, ...]


class Reader:
    """Reads the maps that are live at the moment, whichever they are.

    Counters are read each time. Names are read again when the state file has changed, backends when that or the
    frontends map has: a pass changes the state file, and never the backends behind an entry that stays.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = state.State()
        self._warning = ""
        self._stamp: tuple[object, ...] | None = None
        self._known: _Known | None = None

    def __call__(self) -> Reading:
        """The maps now. Raises NotLoaded when there are none, and other HostErrors."""
        names = self._current_names()
        require_access(self._settings.bpffs)
        generation = Pins(self._settings.bpffs).live()
        if generation is None:
            raise NotLoaded(
                f"no programs are attached from {self._settings.bpffs}",
                hint="load them with: balancer apply DIRECTORY; or name the right place with --bpffs",
            )
        with PinnedMaps(generation.maps) as store:
            frontends = self._frontends(store, names, generation.build_id)
            counts = _counts(store, [item.counter for item in frontends])
            at = time.clock_gettime(time.CLOCK_MONOTONIC)
        return Reading(
            at=at,
            time=datetime.now(UTC),
            frontends=tuple(map(_with_counts, frontends, counts)),
            last_pass=names.last_pass,
            problems=(*names.problems, *self._own_problem()),
            stale_files=names.stale_files,
            pods=names.backend_pods,
        )

    def _frontends(self, store: PinnedMaps, names: state.State, build_id: int) -> tuple[Tracked, ...]:
        entries = store.dump(MapName.FRONTENDS)
        known = self._known
        if known and known.names is names and known.build_id == build_id and known.entries == entries:
            return known.frontends
        actual = read_actual(store)
        numbers = {
            destination(*frontend_key_parts(key)): entry.counter for key, entry in actual.frontends.items()
        }
        snapshot = live.Snapshot(store, actual, names, self._warning)
        frontends = tuple(_tracked(item, names, numbers) for item in live.frontends_of(snapshot))
        self._known = _Known(names, build_id, entries, frontends)
        return frontends

    def _current_names(self) -> state.State:
        path = self._settings.state
        stamp = (durable.stamp(path), durable.stamp(state.names_path(path)))
        if stamp != self._stamp:
            self._names, self._warning = state.load(path)
            self._stamp = stamp
        return self._names

    def _own_problem(self) -> Iterator[Problem]:
        if self._warning:
            origin = Origin(file=str(self._settings.state), line=0)
            yield Problem(origin=origin, severity=Severity.WARNING, message=self._warning)


def _counts(store: PinnedMaps, numbers: Sequence[int]) -> list[Counts]:
    """The counts of these entries of the counters map."""
    raw = store.read(MapName.COUNTERS, [INDEX.pack(number) for number in numbers])
    return [_of_reasons(live.by_reason(found)) if found and found.strip(b"\0") else Counts() for found in raw]


def _of_reasons(counts: dict[Reason, int]) -> Counts:
    return Counts(
        forwarded=sum(counts[reason] for reason in FORWARDING),
        rejected=sum(counts[reason] for reason in REJECTING),
        fell_back=counts[Reason.FALLBACK],
        rate_limited=counts[Reason.RATE_LIMITED],
        kept=counts[Reason.SOCKET],
    )


def _tracked(item: LiveFrontend, names: state.State, numbers: Mapping[str, int]) -> Tracked:
    name = destination(item.address, item.port, item.protocol)
    chain = tuple(_chain(names.labels.get(name), item))
    services = (link.object for link in reversed(chain) if link.object.startswith(_SERVICE))
    service = next(services, "").removeprefix(_SERVICE)
    return Tracked(live=item, name=name, counter=numbers[name], counts=Counts(), service=service, chain=chain)


def _with_counts(item: Tracked, counts: Counts) -> Tracked:
    return Tracked(
        live=item.live,
        name=item.name,
        counter=item.counter,
        counts=counts,
        service=item.service,
        chain=item.chain,
    )


def _chain(label: state.Label | None, item: LiveFrontend) -> Iterator[Link]:
    """Who decides, then who is beneath; of the first, the map knows best what it does."""
    first = True
    while label is not None:
        source = (item.source or Source.SERVICE) if first else label.source
        action = item.action if first else label.action
        yield Link(object=label.object, source=source, action=action, file=label.file)
        label, first = label.beneath, False
