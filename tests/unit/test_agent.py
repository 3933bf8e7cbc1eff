"""The watch loop: what it reads, what it keeps, what it does after an error, and when it ends."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from balancer import agent
from balancer.agent import Agent, LastGood, signals
from balancer.config import Settings
from balancer.desired.types import Desired
from balancer.errors import BrakeEngaged, HostUnfit, KernelCallFailed
from balancer.manifests import FileObjects, Manifests, scan
from balancer.manifests.watch import Inbox, Wake
from balancer.model.cluster import Cluster
from balancer.model.problem import Origin, Problem, Severity
from balancer.model.service import Protocol
from balancer.plan.diff import Change, Plan, Verb
from balancer.plan.steps import Step, Write, WriteKind
from balancer.views import Loaded, PassResult


class Reader:
    """A file whose text holds "bad" has an error, "odd" a warning. Counts what it reads."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: Path) -> FileObjects:
        text = path.read_text()
        self.read.append(path.name)
        found = [(word, level) for word, level in SEVERITY.items() if word in text]
        problems = tuple(
            Problem(origin=Origin(file=str(path), line=1), message=f"{word} in {text}", severity=level)
            for word, level in found
        )
        return FileObjects(path=str(path), sha256=text, objects=(), problems=problems, ignored={})


SEVERITY = {"bad": Severity.ERROR, "odd": Severity.WARNING}
SYNCHRONIZE = Write(step=Step.SYNCHRONIZE, kind=WriteKind.SYNCHRONIZE)
CHANGED = Plan(
    changes=(
        Change(
            verb=Verb.DELETE,
            address=ip_address("10.0.0.1"),
            port=1,
            protocol=Protocol.TCP,
            before=None,
            after=None,
        ),
    ),
    writes=(SYNCHRONIZE,),
)


class Kernel:
    """Remembers the contents that each pass applied; `errors` are raised one by one instead."""

    def __init__(self) -> None:
        self.passes: list[dict[str, str]] = []
        self.loaded: list[Loaded] = []
        self.errors: list[Exception] = []
        self.attempts = 0
        self.plan = Plan()
        self.problems: tuple[Problem, ...] = ()

    @contextmanager
    def reconciler(self, _settings: Settings):
        yield self

    def apply(self, loaded: Loaded, *, allow_mass_delete: bool) -> PassResult:
        assert not allow_mass_delete
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        self.loaded.append(loaded)
        self.passes.append({Path(file.path).name: file.sha256 for file in loaded.manifests.files})
        return PassResult(
            plan=self.plan, loaded_programs=False, attached=True, seconds=0.01, problems=self.problems
        )


def compute(files: Sequence[FileObjects] | None, _paths: Sequence[Path], _settings: Settings) -> Loaded:
    assert files is not None
    problems = tuple(problem for file in files for problem in file.problems)
    manifests = Manifests(cluster=Cluster(), problems=problems, files=tuple(files), ignored={})
    return Loaded(manifests=manifests, desired=Desired(), problems=problems)


class Script(Inbox):
    """Instead of waiting it does the next step of a test and returns its wake-up; STOP after the last."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 0.0, quiet_seconds=0.0)
        self.steps: list[tuple[object, Wake]] = []
        self.waits: list[float] = []

    def next(self, seconds: float) -> Wake:
        self.waits.append(seconds)
        if not self.steps:
            return Wake.STOP
        step, wake = self.steps.pop(0)
        if callable(step):
            step()
        return wake


class World:
    """A directory, a kernel and a script; `run()` plays the script from the first pass to the end."""

    def __init__(self, directory: Path, log: logging.Logger) -> None:
        self.directory = directory
        self.paths = [directory]
        self.kernel = Kernel()
        self.reader = Reader()
        self.script = Script()
        self.log = log
        self.rewatch = lambda: None

    def write(self, name: str, text: str) -> None:
        self.directory.mkdir(exist_ok=True)
        (self.directory / name).write_text(text)

    def then(self, step: object = None, wake: Wake = Wake.CHANGE) -> None:
        self.script.steps.append((step, wake))

    def run(self) -> None:
        Agent(
            paths=self.paths,
            settings=Settings(node="n1", resync_seconds=60),
            compute=compute,
            reconciler=self.kernel.reconciler,
            files=LastGood(scan, self.reader),
            inbox=self.script,
            rewatch=lambda: self.rewatch(),
            log=self.log,
        ).run()


@pytest.fixture
def world(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "test-agent")
    made = World(tmp_path / "manifests", logging.getLogger("test-agent"))
    made.write("a.yaml", "a1")
    made.write("b.yaml", "b1")
    return made


def logged(caplog, level: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_the_first_pass_comes_before_any_wait(world):
    world.run()
    assert world.kernel.passes == [{"a.yaml": "a1", "b.yaml": "b1"}]
    assert world.script.waits == [60]


def test_only_the_changed_file_is_read_again(world):
    world.then(lambda: world.write("b.yaml", "b2"))
    world.run()
    assert world.reader.read == ["a.yaml", "b.yaml", "b.yaml"]
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
    assert world.reader.read == ["a.yaml", "b.yaml"]


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


def test_a_file_that_cannot_be_read_keeps_its_content(world, monkeypatch):
    def forbid(file: Path) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    world.then(lambda: monkeypatch.setattr(agent, "_digest", forbid))
    world.run()
    files = [str(world.directory / name) for name in ("a.yaml", "b.yaml")]
    assert world.kernel.passes[-1] == {"a.yaml": "a1", "b.yaml": "b1"}
    assert list(world.kernel.loaded[-1].stale_files) == files


def test_a_file_that_was_never_good_gives_what_is_good_in_it(world):
    world.write("a.yaml", "bad from the start")
    world.run()
    assert world.kernel.passes == [{"a.yaml": "bad from the start", "b.yaml": "b1"}]
    assert world.kernel.loaded[0].stale_files == ()


def empty(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


def remove(directory: Path) -> None:
    empty(directory)
    directory.rmdir()


@pytest.mark.parametrize(
    ("vanish", "said"), [(empty, "no manifests here"), (remove, "No such file or directory")]
)
def test_a_directory_that_vanishes_removes_nothing_and_is_reported(world, caplog, vanish, said):
    world.then(lambda: vanish(world.directory))
    world.then(None, Wake.TIMER)
    world.then(lambda: world.write("c.yaml", "c1"))
    world.run()
    assert all(applied == {"a.yaml": "a1", "b.yaml": "b1"} for applied in world.kernel.passes[:-1])
    assert world.kernel.passes[-1] == {"c.yaml": "c1"}
    reports = [line for line in logged(caplog, logging.ERROR) if said in line]
    assert len(reports) == 1
    assert "last known manifests stay in force" in reports[0]


@pytest.mark.parametrize("vanish", [empty, remove])
def test_nothing_is_done_until_every_path_has_manifests(world, vanish):
    """What a path that was never seen may hold could be in the maps from an earlier run."""
    other = world.directory.with_name("other")
    other.mkdir()
    (other / "o.yaml").write_text("o1")
    world.paths.append(other)
    vanish(world.directory)
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
        "start: 0 added, 0 changed, 1 deleted in 0.010 s; 0 frontends from 2 files",
        f"change of {path}: 0 added, 0 changed, 1 deleted in 0.010 s; 0 frontends from 2 files",
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
    assert "pass failed: too many watches" in logged(caplog, logging.ERROR)


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
