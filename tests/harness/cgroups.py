"""Cgroups (version 2) of the tests' own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from harness import names
from harness.patience import until


def mount_point() -> Path:
    """Where cgroup2 is mounted; on a hybrid host that is not /sys/fs/cgroup. LookupError where it is not."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise LookupError("cgroup2 is not mounted on this host")


@contextlib.contextmanager
def cgroup(label: str = "") -> Iterator[Path]:
    """A cgroup directly below the root; at the end every process in it is killed and it is removed."""
    path = mount_point() / names.fresh(label)
    path.mkdir()
    try:
        yield path
    finally:
        remove(path)


def child(parent: Path, *parts: str) -> Path:
    """A cgroup below one of ours; it goes with its parent."""
    path = parent.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def remove(path: Path) -> None:
    """Kill everything in one of our cgroups, then remove it with its children."""
    (path / "cgroup.kill").write_text("1")
    events = path / "cgroup.events"
    until(lambda: "populated 1" not in events.read_text(), f"{path} has processes still", pause=0.005)
    directories = [found for found in path.rglob("*") if found.is_dir()]
    for directory in sorted(directories, key=lambda found: len(found.parts), reverse=True):
        directory.rmdir()
    path.rmdir()


def remove_leftovers() -> None:
    """Remove what killed runs left behind."""
    for path in mount_point().iterdir():
        if path.is_dir() and names.is_leftover(path.name):
            remove(path)
