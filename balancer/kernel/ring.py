"""Listening to the ring of events: one record for each decision of the programs, while somebody listens.

Any number of processes listen at once. Each maps the ring itself and keeps its own place in it, so that all
of them see everything; what the kernel knows of is the place of the one that is furthest ahead. A listener
that is slower than the programs for so long that its place is written over counts what it missed.

The switch is a level and an instant after which it no longer counts. Listeners push the instant ahead all
the time, so one that was killed costs nothing for long. Nothing here wakes or delays a program.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from balancer.errors import HostUnfit, KernelCallFailed, NotLoaded
from balancer.kernel import libbpf
from balancer.kernel.pins import Generation, Pins
from balancer.kernel.reasons import REJECTING
from balancer.plan.entries import EVENT, INDEX, SETTING, EventFlag, EventLevel, MapName, Setting

__all__ = ["RENEW_SECONDS", "EventFlag", "EventLevel", "Listener", "RawEvent"]

RENEW_SECONDS = 1.0
"""How often a listener has to call `Listener.renew`."""

_AHEAD = 3_000_000_000  # ns that the switch stays on without being renewed
_TRIES, _PAUSE = 20, 0.01  # how often, and how many seconds apart, the live programs are looked for
_HEADER = struct.Struct("=II")
_RECORD = struct.Struct(f"={_HEADER.size + EVENT.size}s")
_BUSY = 1 << 31  # in a record's length: it is still being written
_REJECTING = frozenset(int(reason) for reason in REJECTING)


class RawEvent(NamedTuple):
    """One decision, as `struct event` of bpf/types.h has it.

    `time` is CLOCK_MONOTONIC in ns. `cgroup` is the id of the process's cgroup, `netns` and `socket` are
    cookies, `pid` is the process (thread group). `asked` and `chosen` are as `entries.backend_bytes` packs
    them; `chosen` is all zero when the call was rejected. `counter` is the index of the frontend's counter,
    0 where there is no frontend; `reason` is a `Reason`, `protocol` the IP protocol's number, `flags` are
    `EventFlag`s.
    """

    time: int
    cgroup: int
    netns: int
    socket: int
    asked: bytes
    chosen: bytes
    pid: int
    counter: int
    comm: str
    reason: int
    protocol: int
    flags: int


class Listener:
    """Listens while it is open, as a context manager. Call `drain` about every 50 ms and `renew` every
    `RENEW_SECONDS`. Raises NotLoaded when nothing is live, KernelCallFailed for what the kernel refuses.
    """

    def __init__(self, pins: Pins, level: EventLevel) -> None:
        self._pins = pins
        self._level = level
        self._until = 0
        self._others = False
        self._lost = 0
        self._replaced: _Ring | None = None
        self._kept: list[RawEvent] = []  # of a ring that was given back
        self._ring = _open_live(pins)
        try:
            self._lost_before = self._ring.setting(Setting.EVENTS_LOST)
            self._ring.skip()
            self._switch_on(fresh=True)
        except BaseException:
            self._ring.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Switches the events off, unless another listener is there, and gives everything back."""
        try:
            self._switch_off()
        finally:
            self._drop_replaced()
            self._ring.close()

    @property
    def lost(self) -> int:
        """Events that this listener did not get: the ring was full, or written over before they were read."""
        self._count_lost()
        return self._lost

    def drain(self) -> list[RawEvent]:
        """Every event since the last call, of this listener's level, oldest first; never waits.

        Raises HostUnfit when programs of a version with other events went live.
        """
        found = [*self._read(self._replaced), *self._read(self._ring)]
        found, self._kept = [*self._kept, *found], []
        if self._level is EventLevel.ALL:
            return found
        return [event for event in found if event.reason in _REJECTING]

    def renew(self) -> None:
        """Keeps the switch on, and follows when other programs went live. Raises NotLoaded when none are."""
        ring = _open_live(self._pins)
        self._kept += self._read(self._replaced)
        self._drop_replaced()
        if ring.id == self._ring.id:
            ring.close()
        else:
            # Calls that began under the old programs may still be told of in their ring, so it is read on
            # until the next renewal. The new one is read from its start.
            self._count_lost()
            self._replaced, self._ring = self._ring, ring
        self._switch_on(fresh=False)

    def _read(self, ring: _Ring | None) -> list[RawEvent]:
        if ring is None:
            return []
        events, missed = ring.read()
        self._lost += missed
        return events

    def _drop_replaced(self) -> None:
        if self._replaced is not None:
            self._replaced.close()
            self._replaced = None

    def _count_lost(self) -> None:
        now = self._ring.setting(Setting.EVENTS_LOST)
        # It is carried from programs to their successors; smaller means that all was unloaded meanwhile.
        self._lost += now - self._lost_before if now >= self._lost_before else now
        self._lost_before = now

    def _switch_on(self, *, fresh: bool) -> None:
        with self._ring.exclusive():
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            until = self._ring.setting(Setting.EVENT_UNTIL)
            level = self._ring.setting(Setting.EVENT_LEVEL)
            # Another's instant in the future is another listener; its level counts as much as ours.
            self._others = level != EventLevel.OFF and until > now and until != self._until
            self._until = now + _AHEAD
            self._ring.set(Setting.EVENT_UNTIL, self._until)
            self._ring.set(Setting.EVENT_LEVEL, max(self._level, level if self._others else 0))
            if fresh:
                self._ring.set(Setting.EVENT_SINCE, now)

    def _switch_off(self) -> None:
        """A listener that was there at our last renewal may be about to renew: then the switch runs out."""
        with self._ring.exclusive():
            if not self._others and self._ring.setting(Setting.EVENT_UNTIL) == self._until:
                self._ring.set(Setting.EVENT_LEVEL, EventLevel.OFF)


def _open_live(pins: Pins) -> _Ring:
    """The ring of the programs that are attached now."""
    for _ in range(_TRIES):
        try:
            live = pins.live()
            if live is None:
                break
            return _Ring(live)
        except (KernelCallFailed, FileNotFoundError) as error:
            # Another process may be replacing the programs right now.
            if error.errno != errno.ENOENT:
                raise
            time.sleep(_PAUSE)
    raise NotLoaded(
        f"no programs are attached from {pins.root}",
        hint="load them with: balancer apply DIRECTORY; or name the right place with --bpffs",
    )


class _Ring:
    """The ring and the settings of one generation, open.

    The kernel's layout (kernel/bpf/ringbuf.c): a page with the consumer's position, one with the producer's,
    and the data twice in a row, so that no record is cut. Positions only grow; a record is a header of
    its length and 4 more bytes, then the data, in multiples of 8 bytes.
    """

    def __init__(self, generation: Generation) -> None:
        with ExitStack() as stack:
            self._settings = _opened(generation.maps / MapName.SETTINGS, stack)
            events = _opened(generation.maps / "events", stack)
            self.id = libbpf.map_id(events)
            self._directory = os.open(generation.maps, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, self._directory)
            self._size = libbpf.map_info(events).max_entries
            first = stack.enter_context(mmap.mmap(events, mmap.PAGESIZE))
            rest = mmap.PAGESIZE + 2 * self._size
            self._rest = stack.enter_context(
                mmap.mmap(events, rest, prot=mmap.PROT_READ, offset=mmap.PAGESIZE)
            )
            # Views of whole words: a position must never be read or written in parts.
            self._consumer = stack.enter_context(stack.enter_context(memoryview(first)[:8]).cast("Q"))
            self._producer = stack.enter_context(stack.enter_context(memoryview(self._rest)[:8]).cast("Q"))
            self._next = 0
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    def setting(self, index: Setting) -> int:
        raw = libbpf.lookup(self._settings, INDEX.pack(index), SETTING.size)
        return int(SETTING.unpack(raw)[0]) if raw else 0

    def set(self, index: Setting, value: int) -> None:
        libbpf.update(self._settings, INDEX.pack(index), SETTING.pack(value))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Only one listener at a time changes the switch."""
        fcntl.flock(self._directory, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._directory, fcntl.LOCK_UN)

    def skip(self) -> None:
        """Leaves out what is in the ring already."""
        self._next = self._producer[0]
        self._release()

    def read(self) -> tuple[list[RawEvent], int]:
        """The complete events from our place on, and how many were written over before we got there."""
        missed = self._catch_up()
        start, end = self._next, self._producer[0]
        offset = mmap.PAGESIZE + start % self._size
        raw = self._rest[offset : offset + (end - start) // _RECORD.size * _RECORD.size]
        found = list(_records(raw))
        self._next += len(found) * _RECORD.size
        # What the programs have written over while it was copied is no event but a mixture.
        torn = min(max(0, -(-(self._producer[0] - self._size - start) // _RECORD.size)), len(found))
        self._release()
        return [_event(record) for record in found[torn:]], missed + torn

    def _catch_up(self) -> int:
        """Jumps ahead when our place was written over; how many records that leaves out."""
        produced = self._producer[0]
        if produced - self._next <= self._size:
            return 0
        # Every record has the same size, so their places are multiples of it. Half a ring leaves time to read.
        target = -(-(produced - self._size // 2) // _RECORD.size) * _RECORD.size
        missed = (target - self._next) // _RECORD.size
        self._next = target
        return missed

    def _release(self) -> None:
        """Tells the kernel what need not be kept: all that the listener furthest ahead has read."""
        if self._next > self._consumer[0]:
            self._consumer[0] = self._next


def _opened(path: Path, stack: ExitStack) -> int:
    fd = libbpf.obj_get(path)
    stack.callback(os.close, fd)
    return fd


def _records(raw: bytes) -> Iterator[bytes]:
    """The data of each record up to the first one that is still being written."""
    for (record,) in _RECORD.iter_unpack(raw):
        length, _ = _HEADER.unpack_from(record)
        if length & _BUSY:
            return
        if length != EVENT.size:
            raise HostUnfit(
                f"the programs in force write events of {length} bytes, this version reads {EVENT.size}",
                hint="they are of another version of balancer: start this command again with that version",
            )
        yield record[_HEADER.size :]


def _event(record: bytes) -> RawEvent:
    time_ns, cgroup, netns, cookie, asked, chosen, pid, counter, comm, *rest = EVENT.unpack(record)
    name = comm.split(b"\0", 1)[0].decode(errors="replace")
    return RawEvent(time_ns, cgroup, netns, cookie, asked, chosen, pid, counter, name, *rest)
