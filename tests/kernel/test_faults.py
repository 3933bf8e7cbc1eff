"""Faults in the kernel calls of a pass: a clear error, every frontend whole, and recovery when they end.

The calls are the real ones of the real command; strace makes one of them fail. Clients connect meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest
from harness import faults
from harness.agent import failed_passes
from harness.faults import Fault, Faulty
from harness.host import Host
from harness.patience import until
from harness.turmoil import HALVES, State, Turmoil, put

ERRNOS = ("ENOMEM", "E2BIG", "EPERM", "EINTR", "ENOSPC")
LOADING = {"BPF_MAP_CREATE": "ENOMEM", "BPF_OBJ_PIN": "ENOSPC", "BPF_LINK_UPDATE": "EPERM"}
OTHERS = (
    Fault(name="flock", errno="ENOLCK"),
    Fault(name="membarrier", errno="ENOSYS"),
    Fault(name="rename", errno="EPERM"),
    Fault(name="fsync", errno="ENOSPC"),
    Fault(name="setns", errno="EPERM"),
)
OLD, NEW = State(), State(web=HALVES[1], guest=True, rate="0")
Case = tuple[State, int]
APPLY = ("apply", "--allow-mass-delete")


@pytest.fixture(scope="module")
def turmoil(host: Host) -> Iterator[Turmoil]:
    """Clients from the first test to the last; not one of them may ever see something wrong."""
    host.balancer.run("detach")
    _converge(host, OLD)
    storms = Turmoil(host, pause=0.01)
    yield storms
    assert storms.calm() == {}


def _converge(host: Host, state: State) -> None:
    put(host, state)
    host.balancer.run(*APPLY, str(host.balancer.manifests))


def _apply(host: Host, log: Path, fault: Fault, state: State) -> Faulty:
    put(host, state)
    return faults.run(host.balancer, log, fault, *APPLY, str(host.balancer.manifests))


def _assert_told(fault: Fault, result: Faulty) -> None:
    """No traceback; an error names what failed and a way out, success needs no word."""
    shown = f"{fault}: {result.hit}\nexit {result.code}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr, shown
    assert result.code in (0, 6), shown
    if result.code:
        assert "balancer: error: " in result.stderr, shown
        assert "hint: " in result.stderr, shown


def _survive(host: Host, log: Path, turmoil: Turmoil, fault: Fault, new: State) -> Faulty:
    """A pass to `new` with a fault, and one without: both leave everybody whole, the second one converges."""
    result = _apply(host, log, fault, new)
    _assert_told(fault, result)
    if result.code:
        host.balancer.run(*APPLY, str(host.balancer.manifests))
    turmoil.check(new)
    return result


def _calls(host: Host, log: Path, state: State) -> list[str]:
    """The calls of bpf(2) in a pass that goes well."""
    put(host, state)
    return faults.calls(host.balancer, log, "bpf", *APPLY, str(host.balancer.manifests))


def _some_kinds(found: list[str]) -> list[int]:
    """One call of each of four kinds, by number from 1."""
    numbers = defaultdict(list)
    for number, name in enumerate(found, 1):
        numbers[name].append(number)
    kinds = random.sample(sorted(numbers), 4)
    return [random.choice(numbers[kind]) for kind in kinds]


def _in_turn(*lists: list[Case]) -> Iterator[Case]:
    """One of each list after the other until the longest has come to its end; the shorter ones start over."""
    for cases in zip(range(max(map(len, lists))), *map(itertools.cycle, lists), strict=False):
        yield from cases[1:]


def _to_and_fro(host: Host, log: Path, turmoil: Turmoil, choose: Callable[[list[str]], Iterable[int]]) -> int:
    """From state to state and back; in each pass another call fails. How many were made to fail."""
    _converge(host, OLD)
    forth, back = ([(state, number) for number in choose(_calls(host, log, state))] for state in (NEW, OLD))
    errnos = itertools.cycle(ERRNOS)
    hits = 0
    for state, number in _in_turn(forth, back):
        hits += bool(
            _survive(host, log, turmoil, Fault(name="bpf", errno=next(errnos), at=number), state).hit
        )
    host.balancer.run("plan", "--exit-code", str(host.balancer.manifests))
    return hits


def test_calls_of_all_kinds(host: Host, tmp_path: Path, turmoil: Turmoil) -> None:
    """Calls of bpf(2) that read, write and delete, in either direction."""
    assert _to_and_fro(host, tmp_path / "log", turmoil, _some_kinds) > 4


@pytest.mark.stress
def test_each_single_call(host: Host, tmp_path: Path, turmoil: Turmoil) -> None:
    """Every call, one after the other."""
    assert _to_and_fro(host, tmp_path / "log", turmoil, lambda found: range(1, len(found) + 1)) > 300


def test_loading(host: Host, tmp_path: Path, turmoil: Turmoil) -> None:
    """A new generation that cannot be made, pinned or put into force, time and again; then it can."""
    _converge(host, OLD)
    found = _calls(host, tmp_path / "log", replace(OLD, size=1))
    larger = replace(NEW, size=2)
    todo = [Fault(name="mkdir", errno="ENOSPC", at=2)]  # the first is of the bpffs directory, which is there
    for kind, errno in LOADING.items():
        numbers = [number for number, name in enumerate(found, 1) if name == kind]
        todo.append(Fault(name="bpf", errno=errno, at=random.choice(numbers)))
    for fault in todo:
        result = _apply(host, tmp_path / "log", fault, larger)
        _assert_told(fault, result)
        assert result.code, result
    _converge(host, larger)
    host.balancer.run("plan", "--exit-code", str(host.balancer.manifests))
    turmoil.check(larger)


def test_other_calls(host: Host, tmp_path: Path, turmoil: Turmoil) -> None:
    """The lock, the grace period, the state file and the look at other namespaces."""
    _converge(host, OLD)
    for fault, state in zip(OTHERS, itertools.cycle((NEW, OLD)), strict=False):
        assert _survive(host, tmp_path / "log", turmoil, fault, state).hit, fault


@contextlib.contextmanager
def _tmpfs(path: Path, options: str) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.parametrize(("options", "said"), [("size=4k", "No space left"), ("ro", "Read-only file system")])
def test_no_place_for_the_state_file(
    host: Host, tmp_path: Path, turmoil: Turmoil, options: str, said: str
) -> None:
    """The kernel converges all the same; what could not be written is named, and nothing half-written stays."""
    _converge(host, OLD)
    put(host, NEW)
    with _tmpfs(tmp_path / "small", options) as place:
        state = ("--state", str(place / "state.json"))
        result = host.balancer.run(*APPLY, *state, str(host.balancer.manifests))
        assert said in result.stderr
        assert str(place / "state.json") in result.stderr
        host.balancer.run("status", *state)
        assert not [path for path in place.iterdir() if path.name.startswith(".")]
    turmoil.check(NEW)


def _await(log: TextIO, words: str) -> str:
    """The next line of the log that has these words."""
    seen = []
    for line in log:
        seen.append(line)
        if words in line:
            return line
    pytest.fail(f"watch has ended without {words!r}: {seen}")


def test_watch_waits_and_recovers(host: Host, turmoil: Turmoil) -> None:
    """A kernel without memory ends passes and not the agent: it tries again, and is there when it is over."""
    _converge(host, OLD)
    before = failed_passes(host)
    with host.balancer.start("watch", str(host.balancer.manifests)) as process:
        assert process.stderr is not None
        _await(process.stderr, "in sync")
        with faults.from_now_on(process.pid, "bpf", "ENOMEM"):
            put(host, NEW)
            error = _await(process.stderr, "pass failed")
            assert "Cannot allocate memory" in error
            assert "Traceback" not in error
            until(lambda: failed_passes(host) >= before + 2, "it does not try again")
        assert int(_await(process.stderr, "working again").rsplit(maxsplit=1)[1]) >= 2
        turmoil.check(NEW)
        process.terminate()
    assert process.returncode == 0
