"""Changes as the kernel reports them: one inotify instance over every directory that matters.

A file that is written to in place is noticed when its writer closes it, and until then `is_written` tells
that its content is half of something. The kernel does not report everything: a lost event (the queue is
full) counts as a change, and mounts are found by looking at the directories themselves once a second.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from balancer.manifests.heard import ELSEWHERE, EVERYTHING, NOTHING, Heard, joined
from balancer.manifests.inotify import Event, INotify, flags
from balancer.manifests.spots import Identity, Spot, find_spots, identify, subdirectories

TICK_SECONDS = 1.0
IDLE_SECONDS = 10.0  # then it is asked whether the writer is still there
OVERFLOW_LOG_SECONDS = 60.0
SETTLING_ROUNDS = 10
NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES})

_COMES_AND_GOES = (
    flags.CREATE
    | flags.DELETE
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.ATTRIB
    | flags.DELETE_SELF
    | flags.MOVE_SELF
)
_WRITES = flags.MODIFY | flags.CLOSE_WRITE
_STRUCTURE = flags.ISDIR | flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT | flags.IGNORED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """`names` are the entries that matter, None for all. `shared`: the directory is there by other paths, too."""

    path: str
    identity: Identity
    names: frozenset[str] | None
    mask: int
    shared: bool = False

    def joined(self, other: _Watch | None) -> _Watch:
        """One watch for both: the kernel has only one for each directory."""
        if other is None:
            return self
        names = None if self.names is None or other.names is None else self.names | other.names
        path = (
            self.path if self.mask & flags.MODIFY else other.path
        )  # free of links, as `is_written` needs it
        shared = self.shared or other.shared or self.path != other.path
        mask = self.mask | other.mask
        return _Watch(path=path, identity=self.identity, names=names, mask=mask, shared=shared)


class Notices:
    """Raises OSError, from the start and from `refresh`, when the kernel's limits do not allow to watch.

    `refresh` may be called from another thread than `wait`.
    """

    hears_all = True

    def __init__(self, paths: Sequence[Path], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = tuple(paths)
        self._clock = clock
        self._inotify = INotify()
        self._lock = threading.Lock()
        self._watches: dict[int, _Watch] = {}
        self._spots: frozenset[Spot] = frozenset()
        self._writing: dict[str, float] = {}
        self._outdated = True
        self._log = logging.getLogger("balancer.watch")
        self._next_overflow_log = clock()
        self._next_tick = clock() + TICK_SECONDS
        try:
            self.refresh()
        except OSError:
            self._inotify.close()
            raise

    def refresh(self) -> bool:
        """Follow links that point elsewhere now, and directories that came, went or were replaced. Whether there may
        have been any.
        """
        spots = find_spots(self._paths)
        if spots == self._spots and not self._outdated:
            return False
        # A directory made after its parent was listed and before that was watched shows at the next round.
        for _ in range(SETTLING_ROUNDS):
            self._outdated = False
            if not self._adjust(_wanted(spots)):
                break
            spots = find_spots(self._paths)
        self._spots = spots
        return True

    def _adjust(self, wanted: dict[Identity, _Watch]) -> bool:
        """Watch what is wanted and nothing else. True if a watch was added."""
        with self._lock:
            kept = set()
            for number, watch in list(self._watches.items()):
                if wanted.get(watch.identity) == watch:
                    kept.add(watch.identity)
                else:
                    self._remove(number)
            added = [self._add(watch) for identity, watch in wanted.items() if identity not in kept]
        return any(added)

    def _add(self, watch: _Watch) -> bool:
        try:
            number = self._inotify.add_watch(watch.path, watch.mask)
        except OSError as error:
            if error.errno in NOT_THERE:
                return False  # it is looked for once a second
            raise
        self._watches[number] = watch
        return True

    def _remove(self, number: int) -> None:
        del self._watches[number]
        with suppress(OSError):  # the kernel removed it with the directory
            self._inotify.rm_watch(number)

    def wait(self) -> Heard:
        """Up to a second; what may have changed."""
        left = max(self._next_tick - self._clock(), 0.0)
        heard = [self._take(event) for event in self._inotify.read(timeout=int(left * 1000))]
        if self._clock() >= self._next_tick:
            self._next_tick = self._clock() + TICK_SECONDS
            heard.append(self._tick())
        return joined(heard)

    def _take(self, event: Event) -> Heard:
        if event.mask & flags.Q_OVERFLOW:
            self._overflow()
            return EVERYTHING
        with self._lock:
            watch = self._watches.get(event.wd)
            if event.mask & flags.IGNORED:
                self._watches.pop(event.wd, None)
        if watch is None or (watch.names is not None and event.name and event.name not in watch.names):
            return NOTHING
        if event.mask & _STRUCTURE:
            self._outdated = True
        path = f"{watch.path}/{event.name}"
        if not self._follow_writer(path, event.mask, watch.mask):
            return NOTHING
        if event.mask & _STRUCTURE or not event.name or watch.shared:
            return ELSEWHERE
        return Heard(files=frozenset({path}))

    def _overflow(self) -> None:
        self._outdated = True
        if self._clock() >= self._next_overflow_log:
            self._next_overflow_log = self._clock() + OVERFLOW_LOG_SECONDS
            self._log.info("more changes than the kernel could tell of: everything is looked at")

    def _follow_writer(self, path: str, mask: int, watched: int) -> bool:
        """False while a file is written to: closing it is the change. `watched` is what is told of there."""
        if mask & flags.MODIFY or (
            mask & flags.CREATE and watched & flags.CLOSE_WRITE and _is_new_file(path)
        ):
            self._writing[path] = self._clock()
            return False
        if not mask & flags.ATTRIB:
            self._writing.pop(path, None)
        return True

    def _tick(self) -> Heard:
        """What no event tells: mounts, directories that could not be watched, writers that went unseen."""
        with self._lock:
            watches = list(self._watches.values())
        moved = any(identify(watch.path) != watch.identity for watch in watches)
        self._outdated = self._outdated or moved
        closed = frozenset(path for path, last in list(self._writing.items()) if self._ask_after(path, last))
        return Heard(files=closed, elsewhere=moved or find_spots(self._paths) != self._spots)

    def _ask_after(self, path: str, last_write: float) -> bool:
        """Whether the file is free although its closing was not noticed."""
        if last_write > self._clock() - IDLE_SECONDS:
            return False
        if _is_open_for_writing(path):
            self._writing[path] = self._clock()
            return False
        self._writing.pop(path, None)
        return True

    def is_written(self, file: Path) -> bool:
        """Whether somebody has written to the file and not closed it."""
        return bool(self._writing) and os.path.realpath(file) in self._writing

    def written(self) -> frozenset[str]:
        """The real paths of all of them, temporaries of tools included."""
        return frozenset(tuple(self._writing))

    def is_busy(self) -> bool:
        """Whether there is any."""
        return bool(self._writing)

    def interrupt(self) -> None:
        """Makes `wait` return: a watch that is removed is an event."""
        with self._lock:
            for number in list(self._watches):
                self._remove(number)

    def close(self) -> None:
        self._inotify.close()


def _is_new_file(path: str) -> bool:
    """Whether what was made there is a file that its maker has open: no directory, device or link of any sort."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _is_open_for_writing(path: str) -> bool:
    """fcntl(2): a read lease is refused with EAGAIN while anybody has the file open for writing. Whoever
    opens it in the instant that the lease is held waits for its end, and the kernel sends us a signal.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # does nothing, where SIGIO would end us
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False


def _wanted(spots: Iterable[Spot]) -> dict[Identity, _Watch]:
    """One watch for each directory, the parts that paths share joined."""
    wanted: dict[Identity, _Watch] = {}
    for spot in sorted(spots, key=lambda spot: (spot.directory, spot.recursive, sorted(spot.names or ()))):
        mask = _COMES_AND_GOES | (_WRITES if spot.writes else 0)
        watch = _Watch(path=spot.directory, identity=spot.identity, names=spot.names, mask=mask)
        wanted[spot.identity] = watch.joined(wanted.get(spot.identity))
        for directory in subdirectories(spot.directory) if spot.recursive else ():
            identity = identify(directory)
            if identity is not None:
                below = _Watch(path=directory, identity=identity, names=None, mask=mask)
                wanted[identity] = below.joined(wanted.get(identity))
    return wanted
