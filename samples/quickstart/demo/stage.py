"""A stage that leaves nothing behind: namespaces of its own, a cgroup and a bpffs.

The network namespace has loopback alone, so that no packet of the demo can leave the machine, whatever
goes wrong. The mount and process namespaces end with the demo, and with them the pins and the servers,
even when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ON_STAGE = "BALANCER_DEMO_ON_STAGE"
_PREFIX = "balancer-demo-"
_NEEDED = ("unshare", "ip", "mount", "curl", "dig", "dnsmasq")
_ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`cgroup` is the part of the cgroup tree that is served; `pins` lies in the demo's own bpffs."""

    cgroup: Path
    pins: Path
    scratch: Path

    @property
    def environment(self) -> dict[str, str]:
        """The common options of every balancer command, as variables."""
        return {
            "BALANCER_CGROUP": str(self.cgroup),
            "BALANCER_BPFFS": str(self.pins),
            "BALANCER_STATE": str(self.scratch / "state.json"),
            "BALANCER_NODE": "demo-node",
        }

    def inside(self, group: str, command: Sequence[str]) -> list[str]:
        """`command`, run in the cgroup `group` of the stage."""
        directory = self.cgroup / group
        directory.mkdir(exist_ok=True)
        return ["sh", "-c", _ENTER, str(directory), *command]


def missing() -> str:
    """Why the demo cannot run here and what to do, "" when it can."""
    if os.geteuid() != 0:
        return "the demo loads programs into the kernel: run it as root (sudo make demo)"
    absent = [name for name in _NEEDED if shutil.which(name) is None]
    if absent:
        return f"programs not found: {', '.join(absent)}; make setup installs them"
    if _cgroup2() is None:
        return "cgroup2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup/unified"
    return ""


def enter() -> None:
    """Replace this process by itself inside the namespaces; returns at once when it is there already.

    What killed demos left behind is removed first, while the processes of the machine can still be seen.
    """
    if os.environ.get(_ON_STAGE):
        return
    _remove_leftovers()
    os.environ[_ON_STAGE] = f"{_PREFIX}{os.getpid()}"
    flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *flags, "--", sys.executable, *sys.argv])


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Loopback, cgroup, bpffs and a scratch directory; all gone at the end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    cgroup, scratch = _places(os.environ[_ON_STAGE])
    pins = scratch / "bpf"
    cgroup.mkdir()
    pins.mkdir(parents=True)
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["mount", "-t", "bpf", "bpf", str(pins)], check=True)
        yield Stage(cgroup=cgroup, pins=pins / "balancer", scratch=scratch)
    finally:
        subprocess.run(["umount", "--lazy", str(pins)], check=False)
        _remove(cgroup.name)


def _cgroup2() -> Path | None:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)


def _places(name: str) -> tuple[Path, Path]:
    """The cgroup and the scratch directory of the demo with this name."""
    root = _cgroup2()
    if root is None:
        raise LookupError("cgroup2 is not mounted")
    return root / name, Path(tempfile.gettempdir()) / name


def _remove(name: str) -> None:
    """Kill what is left in a demo's cgroup, and remove the cgroup with its children and the scratch directory."""
    cgroup, scratch = _places(name)
    if cgroup.exists():
        (cgroup / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + 5
        while "populated 1" in (cgroup / "cgroup.events").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        for directory in (*(child for child in cgroup.iterdir() if child.is_dir()), cgroup):
            directory.rmdir()
    shutil.rmtree(scratch, ignore_errors=True)


def _remove_leftovers() -> None:
    """What demos whose process is gone left behind."""
    cgroup, scratch = _places("any")
    for place in (cgroup.parent, scratch.parent):
        for found in place.glob(f"{_PREFIX}[0-9]*"):
            if not Path("/proc", found.name.removeprefix(_PREFIX)).exists():
                _remove(found.name)
