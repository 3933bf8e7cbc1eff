"""What a host must offer for the kernel tests. What is missing fails them: they are never skipped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_PROGRAMS = (
    "ip",
    "nsenter",
    "unshare",
    "sysctl",
    "mount",
    "umount",
    "bpftool",
    "curl",
    "dig",
    "dnsmasq",
    "getent",
    "git",
    "rsync",
    "tar",
    "tmux",
    "strace",
)


def missing() -> list[str]:
    """One sentence for each thing that is missing, with the way out; empty when all is there."""
    result = []
    if os.geteuid() != 0:
        result.append(
            "not root: run the tests as root, or run only tests/unit, tests/property, tests/cli and tests/samples"
        )
    if not any(line.split()[2] == "cgroup2" for line in Path("/proc/self/mounts").read_text().splitlines()):
        result.append("cgroup2 is not mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
    absent = [name for name in _PROGRAMS if shutil.which(name) is None]
    if absent:
        result.append(f"programs not found: {', '.join(absent)} (make setup installs their packages)")
    return result
