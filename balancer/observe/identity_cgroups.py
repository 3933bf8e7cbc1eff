"""The path of a cgroup by its id, and of a process by its number: what `identity` is told.

The kernel names a cgroup by the inode number of its directory. It is looked for in three places: among the
paths known already, in /proc/PID/cgroup while the process lives, and by walking the cgroup2 tree, at
most a few times a second. What was once found is kept, so that a process is still told by its cgroup when
both have gone. Nothing here writes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from balancer.kernel import mounts
from balancer.observe.identity import Identity, identities, most_telling
from balancer.observe.identity_processes import Processes

SHORTEST_PAUSE_SECONDS = 0.2
SHARE_OF_TIME = 10  # a walk is paid for by a pause this many times as long
MAX_KEPT = 100_000
_V1_SECONDS = 5.0
_V1_NAMES = ("kubepods", "kubelet", "docker", "kubepods.slice", "kubelet.slice", "libpod_parent", "crio")


class Cgroups:
    """The cgroups below one cgroup2 mount. `v1` are the mounts of version 1 hierarchies; `clock` is monotonic,
    in seconds.
    """

    def __init__(
        self,
        hierarchy: Path,
        processes: Processes,
        *,
        v1: tuple[Path, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hierarchy = hierarchy
        self._processes = processes
        self._v1 = v1
        self._clock = clock
        self._paths: dict[int, str] = {}
        self._not_before = 0.0
        self._v1_found = False
        self._v1_until = 0.0
        self.walks = 0

    def find(self, cgroup: int, pid: int, time_ns: int) -> tuple[str, tuple[Identity, ...] | None]:
        """(path, identities) of the process that decided at `time_ns` (CLOCK_MONOTONIC).

        The path is below cgroup2's root, "" when nothing is left to tell it. The identities are None when
        they cannot be known: the process has gone, and its cgroup, if any, says nothing about it.
        """
        path = self._paths.get(cgroup, "")
        if path and (_telling(path) or not self._v1_matters()):
            return path, identities(path)
        paths = self._processes.cgroups(pid, time_ns)
        path = path or self._confirmed(cgroup, paths.get("", "")) or self._walked(cgroup)
        if path and (_telling(path) or not self._v1_matters()):
            return path, identities(path)
        return path, identities(most_telling(paths)) if paths else None

    def _confirmed(self, cgroup: int, path: str) -> str:
        """The path that /proc gives, if it is the very cgroup: the process may have moved since."""
        try:
            same = bool(path) and (self._hierarchy / path.lstrip("/")).stat().st_ino == cgroup
        except OSError:
            return ""
        if not same:
            return ""
        self._paths[cgroup] = path
        return path

    def _walked(self, cgroup: int) -> str:
        """The path from a walk of the whole tree, "" when it is not there or it is too early for one."""
        started = self._clock()
        if started < self._not_before:
            return ""
        self.walks += 1
        found = dict(_tree(self._hierarchy))
        ended = self._clock()
        self._not_before = ended + max(SHORTEST_PAUSE_SECONDS, SHARE_OF_TIME * (ended - started))
        if len(self._paths) > MAX_KEPT:
            self._paths.clear()
        self._paths |= found
        return self._paths.get(cgroup, "")

    def _v1_matters(self) -> bool:
        """Whether pods or containers may be in version 1 hierarchies only, as on hybrid hosts."""
        now = self._clock()
        if now >= self._v1_until:
            self._v1_found = any((mount / name).is_dir() for mount in self._v1 for name in _V1_NAMES)
            self._v1_until = now + _V1_SECONDS
        return self._v1_found


def host_cgroups(cgroup: Path | None, processes: Processes) -> Cgroups:
    """Those of this host, for an instance that serves `cgroup` (None: all). Raises HostUnfit."""
    hierarchy = mounts.hierarchy_of(mounts.resolve_cgroup(cgroup))
    return Cgroups(hierarchy, processes, v1=mounts.mount_points("cgroup"))


def _telling(path: str) -> bool:
    found = identities(path)[0]
    return bool(found.pod_uid or found.container_id)


def _tree(root: Path) -> Iterator[tuple[int, str]]:
    """(id, path) of every cgroup, bytes that are no UTF-8 replaced; those that vanish are passed over."""
    yield root.stat().st_ino, "/"
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            with os.scandir(f"{root}{above}") as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        path = f"{above}/{entry.name}"
                        yield (
                            entry.inode(),
                            path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
                        )
                        waiting.append(path)
        except OSError:
            continue
