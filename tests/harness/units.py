"""The systemd units of the samples as tests see them: their settings, and a host shaped by these."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

UNITS = Path(__file__).resolve().parents[2] / "samples" / "systemd"
_SANDBOX = Path(__file__).with_name("sandbox_main.py")
_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'


def setting(unit: str, name: str) -> tuple[str, ...]:
    """The words of one setting of a unit, of all its lines."""
    lines = (UNITS / unit).read_text().splitlines()
    values = [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]
    return tuple(" ".join(values).split())


def capabilities(unit: str) -> tuple[str, ...]:
    """As setpriv names them: net_admin for CAP_NET_ADMIN."""
    return tuple(word.removeprefix("CAP_").lower() for word in setting(unit, "CapabilityBoundingSet"))


def only(*names: str) -> list[str]:
    """A prefix for a command of root that then has these capabilities and no other."""
    return ["setpriv", "--bounding-set=" + ",".join(["-all", *(f"+{name}" for name in names)])]


def confined(unit: str, writable: Path) -> list[str]:
    """A prefix for a command that then runs under a unit's restrictions: capabilities, system calls,
    no new code, and a root file system that is read-only but for one directory.
    """
    calls = ",".join(sorted(_system_calls(setting(unit, "SystemCallFilter"))))
    mounts = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _READ_ONLY, str(writable)]
    return [*mounts, *only(*capabilities(unit)), sys.executable, str(_SANDBOX), calls]


def _system_calls(words: tuple[str, ...]) -> set[str]:
    """What a list of system calls and of systemd's groups of them allows."""
    found: set[str] = set()
    for word in words:
        found |= _group(word) if word.startswith("@") else {word}
    return found


@cache
def _group(name: str) -> frozenset[str]:
    command = ["systemd-analyze", "--no-pager", "syscall-filter", name]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = (line.strip() for line in shown.splitlines()[1:])
    return frozenset(_system_calls(tuple(word for word in words if word and not word.startswith("#"))))
