"""What /proc tells of the process that made a decision, while it is there: its cgroups and its name.

The kernel tells the number of the process and the name of the thread. By the time somebody looks, the process
may have gone, and its number may be another one's: a process that started after the decision did not make
it, and is not looked at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from balancer.observe.identity import cgroup_lines

NAME_SECONDS = 1.0
MAX_NAMES = 10_000
_START_SLACK_NS = 20_000_000  # /proc tells the start of a process in steps of 10 ms
_START_FIELD = 19  # of /proc/PID/stat after the command's closing bracket: starttime, in clock ticks
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC


class Processes:
    """`proc` is None where process numbers are not the kernel's own (in a PID namespace). `clock` is
    monotonic, in seconds.
    """

    def __init__(self, proc: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = proc
        self._clock = clock
        self._names: dict[tuple[int, str], tuple[float, str]] = {}

    def cgroups(self, pid: int, time_ns: int) -> dict[str, str]:
        """What /proc/PID/cgroup says (`cgroup_lines`), {} when the process of `time_ns` has gone."""
        return cgroup_lines(self._read(pid, "cgroup", time_ns))

    def name(self, pid: int, thread: str, time_ns: int) -> str:
        """The name of the process, of which a thread named `thread` decided; that of the thread when the
        process has gone. It is asked again after a second.
        """
        now = self._clock()
        until, name = self._names.get((pid, thread), (0.0, ""))
        if now >= until:
            name = self._read(pid, "comm", time_ns).rstrip("\n") or thread
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            self._names[pid, thread] = (now + NAME_SECONDS, name)
        return name

    def _read(self, pid: int, file: str, time_ns: int) -> str:
        if self._proc is None:
            return ""
        directory = self._proc / str(pid)
        try:
            text = (directory / file).read_text("utf-8", "replace")
            status = (directory / "stat").read_text("utf-8", "replace")
            ticks = int(status.rpartition(")")[2].split()[_START_FIELD])
        except (OSError, ValueError, IndexError):
            return ""
        start_ns = ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK")) - _asleep_ns()
        return text if start_ns <= time_ns + _START_SLACK_NS else ""


def host_processes() -> Processes:
    """Those of this host, as far as their numbers mean here what they mean to the kernel."""
    mine = Path("/proc/self/ns/pid").stat().st_ino == _INITIAL_PID_NAMESPACE
    return Processes(Path("/proc") if mine else None)


def _asleep_ns() -> int:
    """How long the host was suspended: CLOCK_BOOTTIME counts that, CLOCK_MONOTONIC does not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
