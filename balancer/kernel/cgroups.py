"""The cgroups of pods, found by the pod's UID in the names that container runtimes give them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple


class PodCgroup(NamedTuple):
    """`id` is what bpf_get_current_cgroup_id() gives in it; `level` is its depth below the hierarchy's
    root (a child of the root has 1).
    """

    uid: str
    path: Path
    id: int
    level: int


def cgroup_id(path: Path) -> int:
    """The kernel's id of a cgroup2 directory: its inode number."""
    return path.stat().st_ino


def pod_cgroups(root: Path, hierarchy: Path, uids: Collection[str]) -> tuple[PodCgroup, ...]:
    """The cgroups below `root` that belong to these pods. `hierarchy` is the mount that `root` is in.

    kubelet names them "pod<uid>" with the cgroupfs driver and "...-pod<uid>.slice", dashes as
    underscores, with the systemd driver. What is inside a pod's cgroup belongs to it and is not listed.
    """
    if not uids:
        return ()
    names = {marker: uid for uid in uids for marker in (f"pod{uid}", f"pod{uid.replace('-', '_')}")}
    found = []
    for directory in directories(root):
        name = directory.name.removesuffix(".slice")
        uid = names.get(name) or names.get(name.rpartition("-")[2])
        if uid is not None:
            level = len(directory.relative_to(hierarchy).parts)
            found.append(PodCgroup(uid, directory, cgroup_id(directory), level))
    return tuple(found)


def directories(root: Path) -> Iterator[Path]:
    """Every cgroup below `root`, parents before children."""
    for current, children, _ in os.walk(root):
        for child in children:
            yield Path(current, child)
