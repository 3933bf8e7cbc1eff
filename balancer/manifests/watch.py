"""Notices that files may have changed, and waits until they are quiet.

The rule is simple on purpose: any event at a place that the paths lead through is a reason to look. What
really changed is for the reader of the files to find out by content, so an event too many costs a
little time and an event too few is made good by the next resync. Nothing here reads a manifest.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from watchdog.events import (
    EVENT_TYPE_CLOSED_NO_WRITE,
    EVENT_TYPE_OPENED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.polling import PollingObserver

from balancer.errors import HostUnfit

READ_ONLY_EVENTS = frozenset({EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE})
MAX_LINKS = 40  # as many as the kernel follows
LONGEST_WAIT_SECONDS = 0.5


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
        self._queue.put(wake)

    def get(self, seconds: float) -> Wake | None:
        """The next wake-up, None after this many seconds without one."""
        try:
            return self._queue.get(timeout=max(seconds, 0.0))
        except Empty:
            return None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A directory to watch. `names` are the entries that matter, None for all. `identity` (device and
    inode) tells a directory from another one that took its place.
    """

    directory: str
    identity: tuple[int, int]
    recursive: bool = False
    names: frozenset[str] | None = None


def find_spots(paths: Iterable[Path]) -> frozenset[Spot]:
    """Every directory in which a change can change what the paths lead to: the directories themselves,
    their parents (for a name that is replaced), and the same for each symbolic link on the way. Links
    inside a directory need none: they are only read where they lead to a place within it.
    """
    found: set[Spot] = set()
    seen: set[str] = set()
    for path in paths:
        _follow(Path(os.path.abspath(path)), found, seen)  # noqa: PTH100 - resolve() would lose the links
    return frozenset(found)


def _follow(path: Path, found: set[Spot], seen: set[str]) -> None:
    if str(path) in seen or len(seen) > MAX_LINKS:
        return
    seen.add(str(path))
    for prefix in (path, *path.parents):
        if prefix.is_symlink():
            _add(found, prefix.parent, name=prefix.name)
            _follow(_target(prefix), found, seen)
    real = Path(os.path.realpath(path))
    _add_name(found, real)
    if real.is_dir():
        _add(found, real)


def _target(link: Path) -> Path:
    """Where a link points, one step, without resolving the links on the way."""
    try:
        return Path(os.path.normpath(link.parent / link.readlink()))
    except OSError:
        return link


def _add_name(found: set[Spot], path: Path) -> None:
    """Watch for the path itself, or for the first part of it that is missing, to come or be replaced."""
    while path != path.parent and not path.parent.is_dir():
        path = path.parent
    if path != path.parent:
        _add(found, path.parent, name=path.name)


def _add(found: set[Spot], directory: Path, name: str | None = None) -> None:
    try:
        status = directory.stat()
    except OSError:
        return
    identity = (status.st_dev, status.st_ino)
    names = None if name is None else frozenset({name})
    found.add(Spot(directory=str(directory), identity=identity, recursive=name is None, names=names))


class _Handler(FileSystemEventHandler):
    """Calls `wake` for each event that is no mere reading and, with `names`, is about one of them."""

    def __init__(self, wake: Callable[[], None], names: frozenset[str] | None) -> None:
        self._wake = wake
        self._names = names

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in READ_ONLY_EVENTS:
            return
        touched = {os.path.basename(os.fsdecode(path)) for path in (event.src_path, event.dest_path)}  # noqa: PTH119
        if self._names is None or touched & self._names:
            self._wake()


class Watcher:
    """Calls `wake` (from another thread) when something at one of the paths may have changed.

    `poll` lists the directories every second, for file systems that report no events (NFS, some FUSE).
    """

    def __init__(self, paths: Sequence[Path], wake: Callable[[], None], *, poll: bool = False) -> None:
        self._paths = tuple(paths)
        self._wake = wake
        self._observer: BaseObserver = PollingObserver() if poll else Observer()
        self._watches: dict[tuple[str, bool], tuple[frozenset[Spot], ObservedWatch]] = {}

    def start(self) -> None:
        """Raises HostUnfit when the kernel's limits do not allow to watch."""
        self.refresh()
        self._call("start watching", self._observer.start)

    def refresh(self) -> None:
        """Follow links that point elsewhere now, and directories that came or were replaced.

        Raises HostUnfit as `start` does.
        """
        wanted: dict[tuple[str, bool], frozenset[Spot]] = {}
        for spot in find_spots(self._paths):
            key = (spot.directory, spot.recursive)
            wanted[key] = wanted.get(key, frozenset()) | {spot}
        for key, (spots, watch) in list(self._watches.items()):
            if wanted.get(key) != spots:
                self._observer.unschedule(watch)
                del self._watches[key]
        for key in wanted.keys() - self._watches.keys():
            self._schedule(key, wanted[key])

    def stop(self) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def _schedule(self, key: tuple[str, bool], spots: frozenset[Spot]) -> None:
        directory, recursive = key
        names = None if recursive else frozenset[str]().union(*(spot.names or () for spot in spots))
        handler = _Handler(self._wake, names)

        def schedule() -> None:
            watch = self._observer.schedule(handler, directory, recursive=recursive)
            self._watches[key] = (spots, watch)

        self._call(f"watch {directory}", schedule)

    def _call(self, action: str, call: Callable[[], None]) -> None:
        try:
            call()
        except FileNotFoundError:
            return  # gone since it was found; its parent is watched too
        except OSError as error:
            hint = "use --poll"
            if error.errno in (errno.ENOSPC, errno.EMFILE):
                hint = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances, or use --poll"
            raise HostUnfit(f"cannot {action}: {error.strerror or error}", hint=hint) from error
