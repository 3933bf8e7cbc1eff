"""The path of a cgroup by its id: kept, asked of /proc, or found by a walk at a bounded rate."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from balancer.observe.identity_cgroups import SHORTEST_PAUSE_SECONDS, Cgroups
from balancer.observe.identity_processes import Processes

UID = "1858680e-b044-4fd5-9dd4-f137e30e2180"
POD = f"/kubepods/burstable/pod{UID}/0123456789abcdef"
NOW = time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Like a cgroup2 mount: directories whose inode numbers are ids."""
    (tmp_path / "cgroup").mkdir()
    return tmp_path / "cgroup"


def _process(tmp_path: Path, pid: int, lines: str, *, started: int = 1) -> Path:
    """A /proc with one process; `started` is in clock ticks after the host."""
    directory = tmp_path / "proc" / str(pid)
    directory.mkdir(parents=True)
    (directory / "cgroup").write_text(lines)
    fields = ["S", *["0"] * 18, str(started), "0"]
    (directory / "stat").write_text(f"{pid} (odd) name) {' '.join(fields)}\n")
    return tmp_path / "proc"


def _made(root: Path, path: str) -> int:
    (root / path.lstrip("/")).mkdir(parents=True)
    return (root / path.lstrip("/")).stat().st_ino


def test_a_walk_finds_the_path_and_it_is_kept(root: Path, tmp_path: Path, clock: Clock) -> None:
    """A process that has gone is told by its cgroup, also after that has gone too."""
    cgroup = _made(root, POD)
    cgroups = Cgroups(root, Processes(tmp_path / "proc"), clock=clock)
    for _ in range(2):
        path, found = cgroups.find(cgroup, 7, NOW)
        assert (path, found and found[0].pod_uid) == (POD, UID)
        if (root / POD.lstrip("/")).exists():
            (root / POD.lstrip("/")).rmdir()
    assert cgroups.walks == 1


def test_unknown_ids_cause_few_walks(root: Path, tmp_path: Path, clock: Clock) -> None:
    cgroups = Cgroups(root, Processes(tmp_path / "proc"), clock=clock)
    for number in range(1000):
        assert cgroups.find(10**12 + number, 7, NOW) == ("", None)
    assert cgroups.walks == 1
    clock.seconds += SHORTEST_PAUSE_SECONDS
    cgroup = _made(root, POD)
    assert cgroups.find(cgroup, 7, NOW)[0] == POD
    assert cgroups.walks == 2


def test_a_live_process_spares_the_walk(root: Path, tmp_path: Path, clock: Clock) -> None:
    cgroup = _made(root, POD)
    proc = _process(tmp_path, 7, f"0::{POD}\n")
    cgroups = Cgroups(root, Processes(proc), clock=clock)
    assert cgroups.find(cgroup, 7, NOW)[0] == POD
    assert cgroups.walks == 0


def test_a_process_that_moved_is_told_by_where_it_was(root: Path, tmp_path: Path, clock: Clock) -> None:
    cgroup, _ = _made(root, POD), _made(root, "/system.slice")
    proc = _process(tmp_path, 7, "0::/system.slice\n")
    path, found = Cgroups(root, Processes(proc), clock=clock).find(cgroup, 7, NOW)
    assert (path, found and found[0].pod_uid) == (POD, UID)


def test_a_number_that_is_another_process_by_now(root: Path, tmp_path: Path, clock: Clock) -> None:
    """One that started after the decision did not make it."""
    ticks = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // (10**9 // os.sysconf("SC_CLK_TCK"))
    proc = _process(tmp_path, 7, f"0::{POD}\n", started=ticks)
    early = NOW - 60 * 10**9
    assert Cgroups(root, Processes(proc), clock=clock).find(10**12, 7, early) == ("", None)


def _hybrid(tmp_path: Path) -> Path:
    """A version 1 mount with pods in it."""
    (tmp_path / "pids" / "kubepods").mkdir(parents=True)
    return tmp_path / "pids"


def test_a_hybrid_host_is_asked_for_version_1(root: Path, tmp_path: Path, clock: Clock) -> None:
    """The cgroup2 path of a pod's process is the runtime's there, and says nothing."""
    cgroup = _made(root, "/system.slice/containerd.service")
    proc = _process(tmp_path, 7, f"3:pids:{POD}\n0::/system.slice/containerd.service\n")
    cgroups = Cgroups(root, Processes(proc), v1=(_hybrid(tmp_path),), clock=clock)
    path, found = cgroups.find(cgroup, 7, NOW)
    assert (path, found and found[0].pod_uid) == ("/system.slice/containerd.service", UID)
    assert cgroups.find(cgroup, 8, NOW) == ("/system.slice/containerd.service", None)


def test_version_1_without_pods_leaves_the_path_as_the_answer(
    root: Path, tmp_path: Path, clock: Clock
) -> None:
    cgroup = _made(root, "/system.slice/ssh.service")
    (tmp_path / "pids").mkdir()
    cgroups = Cgroups(root, Processes(tmp_path / "proc"), v1=(tmp_path / "pids",), clock=clock)
    path, found = cgroups.find(cgroup, 8, NOW)
    assert (path, found and found[0].unit) == ("/system.slice/ssh.service", "ssh.service")


def test_another_pid_namespace_asks_no_process(root: Path, tmp_path: Path, clock: Clock) -> None:
    """The kernel's process numbers mean nothing in a container's /proc."""
    assert Cgroups(root, Processes(None), clock=clock).find(10**12, os.getpid(), NOW) == ("", None)


def test_a_process_is_named_after_itself_and_not_its_thread(tmp_path: Path, clock: Clock) -> None:
    """dig asks from a thread that is called isc-net-0000."""
    proc = _process(tmp_path, 7, "0::/\n")
    (proc / "7" / "comm").write_text("dig\n")
    processes = Processes(proc, clock)
    assert processes.name(7, "isc-net-0000", NOW) == "dig"
    (proc / "7" / "comm").write_text("other\n")
    assert (processes.name(7, "isc-net-0000", NOW), processes.name(7, "other", NOW)) == ("dig", "other")
    assert processes.name(8, "gone", NOW) == "gone"


def test_names_that_are_no_text_are_told_as_text(root: Path, tmp_path: Path, clock: Clock) -> None:
    """A cgroup may be called anything but "." and "..", and what is printed must be UTF-8."""
    cgroup = _made(root, os.fsdecode(b"/odd\xff"))
    cgroups = Cgroups(root, Processes(None), clock=clock)
    assert cgroups.find(cgroup, 7, NOW)[0] == "/odd\ufffd"
