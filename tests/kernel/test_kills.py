"""SIGKILL at random instants of a pass, while clients connect without pause: they never notice, nothing leaks."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from harness import faults, left_behind
from harness.faults import Fault
from harness.host import Host
from harness.turmoil import HALVES, State, Turmoil, put

KILLS = 20
FOLLOWED = 6
LONG_KILLS = int(os.environ.get("BALANCER_STRESS_KILLS", "500"))
DEBOUNCE = 0.1


class Killer:
    """Starts passes and kills them. `growing` and `steady` are how long a pass takes with and without loading
    programs, in seconds.
    """

    def __init__(self, host: Host, chance: random.Random) -> None:
        self._host = host
        self._chance = chance
        self._directory = str(host.balancer.manifests)
        self.growing, self.steady = self._timed(), self._timed()

    def _timed(self) -> float:
        result = self._host.balancer.json("apply", "--allow-mass-delete", self._directory)
        return float(result["seconds"])

    def apply(self, old: State, new: State) -> bool:
        """An apply that finds `old` in force, killed after it took the lock; False if it came to its end."""
        put(self._host, new)
        with _started(self._host, "apply", "--allow-mass-delete") as process:
            if _holds_lock(process):
                time.sleep(self._chance.uniform(0, self.growing if new.size > old.size else 2 * self.steady))
        return process.returncode == -signal.SIGKILL

    def watch(self, old: State, new: State) -> bool:
        """A watch that sees the directory become `new`, killed in the pass that follows or about then."""
        put(self._host, old)
        with _started(self._host, "watch") as process:
            assert process.stderr is not None
            assert any(" start: " in line for line in process.stderr), "watch has ended by itself"
            put(self._host, new)
            time.sleep(DEBOUNCE + self._chance.uniform(0, 0.1 + 2 * self.steady))
        assert process.returncode == -signal.SIGKILL, "watch has ended by itself"
        return True


@contextlib.contextmanager
def _started(host: Host, *arguments: str) -> Iterator[Popen[str]]:
    """A command that is killed at the end of the block."""
    with host.balancer.start(*arguments, str(host.balancer.manifests)) as process:
        try:
            yield process
        finally:
            process.kill()


def _holds_lock(process: Popen[str]) -> bool:
    """Wait until the process holds the lock of its bpffs directory; False if it ends without."""
    while process.poll() is None:
        if f" {process.pid} " in Path("/proc/locks").read_text():
            return True
        time.sleep(0.001)
    return False


def _converge(host: Host, state: State) -> None:
    """What a pass after a kill has to do, whichever state it is for."""
    put(host, state)
    host.balancer.run("apply", "--allow-mass-delete", str(host.balancer.manifests))


def _assert_in_sync(host: Host) -> None:
    host.balancer.run("plan", "--exit-code", str(host.balancer.manifests))


def _ravage(host: Host, kills: int, chance: random.Random, *, pause: float, look: int) -> State:
    """Kill passes that change all sorts of things under clients; returns the state in force at the end.

    Clients connect anew after `pause` seconds; after each pass they get what it was for, and after every
    `look`-th one `plan` must find nothing to do.
    """
    host.balancer.run("detach")
    state = State()
    put(host, state)
    killer, turmoil = Killer(host, chance), Turmoil(host, pause=pause)
    while kills:
        grow = kills % 7 == 0
        new = state.another(chance, grow=grow)
        kill = killer.watch if kills % 4 == 1 and not grow else killer.apply
        kills -= kill(state, new)
        state = chance.choice((state, new))
        _converge(host, state)
        turmoil.check(state)
        if kills % look == 0:
            _assert_in_sync(host)
    assert turmoil.calm() == {}
    return state


def _everything(host: Host) -> dict[str, object]:
    """All that an instance has, in a form that is the same for every instance in the same state."""
    instance = host.balancer
    return {
        "pins": left_behind.pins(instance),
        "entries": left_behind.used(instance),
        "links": left_behind.links(host),
        "programs": left_behind.programs(host),
        "files": sorted(path.name for path in instance.state.parent.iterdir()),
    }


def _assert_nothing_leaks(host: Host, state: State) -> None:
    """After all those kills an instance is what a fresh one is, and nothing of the others is left."""
    survivor = _everything(host)
    assert left_behind.used(host.balancer)["slots"] == left_behind.referenced_slots(host.balancer)
    assert left_behind.orphans(host.balancer) == set()
    host.balancer.run("detach")
    assert not left_behind.links(host) + left_behind.programs(host)
    _converge(host, state)
    _assert_in_sync(host)
    assert survivor == _everything(host)


def _round(host: Host, *, pause: float, look: int) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # shown when the test fails
    _assert_nothing_leaks(host, _ravage(host, KILLS, random.Random(seed), pause=pause, look=look))


def test_killed_at_any_instant(host: Host) -> None:
    """Backends, ports, services, policies and map sizes change; every pass is killed, and the next converges."""
    _round(host, pause=0.005, look=4)


def test_killed_while_it_follows_what_changed(host: Host) -> None:
    """Passes of an agent that look at what changed alone; whoever comes after it knows nothing of them."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance, state = random.Random(seed), State()
    host.balancer.run("detach")
    put(host, state)
    killer, turmoil = Killer(host, chance), Turmoil(host, pause=0.005)
    for _ in range(FOLLOWED):
        new = state.another(chance, grow=False)
        killer.watch(state, new)
        state = chance.choice((state, new))
        _converge(host, state)
        turmoil.check(state)
        _assert_in_sync(host)
    assert turmoil.calm() == {}
    _assert_nothing_leaks(host, state)


@pytest.mark.stress
@pytest.mark.parametrize("number", range(-(-LONG_KILLS // KILLS)))
def test_killed_again_and_again(host: Host, number: int) -> None:
    """The same, many more times, each on an instance that was just loaded."""
    print(f"round {number}")
    _round(host, pause=0.0005, look=1)


def _kill_at(host: Host, log: Path, turmoil: Turmoil, fault: Fault, new: State) -> None:
    """A pass that is killed at one certain system call, and the one after it."""
    put(host, new)
    result = faults.run(host.balancer, log, fault, "apply", str(host.balancer.manifests))
    assert result.code == -signal.SIGKILL, (fault, result)
    host.balancer.run("apply", str(host.balancer.manifests))
    turmoil.check(new)


@pytest.mark.stress
def test_killed_at_each_call(host: Host, tmp_path: Path) -> None:
    """Before every call of bpf(2) in a pass but the last reads, to one state and back."""
    host.balancer.run("detach")
    old, new = State(), State(web=HALVES[1], guest=True, rate="0")
    _converge(host, old)
    turmoil = Turmoil(host, pause=0.005)
    put(host, new)
    total = len(faults.calls(host.balancer, tmp_path / "log", "bpf", "apply", str(host.balancer.manifests)))
    for number in range(1, total - 20):
        for state in (old, new):
            _kill_at(host, tmp_path / "log", turmoil, Fault(name="bpf", errno="KILL", at=number), state)
    _assert_in_sync(host)
    assert turmoil.calm() == {}


def test_killed_while_it_writes_the_state_file(host: Host, tmp_path: Path) -> None:
    """The file before stays as it is, and the next pass leaves nothing of the attempt behind."""
    _converge(host, State())
    before = sorted(path.name for path in host.balancer.state.parent.iterdir())
    put(host, State(guest=True))
    fault = Fault(name="fsync", errno="KILL")
    result = faults.run(host.balancer, tmp_path / "log", fault, "apply", str(host.balancer.manifests))
    assert result.code == -signal.SIGKILL, result
    host.balancer.run("status")
    _converge(host, State())
    assert sorted(path.name for path in host.balancer.state.parent.iterdir()) == before
