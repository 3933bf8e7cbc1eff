"""Whether anybody on the host could change the manifests, and with them where connections go.

Looks at file modes only. Says nothing about a tree that others cannot reach, or cannot write to
because it is mounted read-only, as the volumes of ConfigMaps are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from balancer.manifests.placing import whole_file
from balancer.model.problem import Problem, Severity


@dataclass(slots=True)
class Writable:
    """What below one given path every user may write to."""

    paths: list[Path] = field(default_factory=list)

    def look_at(self, path: Path, status: os.stat_result) -> None:
        """Remember a file or directory that the walk met. Its sticky bit does not help: it lets
        everybody add files.
        """
        if status.st_mode & stat.S_IWOTH:
            self.paths.append(path)

    def problems(self, root: Path) -> tuple[Problem, ...]:
        """One warning for the whole tree: it needs one command to mend it."""
        if not self.paths or not _reachable_by_all(root) or _read_only(root):
            return ()
        first, more = self.paths[0], len(self.paths) - 1
        also = f", and so can {more} more below {root}" if more else ""
        message = (
            f"can be written to by every user of this host{also}: "
            f"expected write access for trusted users only (chmod -R o-w {root})"
        )
        return (whole_file(str(first), message, severity=Severity.WARNING),)


def _reachable_by_all(root: Path) -> bool:
    """Whether every directory above lets others through; one that is gone or hidden does not."""
    try:
        above: Sequence[Path] = Path(os.path.realpath(root)).parents
        return all(parent.stat().st_mode & stat.S_IXOTH for parent in above)
    except OSError:
        return False


def _read_only(root: Path) -> bool:
    try:
        return bool(os.statvfs(root).f_flag & os.ST_RDONLY)
    except OSError:
        return False
