"""The watch loop: what it reads, what it keeps, what it does after an error, and when it ends."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest
from watch_world import CHANGED, NOW, Stage

from balancer import state
from balancer.agent import signals
from balancer.agent.loop import WAITING
from balancer.errors import BrakeEngaged, HostUnfit, KernelCallFailed
from balancer.manifests.watch import Inbox, Wake
from balancer.model.problem import Origin, Problem, Severity


@pytest.fixture
def world(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "test-agent")
    made = Stage(tmp_path / "manifests", logging.getLogger("test-agent"))
    made.write("a.yaml", "a1")
    made.write("b.yaml", "b1")
    return made


def logged(caplog, level: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_the_first_pass_comes_before_any_wait(world):
    world.run()
    assert world.kernel.passes == [{"a.yaml": "a1", "b.yaml": "b1"}]
    assert world.script.waits == [60]


def test_what_needs_no_manifests_begins_once_and_first(world):
    world.then(None, Wake.TIMER)
    world.run()
    assert world.kernel.begun == [((world.directory,), 0)]


def test_only_the_changed_file_is_read_again(world):
    world.then(lambda: world.write("b.yaml", "b2"))
    world.run()
    assert world.reader.parsed == ["a.yaml", "b.yaml", "b.yaml"]
    assert world.kernel.passes[-1] == {"a.yaml": "a1", "b.yaml": "b2"}


def test_the_same_content_written_again_is_no_pass(world):
    world.then(lambda: world.write("a.yaml", "a1"))
    world.run()
    assert world.kernel.attempts == 1


@pytest.mark.parametrize("wake", [Wake.TIMER, Wake.RELOAD])
def test_resync_and_sighup_run_a_pass_without_a_change(world, wake):
    world.then(None, wake)
    world.run()
    assert world.kernel.attempts == 2
    assert world.reader.parsed == ["a.yaml", "b.yaml"]


def test_a_deleted_file_takes_its_objects_along(world):
    world.then(lambda: (world.directory / "a.yaml").unlink())
    world.run()
    assert world.kernel.passes[-1] == {"b.yaml": "b1"}


def test_a_broken_file_keeps_its_last_good_content_and_others_converge(world, caplog):
    def commit():
        world.write("a.yaml", "bad a2")
        world.write("b.yaml", "b2")

    world.then(commit)
    world.run()
    assert world.kernel.passes[-1] == {"a.yaml": "a1", "b.yaml": "b2"}
    assert world.kernel.loaded[-1].stale_files == (str(world.directory / "a.yaml"),)
    assert [problem.message for problem in world.kernel.loaded[-1].problems] == ["bad in bad a2"]
    assert any("a.yaml:1:1: error" in line for line in logged(caplog, logging.ERROR))


def test_a_repaired_file_is_no_longer_stale(world, caplog):
    world.then(lambda: world.write("a.yaml", "bad a2"))
    world.then(lambda: world.write("a.yaml", "a3"))
    world.run()
    assert world.kernel.passes[-1]["a.yaml"] == "a3"
    assert world.kernel.loaded[-1].stale_files == ()
    assert any(line.startswith("solved: ") for line in logged(caplog))


def test_a_file_that_cannot_be_read_keeps_its_content(world):
    def forbid(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    world.then(lambda: setattr(world, "read", forbid))
    world.run()
    files = [str(world.directory / name) for name in ("a.yaml", "b.yaml")]
    assert world.kernel.passes[-1] == {"a.yaml": "a1", "b.yaml": "b1"}
    assert list(world.kernel.loaded[-1].stale_files) == files


def test_a_file_that_was_never_good_gives_what_is_good_in_it(world):
    world.write("a.yaml", "bad from the start")
    world.run()
    assert world.kernel.passes == [{"a.yaml": "bad from the start", "b.yaml": "b1"}]
    assert world.kernel.loaded[0].stale_files == ()


@pytest.mark.parametrize(
    ("vanish", "said"), [(Stage.empty, "no manifests here"), (Stage.remove, "No such file or directory")]
)
def test_a_directory_that_vanishes_removes_nothing_and_is_reported(world, caplog, vanish, said):
    world.then(lambda: vanish(world))
    world.then(None, Wake.TIMER)
    world.then(lambda: world.write("c.yaml", "c1"))
    world.run()
    assert all(applied == {"a.yaml": "a1", "b.yaml": "b1"} for applied in world.kernel.passes[:-1])
    assert world.kernel.passes[-1] == {"c.yaml": "c1"}
    reports = [line for line in logged(caplog, logging.ERROR) if said in line]
    assert len(reports) == 1
    assert "last known manifests stay in force" in reports[0]


@pytest.mark.parametrize("vanish", [Stage.empty, Stage.remove])
def test_nothing_is_done_until_every_path_has_manifests(world, vanish):
    """What a path that was never seen may hold could be in the maps from an earlier run."""
    other = world.directory.with_name("other")
    other.mkdir()
    (other / "o.yaml").write_text("o1")
    world.paths.append(other)
    vanish(world)
    world.then(lambda: world.write("a.yaml", "a1"))
    world.run()
    assert world.kernel.passes == [{"a.yaml": "a1", "o.yaml": "o1"}]


def test_an_error_of_a_pass_backs_off_and_the_loop_goes_on(world, caplog):
    world.kernel.errors = [BrakeEngaged("too many deletes") for _ in range(8)]
    for _ in range(8):
        world.then(None, Wake.TIMER)
    world.run()
    assert world.script.waits == [1, 2, 4, 8, 16, 30, 30, 30, 60]
    assert [line for line in logged(caplog, logging.ERROR) if "too many deletes" in line] == [
        "pass failed: too many deletes"
    ]
    assert "working again, failed passes before: 8" in logged(caplog)


def test_a_failed_pass_is_tried_again_at_the_next_change_even_of_nothing(world):
    world.kernel.errors = [KernelCallFailed("update map slots", 12)]
    world.then(lambda: world.kernel.errors.append(KernelCallFailed("update map slots", 12)), Wake.TIMER)
    world.kernel.errors.insert(0, BrakeEngaged("first"))
    world.then(None, Wake.CHANGE)
    world.then(None, Wake.CHANGE)
    world.run()
    assert world.kernel.attempts == 4
    assert len(world.kernel.passes) == 1


def test_a_host_that_cannot_run_it_ends_the_first_pass(world):
    world.kernel.errors = [HostUnfit("no cgroup2", hint="mount it")]
    with pytest.raises(HostUnfit):
        world.run()


def test_one_line_a_pass_says_what_changed(world, caplog):
    world.kernel.plan = CHANGED
    world.then(lambda: world.write("b.yaml", "b2"))
    world.run()
    path = world.directory / "b.yaml"
    assert logged(caplog) == [
        "start: 0 added, 0 changed, 1 deleted in 0.010 s; deleted 10.0.0.1:1/TCP; "
        "0 frontends from 2 files, 2 read",
        f"change of {path}: 0 added, 0 changed, 1 deleted in 0.010 s; deleted 10.0.0.1:1/TCP; "
        "0 frontends from 2 files, 1 read",
    ]


def test_a_quiet_resync_says_nothing(world, caplog):
    world.then(None, Wake.TIMER)
    world.run()
    assert len(logged(caplog)) == 1
    assert len(logged(caplog, logging.DEBUG)) == 2


def test_the_same_problem_is_logged_once(world, caplog):
    world.write("a.yaml", "odd a1")
    for _ in range(3):
        world.then(None, Wake.TIMER)
    world.run()
    assert len([line for line in logged(caplog, logging.WARNING) if "odd" in line]) == 1


def test_a_problem_of_the_kernel_side_is_logged_once_too(world, caplog):
    origin = Origin(file="pod.yaml", line=3)
    world.kernel.problems = (Problem(origin=origin, message="no cgroup", severity=Severity.WARNING),)
    for _ in range(3):
        world.then(None, Wake.TIMER)
    world.run()
    assert logged(caplog, logging.WARNING) == ["pod.yaml:3:1: warning: no cgroup"]
    assert not any(line.startswith("solved") for line in logged(caplog))


def test_a_path_that_cannot_be_watched_is_read_all_the_same(world, caplog):
    def fail() -> None:
        raise HostUnfit("too many watches")

    world.then(lambda: setattr(world, "rewatch", fail))
    world.then(lambda: world.write("a.yaml", "a2"), Wake.TIMER)
    world.run()
    assert world.kernel.passes[-1]["a.yaml"] == "a2"
    assert any("only seen every 60 s: too many watches" in line for line in logged(caplog, logging.ERROR))
    assert world.script.waits == [60, 60, 60]


@pytest.mark.parametrize(
    ("number", "wake"),
    [(signal.SIGTERM, Wake.STOP), (signal.SIGINT, Wake.STOP), (signal.SIGHUP, Wake.RELOAD)],
)
def test_signals_wake_the_loop_and_are_given_back(number, wake):
    inbox = Inbox(clock=lambda: 0.0, quiet_seconds=0.0)
    before = signal.getsignal(number)
    with signals(inbox):
        os.kill(os.getpid(), number)
        assert inbox.get(5.0) is wake
    assert signal.getsignal(number) is before


def test_a_part_of_the_tree_that_cannot_be_seen_keeps_its_files(world):
    """A link into a tree that a sync tool has just taken away hides files; it does not delete them."""
    for commit in ("one", "two"):
        (world.directory / f".{commit}").mkdir()
        (world.directory / f".{commit}" / "c.yaml").write_text(commit)
    link = world.directory / "current"

    def point(name: str) -> None:
        link.unlink(missing_ok=True)
        link.symlink_to(name)

    point(".one")
    world.then(lambda: point("gone"))
    world.then(lambda: point(".two"))
    world.run()
    assert [applied["c.yaml"] for applied in world.kernel.passes] == ["one", "one", "two"]
    assert world.kernel.loaded[1].stale_files == (str(link / "c.yaml"),)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError(), OSError(5, "Input/output error")])
def test_no_error_whatever_ends_the_loop(world, caplog, error):
    """Only a signal does; what was not expected is logged with its traceback, once."""
    world.kernel.errors = [error, error]
    world.then(None, Wake.TIMER)
    world.then(None, Wake.TIMER)
    world.run()
    assert len(world.kernel.passes) == 1
    failed = [record for record in caplog.records if record.getMessage().startswith("pass failed")]
    assert len(failed) == 1
    assert bool(failed[0].exc_info) is not isinstance(error, OSError)


def test_a_kernel_that_fails_at_the_start_is_tried_again(world):
    """Memory may be short for a moment; that is no host that cannot run it."""
    world.kernel.errors = [KernelCallFailed("create map slots", 12)]
    world.then(None, Wake.TIMER)
    world.run()
    assert len(world.kernel.passes) == 1


def test_status_tells_why_a_pass_failed(world):
    """The reconciler writes the state file only when it has converged."""
    world.kernel.errors = [BrakeEngaged("refused: too many", hint="allow it")]
    world.run()
    kept, _ = state.load(world.settings.state)
    assert kept.last_pass is not None
    assert (kept.last_pass.time, kept.last_pass.result) == (NOW, "refused: too many (hint: allow it)")
    assert [problem.message for problem in kept.problems if problem.is_error] == [
        "pass failed: refused: too many (hint: allow it)"
    ]


def test_status_tells_that_a_path_was_never_seen(world):
    world.remove()
    world.run()
    kept, _ = state.load(world.settings.state)
    assert kept.last_pass is not None
    assert "waiting" in kept.last_pass.result
    assert kept.stale_files == (str(world.directory),)
    assert "nothing is changed until it is there" in kept.problems[0].message


def test_a_state_file_that_cannot_be_written_is_a_problem_and_no_failure(world, caplog):
    """As on a full or read-only disk; the next pass tries again."""
    world.settings.state.parent.write_text("in the way")
    world.then(lambda: world.settings.state.parent.unlink(), Wake.TIMER)
    world.run()
    assert len(world.kernel.passes) == 2
    assert world.script.waits == [60, 60]
    warnings = logged(caplog, logging.WARNING)
    assert len([line for line in warnings if "cannot write the last good content" in line]) == 1
    assert any(line.startswith("solved:") for line in logged(caplog))
    assert len(world.kept.load()) == 2


def standings(world, *steps) -> list[tuple[bool, bool, str]]:
    """How the agent stands after each step, from the first pass on."""
    seen = []
    for step in (*steps, None):
        note = lambda: seen.append(world.agent.standing)  # noqa: E731
        world.then((lambda step=step, note=note: (note(), step and step())), Wake.TIMER)
    world.run()
    return [(item.ready, item.converged, item.reason) for item in seen]


def test_it_stands_well_while_passes_converge_and_says_what_is_stale(world):
    assert standings(world, lambda: world.write("a.yaml", "bad a2")) == [
        (True, True, ""),
        (True, True, "1 stale file"),
    ]


def test_it_stays_ready_while_passes_fail(world):
    assert standings(
        world, lambda: world.kernel.errors.append(BrakeEngaged("refused", hint="allow it")), None
    ) == [
        (True, True, ""),
        (True, False, "pass failed: refused (hint: allow it)"),
        (True, True, ""),
    ]


def test_it_is_not_ready_before_a_pass_is_in_force(world):
    world.kernel.errors = [BrakeEngaged("refused")]
    assert standings(world) == [(False, False, "pass failed: refused")]


def test_it_is_not_ready_while_it_waits_for_a_path(world):
    world.remove()
    assert standings(world, lambda: world.write("a.yaml", "a1")) == [
        (False, False, WAITING),
        (True, True, ""),
    ]


def test_waiting_is_no_failed_pass(world):
    """Metrics count passes that failed; an empty directory at the start is none."""
    world.remove()
    world.then(None, Wake.TIMER)
    world.kernel.errors = [BrakeEngaged("refused")]
    world.then(lambda: world.write("a.yaml", "a1"))
    world.run()
    kept, _ = state.load(world.settings.state)
    assert dict(kept.tally.passes) == {"failed": 1}


def test_the_time_of_reading_is_a_stage(world):
    ticks = iter(range(0, 100, 3))
    world.ticks = lambda: float(next(ticks))
    world.run()
    assert world.kernel.loaded[0].stages == {"read": 3.0}


def words(world) -> list[str]:
    return [message.partition("=")[0] for message in world.told]


def test_the_service_manager_hears_of_the_start_every_pass_and_the_end(world):
    """sd_notify(3): a reload is announced, and over when the service is ready again."""
    world.then(lambda: world.write("a.yaml", "a2"))
    world.then(None, Wake.RELOAD)
    world.run()
    passes = [["STATUS", "READY"], ["STATUS"], ["RELOADING", "STATUS", "READY"]]
    assert words(world) == [word for each in passes for word in (*each, "WATCHDOG")] + ["STOPPING"]
    assert world.told[0].startswith("STATUS=start: in sync")


def test_ready_is_said_when_services_are_in_force_and_not_before(world):
    world.kernel.errors = [BrakeEngaged("refused")]
    world.then(None, Wake.RELOAD)
    world.kernel.errors.append(BrakeEngaged("refused"))
    world.then(None, Wake.TIMER)
    world.run()
    told = [message for message in world.told if not message.startswith("WATCHDOG")]
    assert told[0] == "STATUS=pass failed: refused"
    assert [word for word in words(world) if word != "WATCHDOG"] == [
        *("STATUS", "STATUS", "STATUS", "READY", "STOPPING")
    ]


def test_the_watchdog_is_fed_while_nothing_happens(world):
    world.alive_seconds = 25
    for _ in range(3):
        world.then(None, Wake.TIMER)
    world.run()
    assert world.script.waits == [25, 25, 10, 25]
    assert world.kernel.attempts == 2
