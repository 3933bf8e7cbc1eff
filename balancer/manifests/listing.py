"""Changes found by listing, for file systems that report none (NFS, some FUSE) and past the limits of inotify.

Files are looked at by size, times and inode, never opened. A change counts when nothing more has changed
for one listing, so that what is written to in place is not read half.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from balancer.manifests.heard import EVERYTHING, NOTHING, Heard
from balancer.manifests.spots import find_spots, subdirectories

LISTING_SECONDS = 1.0
LONGEST_WAIT_LISTINGS = 5

Sight = tuple[int, int, int, int, int, int]


class Listing:
    """What is at the paths, by name. Has the same methods as `Notices`, and needs no limits."""

    hears_all = False

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._seen = dict(_list(self._paths))
        self._unsettled: frozenset[str] = frozenset()
        self._waited = 0
        self._interrupted = threading.Event()

    def refresh(self) -> bool:
        """Nothing to do: every listing follows the links anew."""
        return False

    def wait(self) -> Heard:
        """One second; EVERYTHING when something changed, and is quiet now or has not been for long."""
        if self._interrupted.wait(LISTING_SECONDS):
            return NOTHING
        before, self._seen = self._seen, dict(_list(self._paths))
        names = before.keys() | self._seen.keys()
        changed = frozenset(name for name in names if before.get(name) != self._seen.get(name))
        was_waiting, self._unsettled = bool(self._waited), changed
        self._waited = self._waited + 1 if changed else 0
        due = was_waiting and (not changed or self._waited % LONGEST_WAIT_LISTINGS == 0)
        return EVERYTHING if due else NOTHING

    def is_written(self, file: Path) -> bool:
        """Whether the file changed between the latest two listings."""
        return bool(self._unsettled) and os.path.realpath(file) in self._unsettled

    def written(self) -> frozenset[str]:
        """The real paths of all that did."""
        return self._unsettled

    def is_busy(self) -> bool:
        """Whether anything did."""
        return bool(self._unsettled)

    def interrupt(self) -> None:
        """Makes `wait` return at once, from now on."""
        self._interrupted.set()

    def close(self) -> None:
        """Nothing is held open."""


def _list(paths: Sequence[Path]) -> Iterator[tuple[str, Sight]]:
    for spot in find_spots(paths):
        if spot.recursive:
            for directory in (spot.directory, *subdirectories(spot.directory)):
                yield from _entries(directory)
        for name in spot.names or ():
            yield from _look(f"{spot.directory}/{name}")


def _entries(directory: str) -> Iterator[tuple[str, Sight]]:
    try:
        with os.scandir(directory) as entries:
            names = [entry.path for entry in entries]
    except OSError:
        return
    for name in names:
        yield from _look(name)


def _look(path: str) -> Iterator[tuple[str, Sight]]:
    try:
        status = os.lstat(path)
    except OSError:
        return
    times = (status.st_mtime_ns, status.st_ctime_ns)
    yield path, (status.st_mode, status.st_dev, status.st_ino, status.st_size, *times)
