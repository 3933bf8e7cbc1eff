"""Totals over passes: added up by value, kept in the state file, and never lost between two processes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from balancer import state
from balancer.config import Settings
from balancer.errors import BrakeEngaged, LockHeld
from balancer.model.problem import Origin, Problem, Severity
from balancer.passes.reconcile import note_failure
from balancer.plan.diff import Plan
from balancer.tally import Ending, Stage, Stopwatch, Tally
from balancer.views import LastPass, PassResult

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LAST = LastPass(time=NOON, result=Ending.CONVERGED, seconds=0.5, frontends=2, files=1, changes=2)
PROBLEM = Problem(origin=Origin(file="a.yaml", line=2), message="odd", severity=Severity.WARNING)


def _result(seconds: float = 1.0, sockets: int = 0, **stages: float) -> PassResult:
    return PassResult(
        plan=Plan(),
        loaded_programs=False,
        attached=True,
        seconds=seconds,
        sockets_ended=sockets,
        stages={Stage(name): value for name, value in stages.items()},
    )


def test_passes_that_converged_add_up() -> None:
    """The time of a whole pass begins with reading the files, which is before the kernel's part."""
    tally = Tally().converged(_result(1.0, 2, read=0.5, compute=0.25, write=0.125), NOON)
    tally = tally.converged(_result(2.0, 1, write=0.25), NOON + timedelta(seconds=9))
    assert tally == Tally(
        passes={"converged": 2},
        pass_seconds=3.75,
        seconds={"read": 0.5, "compute": 0.25, "write": 0.375},
        counts={"read": 1, "compute": 1, "write": 2},
        sockets_ended=3,
        last_success=NOON + timedelta(seconds=9),
    )


def test_a_pass_that_failed_changes_nothing_else() -> None:
    tally = Tally().converged(_result(), NOON)
    failed = tally.failed().failed()
    assert failed.passes == {"converged": 1, "failed": 2}
    assert (failed.pass_seconds, failed.last_success) == (tally.pass_seconds, NOON)


def test_a_stage_in_two_parts_is_one_stage() -> None:
    times = iter((1.0, 1.5, 2.0, 2.25))
    watch = Stopwatch(lambda: next(times))
    for _ in range(2):
        with watch.stage(Stage.LOAD):
            pass
    assert watch.seconds == {"load": 0.75}


def test_the_tally_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    tally = Tally().converged(_result(1.5, 1, read=0.5), NOON).failed()
    state.save(path, state.State(last_pass=LAST, tally=tally))
    assert state.load(path)[0].tally == tally


@pytest.mark.parametrize(
    ("failure", "counted", "failed"), [("refused", True, 1), ("waiting", False, 0), ("", True, 0)]
)
def test_only_a_failure_that_counts_is_counted(
    tmp_path: Path, failure: str, counted: bool, failed: int
) -> None:
    path = tmp_path / "state.json"
    state.note(path, problems=(), stale_files=(), failure=failure, time=NOON, counted=counted)
    assert state.load(path)[0].tally == (Tally().failed() if failed else Tally())


def test_what_is_not_given_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.save(path, state.State(last_pass=LAST, problems=(PROBLEM,), stale_files=("b.yaml",)))
    state.note(path, problems=None, stale_files=None, failure="refused", time=NOON)
    found, _ = state.load(path)
    assert (found.problems, found.stale_files) == ((PROBLEM,), ("b.yaml",))
    assert found.last_pass is not None
    assert not found.last_pass.converged


def test_a_single_pass_that_failed_is_told(tmp_path: Path) -> None:
    """With its hint, as a problem and as the outcome of the last pass."""
    settings = Settings(state=tmp_path / "state.json")
    note_failure(settings, None, BrakeEngaged("too many", hint="look first"))
    found, _ = state.load(settings.state)
    assert found.last_pass is not None
    assert found.last_pass.result == "too many (hint: look first)"
    assert [problem.message for problem in found.problems] == ["pass failed: too many (hint: look first)"]
    assert found.tally.passes == {"failed": 1}


def test_who_does_not_get_the_lock_says_nothing_of_who_has_it(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path / "state.json")
    state.save(settings.state, state.State(last_pass=LAST))
    note_failure(settings, None, LockHeld("busy"))
    found, _ = state.load(settings.state)
    assert (found.last_pass, found.tally.passes) == (LAST, {"failed": 1})


def test_a_state_file_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    note_failure(Settings(state=tmp_path / "file" / "state.json"), None, BrakeEngaged("too many"))


def test_two_processes_lose_no_count(tmp_path: Path) -> None:
    """Reading the file and replacing it is one step to everybody else."""
    path = tmp_path / "state.json"
    program = (
        "import sys; from pathlib import Path; from balancer import state\n"
        "state._PATIENCE = 60.0  # of a slow disk, whatever a pass would wait\n"
        "for _ in range(30): state.count_failure(Path(sys.argv[1]))"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert state.load(path)[0].tally.passes == {"failed": 90}
