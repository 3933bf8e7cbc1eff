"""Following the ring: records in, events, losses and a summary out. Reads files and clocks, prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from balancer import state
from balancer.config import Settings
from balancer.errors import NotLoaded
from balancer.kernel.pins import Pins, require_access
from balancer.kernel.ring import EventLevel, Listener, RawEvent
from balancer.observe.event import Tally, Wanted, event_of
from balancer.observe.follow_switch import KeptOn
from balancer.observe.identity import Identity
from balancer.observe.identity_cgroups import host_cgroups
from balancer.observe.identity_processes import host_processes
from balancer.observe.names import Names
from balancer.views_event import Event, Lost, Summary

LOOK_SECONDS = 0.05
TELL_LOST_SECONDS = 1.0
LOOK_AT_NAMES_SECONDS = 0.25
_SHARE_OF_TIME = 10


class Source(Protocol):
    """`KeptOn`, or something that answers like it."""

    @property
    def lost(self) -> int: ...

    @property
    def unheard(self) -> float: ...

    def drain(self) -> Sequence[RawEvent]: ...


class Finder(Protocol):
    """`Cgroups`, or something that answers like it."""

    def find(self, cgroup: int, pid: int, time_ns: int) -> tuple[str, tuple[Identity, ...] | None]: ...


class NamesFile:
    """The names of a state file, read again when it has changed; `clock` is monotonic, in seconds."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = state.names_path(path)
        self._state = path
        self._clock = clock
        self._not_before = 0.0
        self.warning = ""
        self._stamp = self._look()
        self._names = self._read()

    def names(self) -> Names:
        """Those of now. A large file is not read more often than it is worth."""
        now = self._clock()
        if now >= self._not_before:
            self._not_before = now + LOOK_AT_NAMES_SECONDS
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._names = self._read()
                ended = self._clock()
                self._not_before = ended + max(LOOK_AT_NAMES_SECONDS, _SHARE_OF_TIME * (ended - now))
        return self._names

    def _read(self) -> Names:
        found, self.warning = state.load(self._state)
        return Names(found)

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size)


class _Silence(NamedTuple):
    """What could not be shown so far: decisions lost, and seconds in which nothing was told."""

    lost: int = 0
    unheard: float = 0.0

    def since(self, before: _Silence, now: datetime) -> Lost:
        seconds = round(self.unheard - before.unheard, 3)
        return Lost(time=now, lost=self.lost - before.lost, total=self.lost, unheard_seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to end, and how much to show: one event of `sample`, `count` of them (0: no end), for `seconds`
    (0: no end).
    """

    sample: int = 1
    count: int = 0
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Follower:
    """Turns the records of a source into what is shown, until a limit is reached or `stopped` says so.

    `command` gives the name of a process by its number, the name of its thread and the time of the decision;
    `clock` is monotonic, in seconds, and starts with the follower; `now` is in UTC.
    """

    source: Source
    finder: Finder
    command: Callable[[int, str, int], str]
    names: Callable[[], Names]
    wanted: Wanted
    limits: Limits
    stopped: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> Iterator[list[Event | Lost | Summary]]:
        """What is to be shown now, never an empty list; the last one ends with a Summary. Raises NotLoaded
        when the programs are detached meanwhile.
        """
        tally, started = Tally(), self.clock()
        told, told_at = _Silence(), started
        while True:
            last = self._over(tally, started)
            shown: list[Event | Lost | Summary] = []
            try:
                shown += self._events(tally)
            except NotLoaded:
                yield [self._summary(tally, started)]
                raise
            silence, now = self._silence(), self.clock()
            if silence != told and (last or told == _Silence() or now - told_at >= TELL_LOST_SECONDS):
                shown.append(silence.since(told, self.now()))
                told, told_at = silence, now
            last = last or self._full(tally)
            if last:
                shown.append(self._summary(tally, started))
            if shown:
                yield shown
            if last:
                return
            self.sleep(LOOK_SECONDS)

    def _silence(self) -> _Silence:
        return _Silence(self.source.lost, self.source.unheard)

    def _summary(self, tally: Tally, started: float) -> Summary:
        lost, unheard = self._silence()
        return tally.summary(self.now(), round(self.clock() - started, 3), lost, round(unheard, 3))

    def _over(self, tally: Tally, started: float) -> bool:
        if self.stopped() or self._full(tally):
            return True
        return bool(self.limits.seconds) and self.clock() - started >= self.limits.seconds

    def _full(self, tally: Tally) -> bool:
        return bool(self.limits.count) and tally.shown >= self.limits.count

    def _events(self, tally: Tally) -> Iterator[Event]:
        """Those to show of what the ring holds now, all of which is counted."""
        offset = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        for raw in self.source.drain():
            tally.seen += 1
            if not self.wanted.fits_record(raw):
                continue
            path, found = self.finder.find(raw.cgroup, raw.pid, raw.time)
            named = raw._replace(comm=self.command(raw.pid, raw.comm, raw.time))
            event = event_of(named, self.names(), path, found, offset)
            if not self.wanted.fits(event) or self._full(tally):
                continue
            tally.add(event)
            if (tally.matched - 1) % self.limits.sample == 0:
                tally.shown += 1
                yield event


@contextmanager
def listen(settings: Settings, wanted: Wanted) -> Iterator[KeptOn]:
    """Listens inside the block. Raises NotLoaded when nothing is live, HostUnfit without the permission."""
    require_access(settings.bpffs)
    level = EventLevel.REJECTIONS if wanted.only_rejected else EventLevel.ALL
    with Listener(Pins(settings.bpffs), level) as listener, KeptOn(listener) as source:
        yield source


def follower(
    settings: Settings,
    source: Source,
    names: NamesFile,
    wanted: Wanted,
    limits: Limits,
    stopped: Callable[[], bool],
) -> Follower:
    """A follower of this host's events, with the names of the instance's state file. Raises HostUnfit."""
    processes = host_processes()
    return Follower(
        source=source,
        finder=host_cgroups(settings.cgroup, processes),
        command=processes.name,
        names=names.names,
        wanted=wanted,
        limits=limits,
        stopped=stopped,
    )
