"""A directory, a kernel and a script for the watch loop: what a test does instead of waiting."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from balancer import agent, state
from balancer.agent import Agent
from balancer.config import Settings
from balancer.desired import step
from balancer.desired.types import Desired, Frontend
from balancer.lastgood.content import LastGood
from balancer.lastgood.database import LastGoodFile
from balancer.manifests import FileObjects, Manifests, scan
from balancer.manifests.heard import EVERYTHING
from balancer.manifests.watch import Inbox, Wake
from balancer.model.cluster import Cluster
from balancer.model.meta import Meta
from balancer.model.node import Namespace
from balancer.model.problem import Origin, Problem, Severity
from balancer.model.service import Protocol
from balancer.plan.diff import Change, Plan, Verb
from balancer.plan.steps import Step, Write, WriteKind
from balancer.views import Loaded, PassResult

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
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Reader:
    """A file is one object of its text. Text with "bad" has an error, with "odd" a warning, and "crash"
    crashes. Counts what it takes apart.
    """

    def __init__(self) -> None:
        self.parsed: list[str] = []

    def __call__(self, name: str, raw: bytes) -> FileObjects:
        text = raw.decode()
        self.parsed.append(Path(name).name)
        if "crash" in text:
            raise RecursionError("too deep")
        origin = Origin(file=name, line=1)
        problems = tuple(
            Problem(origin=origin, message=f"{word} in {text}", severity=level)
            for word, level in SEVERITY.items()
            if word in text
        )
        objects = (
            (Namespace(meta=Meta(kind="Namespace", namespace="", name=text, origin=origin)),)
            if text.strip()
            else ()
        )
        digest = hashlib.sha256(raw).hexdigest()
        return FileObjects(path=name, sha256=digest, objects=objects, problems=problems)


def contents(files: Sequence[FileObjects]) -> dict[str, str]:
    """The texts of files by their names, as `Reader` took them."""
    return {Path(file.path).name: "".join(one.meta.name for one in file.objects) for file in files}


class Kernel:
    """Remembers the contents that each pass applied; `errors` are raised one by one instead."""

    def __init__(self) -> None:
        self.passes: list[dict[str, str]] = []
        self.loaded: list[Loaded] = []
        self.errors: list[Exception] = []
        self.attempts = 0
        self.audits: list[bool] = []
        self.begun: list[tuple[tuple[Path, ...], int]] = []
        self.is_as_left = False
        self.plan = Plan()
        self.problems: tuple[Problem, ...] = ()

    def reconciler(self, _settings: Settings) -> Kernel:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is locked."""

    def begin(self, paths: Sequence[Path]) -> None:
        self.begun.append((tuple(paths), len(self.passes)))

    def audit(self, waiting: Callable[[], bool]) -> bool:
        self.audits.append(waiting())
        return self.is_as_left

    def apply(self, loaded: Loaded, *, allow_mass_delete: bool) -> PassResult:
        assert not allow_mass_delete
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        self.loaded.append(loaded)
        self.passes.append(contents(loaded.manifests.files))
        return PassResult(
            plan=self.plan, loaded_programs=False, attached=True, seconds=0.01, problems=self.problems
        )


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


class Stage:
    """`run()` plays the script from the first pass to the end; `kernel` and `script` may be new ones for
    another run, as after a restart of the agent. With `follows`, what is computed is told as a step from the last.
    """

    def __init__(self, directory: Path, log: logging.Logger) -> None:
        self.directory = directory
        self.paths = [directory]
        self.settings = Settings(
            node="n1", resync_seconds=60, state=directory.with_name("lib") / "state.json"
        )
        self.log = log
        self.rewatch = lambda: None
        self.heard = EVERYTHING
        self.ticks = lambda: 0.0
        self.frontends: tuple[Frontend, ...] = ()
        self.desired = Desired()
        self.follows = False
        self.alive_seconds: float | None = None
        self.told: list[str] = []
        self.settled: list[list[str]] = []
        self.read = Path.read_bytes
        self.restart()

    def restart(self) -> None:
        """The agent ends, and another one will be started."""
        self.kernel = Kernel()
        self.reader = Reader()
        self.script = Script()

    def write(self, name: str, text: str) -> None:
        self.directory.mkdir(exist_ok=True)
        (self.directory / name).write_text(text)

    def empty(self) -> None:
        for file in self.directory.iterdir():
            file.unlink()

    def remove(self) -> None:
        self.empty()
        self.directory.rmdir()

    def then(self, step: object = None, wake: Wake = Wake.CHANGE) -> None:
        self.script.steps.append((step, wake))

    @property
    def kept(self) -> LastGoodFile:
        return LastGoodFile(state.last_good_path(self.settings.state))

    def compute(
        self, files: Sequence[FileObjects] | None, _paths: Sequence[Path], _settings: Settings
    ) -> Loaded:
        assert files is not None
        problems = tuple(problem for file in files for problem in file.problems)
        manifests = Manifests(cluster=Cluster(), problems=problems, files=tuple(files), ignored={})
        before = self.desired
        if not self.follows or before.frontends != self.frontends:
            self.desired = Desired(frontends=self.frontends)
        gone = tuple(item for item in before.frontends if item not in self.frontends)
        taken = step.Step(before=before, after=self.desired, gone=gone) if self.follows else None
        return Loaded(manifests=manifests, desired=self.desired, problems=problems, step=taken)

    def files(self) -> LastGood:
        return LastGood(scan=scan, read=lambda path: self.read(path), parse=self.reader, kept=self.kept)

    def run(self) -> None:
        world = agent.World(
            compute=self.compute,
            reconciler=self.kernel.reconciler,
            rewatch=lambda: self.rewatch(),
            heard=lambda: self.heard,
            note=partial(state.note, self.settings.state),
            clock=lambda: NOW,
            ticks=lambda: self.ticks(),
            notify=self.told.append,
            settle=lambda: self.settled.append(list(self.told)),
            alive_seconds=self.alive_seconds,
        )
        self.agent = Agent(
            paths=self.paths,
            settings=self.settings,
            files=self.files(),
            inbox=self.script,
            world=world,
            log=self.log,
        )
        self.agent.run()
