"""Where cgroup2 and bpffs are mounted on this host. Nothing is assumed: the mount table says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from balancer.errors import HostUnfit

_MOUNTS = Path("/proc/self/mounts")
BPFFS_STANDARD = Path("/sys/fs/bpf")
_ROOT_INODE = 1


def mount_points(kind: str, mounts: Path = _MOUNTS) -> tuple[Path, ...]:
    """Mount points of one file system type, in the order of the mount table."""
    found = []
    for line in mounts.read_text().splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == kind:
            found.append(Path(fields[1].encode().decode("unicode_escape")))
    return tuple(found)


def is_true_root(cgroup: Path) -> bool:
    """Whether this is the root of the hierarchy itself, and not a part of it that a container or a bind
    mount shows as one. The kernel gives the root, and nothing else, the inode number 1.
    """
    return cgroup.stat().st_ino == _ROOT_INODE


def cgroup2_root() -> Path:
    """The mount of the hierarchy's true root, else the first cgroup2 mount; on a hybrid host neither is
    /sys/fs/cgroup.
    """
    found = mount_points("cgroup2")
    if not found:
        raise HostUnfit(
            "no cgroup2 file system is mounted",
            hint="mount one: mount -t cgroup2 none /sys/fs/cgroup/unified",
        )
    return next(filter(is_true_root, found), found[0])


def resolve_cgroup(chosen: Path | None) -> Path:
    """The cgroup to attach to: the one given, else the cgroup2 root. It must be inside cgroup2."""
    if chosen is None:
        return cgroup2_root()
    if not chosen.is_dir():
        raise HostUnfit(
            f"cgroup {chosen} does not exist", hint="give a directory inside cgroup2 with --cgroup"
        )
    real = chosen.resolve()
    if not any(real.is_relative_to(root) for root in mount_points("cgroup2")):
        raise HostUnfit(
            f"{chosen} is not inside a cgroup2 file system",
            hint="give a directory below one of the mounts that `grep cgroup2 /proc/self/mounts` lists",
        )
    return real


def hierarchy_of(cgroup: Path) -> Path:
    """The root of the cgroup2 mount that a cgroup is in."""
    return max(
        (root for root in mount_points("cgroup2") if cgroup.is_relative_to(root)),
        key=lambda root: len(root.parts),
    )


def bpffs_mount_of(directory: Path) -> Path | None:
    """The bpffs mount that `directory`, which need not exist yet, lies in; None when it lies in none."""
    real = Path(os.path.realpath(directory))
    roots = [root for root in mount_points("bpf") if real.is_relative_to(root)]
    return max(roots, key=lambda root: len(root.parts), default=None)


def prepare_bpffs(directory: Path) -> None:
    """Makes `directory` inside a bpffs; mounts one at /sys/fs/bpf if that is where it should be."""
    if (
        bpffs_mount_of(directory) is None
        and directory.is_relative_to(BPFFS_STANDARD)
        and BPFFS_STANDARD.is_dir()
    ):
        subprocess.run(["mount", "-t", "bpf", "bpf", str(BPFFS_STANDARD)], check=False, capture_output=True)
    if bpffs_mount_of(directory) is None:
        raise HostUnfit(
            f"{directory} is not inside a bpf file system",
            hint=f"mount one: mount -t bpf bpf {BPFFS_STANDARD}, or give a directory inside one with --bpffs",
        )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HostUnfit(f"cannot make {directory}: {error.strerror}", hint="run as root") from None
