"""Notices that files may have changed, and waits until they are quiet.

The rule is simple on purpose: any event at a place that the paths lead through is a reason to look. What
really changed is for the reader of the files to find out by content, so an event too many costs a
little time and an event too few is made good by the next resync. Nothing here reads a manifest.
"""

from __future__ import annotations

import enum
import errno
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from balancer.manifests.heard import ELSEWHERE, EVERYTHING, NOTHING, Heard
from balancer.manifests.listing import Listing
from balancer.manifests.notices import Notices

LONGEST_WAIT_SECONDS = 0.5
ENOUGH_WAITING = 1000
SECOND_TRY_SECONDS = 300.0
RAISE_LIMITS = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"


class Wake(enum.Enum):
    """Why a pass may be due. TIMER: nothing happened for as long as was asked."""

    START = "start"
    CHANGE = "change"
    RELOAD = "reload"
    TIMER = "timer"
    STOP = "stop"


class Inbox:
    """Wake-ups from other threads and from signal handlers, for one waiting loop.

    A SimpleQueue is the one queue whose put() may interrupt itself, as a signal handler's does.
    """

    def __init__(self, *, clock: Callable[[], float], quiet_seconds: float) -> None:
        self._queue: SimpleQueue[Wake] = SimpleQueue()
        self._clock = clock
        self._quiet = quiet_seconds
        self._longest = max(LONGEST_WAIT_SECONDS, quiet_seconds)

    def put(self, wake: Wake) -> None:
        """A change that finds a thousand waiting adds nothing: the look that those bring is still to come."""
        if wake is not Wake.CHANGE or self._queue.qsize() < ENOUGH_WAITING:
            self._queue.put(wake)

    def get(self, seconds: float) -> Wake | None:
        """The next wake-up, None after this many seconds without one."""
        try:
            return self._queue.get(timeout=max(seconds, 0.0))
        except Empty:
            return None

    def is_waiting(self) -> bool:
        """Whether there is something to be got."""
        return not self._queue.empty()

    def next(self, seconds: float) -> Wake:
        """The next wake-up, TIMER after this many seconds. After a change it waits until nothing more
        comes for the quiet time, but never longer than half a second (or the quiet time, if that is longer).
        STOP is returned at once and wins over all others, RELOAD wins over CHANGE.
        """
        first = self.get(seconds)
        if first is None:
            return Wake.TIMER
        wake, deadline = first, self._clock() + self._longest
        while wake is not Wake.STOP:
            more = self.get(min(self._quiet, deadline - self._clock()))
            if more is None or self._clock() >= deadline:
                return Wake.STOP if more is Wake.STOP else wake
            wake = more if more is not Wake.CHANGE else wake
        return wake


class Source(Protocol):
    """Where changes are learnt from. Every call but `wait` may come from another thread. `hears_all`: whatever is
    not in what `wait` gives did not change, as far as anybody can tell.
    """

    hears_all: bool

    def refresh(self) -> bool: ...

    def wait(self) -> Heard: ...

    def is_written(self, file: Path) -> bool: ...

    def written(self) -> frozenset[str]: ...

    def is_busy(self) -> bool: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Watcher:
    """Calls `wake` (from another thread) when something at one of the paths may have changed.

    `poll` lists the directories every second, for file systems that report no events (NFS, some FUSE).
    So does the watcher by itself, and says so in the log, while the kernel's limits do not allow to watch.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        wake: Callable[[], None],
        *,
        poll: bool = False,
        quiet_seconds: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = tuple(paths)
        self._wake = wake
        self._quiet = quiet_seconds
        self._clock = clock
        self._last_change = clock() - quiet_seconds
        self._look_again = False
        self._log = logging.getLogger("balancer.watch")
        self._second_try: float | None = None
        self._lock = threading.Lock()
        self._heard = EVERYTHING
        self._stopped = threading.Event()
        self._source: Source = Listing(self._paths) if poll else self._events_or_listing()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def refresh(self) -> None:
        """Follow links that point elsewhere now, and directories that came or were replaced."""
        if self._second_try is not None and self._clock() >= self._second_try:
            source = self._events_or_listing()
            if self._second_try is None:
                self._log.info("changes are noticed by events again")
            self._replace(source)
        try:
            if self._source.refresh():
                self._note(ELSEWHERE)  # what no event told of, such as a mount
        except OSError as error:
            self._replace(self._fall_back(error))

    def heard(self) -> Heard:
        """Where files may have changed since the last call, and what is being written now: to be asked after a
        wake-up, before the look at the files.
        """
        with self._lock:
            heard, self._heard = self._heard, NOTHING
        if not self._source.hears_all:
            return EVERYTHING
        return heard | Heard(files=self._source.written())

    def _note(self, heard: Heard) -> None:
        with self._lock:
            self._heard |= heard

    def whole(self, read: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
        """`read`, but OSError for a file that is being written to: its content is half of something."""

        def guarded(file: Path) -> bytes:
            self._refuse_half(file)
            content = read(file)
            self._refuse_half(file)
            return content

        return guarded

    def _refuse_half(self, file: Path) -> None:
        if self._source.is_written(file):
            raise OSError(errno.ETXTBSY, "it is being written to")

    def is_busy(self) -> bool:
        """Whether more changes are to be expected: some file is being written to, or it was not quiet yet."""
        return self._source.is_busy() or self._clock() < self._last_change + self._quiet

    def look_again(self) -> None:
        """Asks for a wake-up as soon as it is not busy any more."""
        self._look_again = True

    def stop(self) -> None:
        """Does not return before the thread has ended."""
        self._stopped.set()
        self._source.interrupt()
        if self._thread.is_alive():
            self._thread.join()
        self._source.close()

    def _events_or_listing(self) -> Source:
        try:
            source = Notices(self._paths, clock=self._clock)
        except OSError as error:
            return self._fall_back(error)
        self._second_try = None
        return source

    def _fall_back(self, error: OSError) -> Source:
        """Lists from now on; tries events again after a while."""
        if self._second_try is None:
            hint = RAISE_LIMITS if error.errno in (errno.ENOSPC, errno.EMFILE) else "use --poll"
            reason = error.strerror or str(error)
            message = "cannot watch for events (%s), lists the directories every second (hint: %s)"
            self._log.warning(message, reason, hint)
        self._second_try = self._clock() + SECOND_TRY_SECONDS
        return Listing(self._paths)

    def _replace(self, source: Source) -> None:
        before, self._source = self._source, source
        self._note(EVERYTHING)  # what happened between the two
        before.interrupt()  # its thread closes it

    def _run(self) -> None:
        while not self._stopped.is_set():
            source = self._source
            try:
                heard = source.wait()
            except OSError as error:
                heard = EVERYTHING
                self._replace(self._fall_back(error))
            if heard:
                self._last_change = self._clock()
            elif self._look_again and not self.is_busy():
                heard = ELSEWHERE
            if heard:
                self._look_again = False
                self._note(heard)
                self._wake()
            if source is not self._source:
                source.close()
                self._wake()
