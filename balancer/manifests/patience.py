"""Lets a file go only when nothing else is on its way.

Tools that move objects from one file to another do not do it at once: git and rsync delete first and write
later, seconds later where the way is long. A file that is gone therefore counts as one that cannot be read
just now, so that its objects stay, while other files are being written. Never decides what a file holds.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from balancer.manifests.discover import Found, Glance, glance

LONGEST_SECONDS = 10.0


class Bustle(Protocol):
    """Knows whether files are changing, as `Watcher` does."""

    def is_busy(self) -> bool: ...

    def look_again(self) -> None: ...


class Patience:
    """`scan`, `glance` and `read` of the same meaning as those given. `read` raises OSError with ETXTBSY for a file
    that is gone and kept; not before it is let go does `scan` leave it out, at most ten seconds later.
    """

    def __init__(
        self,
        *,
        scan: Callable[[Sequence[Path]], Found],
        read: Callable[[Path], bytes],
        bustle: Bustle,
        clock: Callable[[], float],
        glance: Callable[[Path, Path], Glance] = glance,
    ) -> None:
        self._scan = scan
        self._glance = glance
        self._read = read
        self._bustle = bustle
        self._clock = clock
        self._before: dict[tuple[Path, ...], set[Path]] = {}
        self._gone_since: dict[Path, float] = {}

    def scan(self, paths: Sequence[Path]) -> Found:
        """As the scan given, and the files that are gone and kept. Raises PathUnreadable."""
        found = self._scan(paths)
        present = set(found.files)
        for file in self._gone_since.keys() & present:
            del self._gone_since[file]
        gone = self._before.get(tuple(paths), set()) - present
        kept = tuple(file for file in sorted(gone) if self._is_kept(file))
        self._before[tuple(paths)] = present.union(kept)
        if not kept:
            return found
        self._bustle.look_again()
        return Found(files=tuple(sorted((*found.files, *kept))), problems=found.problems)

    def glance(self, path: Path, file: Path) -> Glance:
        """As the glance given, of a path that was scanned; UNCLEAR as long as any file is gone and kept."""
        before = self._before.get((path,))
        if self._gone_since or before is None:
            return Glance.UNCLEAR
        seen = self._glance(path, file)
        if seen is Glance.FILE:
            before.add(file)
        elif seen is Glance.NOTHING and file in before:
            if self._bustle.is_busy():
                return Glance.UNCLEAR
            before.remove(file)
        return seen

    def _is_kept(self, file: Path) -> bool:
        since = self._gone_since.setdefault(file, self._clock())
        if self._bustle.is_busy() and self._clock() < since + LONGEST_SECONDS:
            return True
        del self._gone_since[file]
        return False

    def read(self, file: Path) -> bytes:
        """As the read given; a file that was found and is gone by now is looked for again."""
        try:
            return self._read(file)
        except FileNotFoundError as error:
            self._bustle.look_again()
            raise OSError(errno.ETXTBSY, "it is gone, and other files are being written") from error
