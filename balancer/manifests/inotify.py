"""watchdog's inotify instance, read as a queue of plain events.

watchdog's observers translate what the kernel says into file system events and lose two things on the way that
decide here: which directory a watch is on after it was moved, and that events were lost. So the layer below them
is used: one `InotifyFD`, which owns the descriptor, the watches and the reading thread.
"""

from __future__ import annotations

import enum
import errno
import os
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD

_OURS = "balancer"
_NO_WATCH = -1


class flags(enum.IntFlag):  # noqa: N801 - written like the kernel's constants: flags.CREATE
    """inotify(7)."""

    MODIFY = InotifyConstants.IN_MODIFY
    ATTRIB = InotifyConstants.IN_ATTRIB
    CLOSE_WRITE = InotifyConstants.IN_CLOSE_WRITE
    MOVED_FROM = InotifyConstants.IN_MOVED_FROM
    MOVED_TO = InotifyConstants.IN_MOVED_TO
    CREATE = InotifyConstants.IN_CREATE
    DELETE = InotifyConstants.IN_DELETE
    DELETE_SELF = InotifyConstants.IN_DELETE_SELF
    MOVE_SELF = InotifyConstants.IN_MOVE_SELF
    UNMOUNT = InotifyConstants.IN_UNMOUNT
    Q_OVERFLOW = InotifyConstants.IN_Q_OVERFLOW
    IGNORED = InotifyConstants.IN_IGNORED
    ISDIR = InotifyConstants.IN_ISDIR


class Event(NamedTuple):
    """`wd` is the number of the watch, -1 for an overflow; `name` the entry of the directory, or ""."""

    wd: int
    mask: int
    name: str


class INotify:
    """Raises OSError when the kernel's limits do not allow an instance or a watch."""

    def __init__(self) -> None:
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._descriptor = InotifyFD()
        self._descriptor.start()

    def add_watch(self, path: str, mask: int) -> int:
        """The number of the watch; a directory that is watched already keeps its number."""
        number = int(self._descriptor.add_callback(os.fsencode(path), mask, self, _OURS))  # type: ignore[arg-type]
        if number == _NO_WATCH:  # watchdog takes EACCES for an answer
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return number

    def rm_watch(self, number: int) -> None:
        """Ends a watch, and whoever waits in `read` is told so."""
        self._descriptor.remove_callbacks([(number, _OURS)])  # type: ignore[list-item]
        self._events.put(Event(number, flags.IGNORED, ""))

    def read(self, *, timeout: int) -> list[Event]:
        """What has come, waiting up to `timeout` milliseconds for the first event."""
        found: list[Event] = []
        with suppress(Empty):
            found.append(self._events.get(timeout=timeout / 1000))
            while True:
                found.append(self._events.get_nowait())
        return found

    def close(self) -> None:
        self._descriptor.stop()

    def on_event(self, event: InotifyEvent) -> None:
        """Called by the reading thread."""
        self._events.put(Event(event.wd, event.mask, os.fsdecode(event.name)))

    def on_watch_deleted(self, wd: int) -> None:
        """Called by the reading thread."""
        self._events.put(Event(wd, flags.IGNORED, ""))

    def on_queue_overflow(self) -> None:
        """Called by the reading thread."""
        self._events.put(Event(_NO_WATCH, flags.Q_OVERFLOW, ""))
