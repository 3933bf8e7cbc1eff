"""The watch loop: wake, run one pass, back off after an error, stop on a signal.

The loop never makes things worse than they are. What cannot be read keeps what it had (`lastgood`), an
error ends a pass and not the loop, and only a signal ends the loop; the one exception is a host that
cannot run the data plane at all, which is said at once. Clock, waiting, files, kernel, state file and
service manager are arguments.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from balancer import notify
from balancer.errors import BalancerError, HostError, HostUnfit
from balancer.lastgood import LastGood, Snapshot, shorten
from balancer.manifests.watch import Inbox, Wake
from balancer.model.problem import Origin, Problem, Severity
from balancer.model.render import render_problem
from balancer.report.console import clean
from balancer.report.plans import pass_line, plural

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from balancer.config import Settings
    from balancer.manifests import FileObjects
    from balancer.views import Loaded, PassResult

FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 30.0
WAITING = "nothing done: waiting for a path that has never shown a manifest"


class Once:
    """Logs each problem when it appears and when it is gone, and not in between."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._known: dict[str, None] = {}

    def report(self, problems: Sequence[Problem]) -> None:
        now = {clean(render_problem(problem)).partition("\n")[0]: problem for problem in problems}
        for line, problem in now.items():
            if line not in self._known:
                self._log.log(logging.ERROR if problem.is_error else logging.WARNING, "%s", line)
        for line in self._known:
            if line not in now:
                self._log.info("solved: %s", line)
        self._known = dict.fromkeys(now)


class OnePass(Protocol):
    """The part of a reconciler that the loop uses."""

    def apply(self, loaded: Loaded, *, allow_mass_delete: bool) -> PassResult: ...


class Note(Protocol):
    """Tells `balancer status` what a pass that was not done could not: `balancer.state.note`."""

    def __call__(
        self, *, problems: Sequence[Problem], stale_files: Sequence[str], failure: str, time: datetime
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside of the loop. `compute` works the files out, `reconciler` opens the kernel for one
    pass and holds the lock meanwhile, `rewatch` follows links and directories that moved. `clock` is in
    UTC. `notify` speaks to the service manager, which wants a sign of life every `alive_seconds`.
    """

    compute: Callable[[Sequence[FileObjects] | None, Sequence[Path], Settings], Loaded]
    reconciler: Callable[[Settings], AbstractContextManager[OnePass]]
    rewatch: Callable[[], None]
    note: Note
    clock: Callable[[], datetime]
    notify: Callable[[str], None]
    alive_seconds: float | None = None


class Agent:
    """Runs passes until it is told to stop."""

    def __init__(
        self,
        *,
        paths: Sequence[Path],
        settings: Settings,
        files: LastGood,
        inbox: Inbox,
        world: World,
        log: logging.Logger,
    ) -> None:
        self._paths = tuple(paths)
        self._settings = settings
        self._files = files
        self._inbox = inbox
        self._world = world
        self._log = log
        self._problems = Once(log)
        self._applied: Snapshot | None = None
        self._after_pass: tuple[Problem, ...] = ()
        self._failures = 0
        self._last_error = ""

    def run(self) -> None:
        """Returns after STOP. Raises only HostUnfit, and only for the first pass: this host cannot run it."""
        self._restore()
        wake = Wake.START
        while wake is not Wake.STOP:
            was_ready = self._applied is not None
            if was_ready and wake is Wake.RELOAD:
                self._world.notify(notify.reloading())
            self._attempt(wake)
            if self._applied and (wake is Wake.RELOAD or not was_ready):  # once in force, and after a reload
                self._world.notify(notify.READY)
            wake = self._wait()
        self._world.notify(notify.STOPPING)

    def _restore(self) -> None:
        try:
            self._files.restore(self._paths)
        except (HostError, OSError) as error:
            self._log.error("cannot restore what was in force before: %s", _with_hint(error))

    def _wait(self) -> Wake:
        """The next wake-up; meanwhile the service manager is told that the agent is alive."""
        seconds, sign = self._wait_seconds(), self._world.alive_seconds
        while sign and seconds > sign:
            self._world.notify(notify.ALIVE)
            wake = self._inbox.next(sign)
            if wake is not Wake.TIMER:
                return wake
            seconds -= sign
        self._world.notify(notify.ALIVE)
        return self._inbox.next(seconds)

    def _wait_seconds(self) -> float:
        if not self._failures:
            return self._settings.resync_seconds
        return float(min(FIRST_BACK_OFF_SECONDS * 2 ** (self._failures - 1), LONGEST_BACK_OFF_SECONDS))

    def _attempt(self, wake: Wake) -> None:
        try:
            self._look(wake, self._rewatch())
        except Exception as error:  # whatever it is, the loop must be there when it is over
            if wake is Wake.START and isinstance(error, HostUnfit):
                raise
            self._failed(error)
            return
        if self._failures:
            self._log.info("working again, failed passes before: %d", self._failures)
        self._failures, self._last_error = 0, ""

    def _rewatch(self) -> tuple[Problem, ...]:
        """Whatever goes wrong with watching, files are still read, at every resync."""
        try:
            self._world.rewatch()
        except Exception as error:  # noqa: BLE001 - a fault of watching must not end reading
            seldom = f"changes are only seen every {self._settings.resync_seconds:g} s"
            return (self._problem(f"{seldom}: {_with_hint(error)}"),)
        return ()

    def _failed(self, error: Exception) -> None:
        """Says so once for as long as the same error comes back."""
        self._failures = min(self._failures + 1, 32)
        text = _with_hint(error)
        self._world.notify(notify.status(f"pass failed: {text}"))
        if text != self._last_error:
            expected = isinstance(error, BalancerError | OSError)
            self._log.error("pass failed: %s", text, exc_info=None if expected else error)
        self._last_error = text

    def _look(self, wake: Wake, unwatched: tuple[Problem, ...]) -> None:
        """One look at the files, and a pass if one is due."""
        snapshot = self._files.refresh(self._paths)
        snapshot = replace(snapshot, problems=(*unwatched, *snapshot.problems))
        seen = replace(snapshot, changed=())
        if not snapshot.complete:
            self._problems.report(snapshot.problems)
            self._tell(snapshot.problems, snapshot, WAITING)
            self._world.notify(notify.status(WAITING))
        elif wake is not Wake.CHANGE or self._failures or seen != self._applied:
            self._pass(snapshot, wake)
            self._applied = seen

    def _pass(self, snapshot: Snapshot, wake: Wake) -> None:
        problems = snapshot.problems
        try:
            loaded = self._world.compute(snapshot.files, self._paths, self._settings)
            problems = tuple(dict.fromkeys((*problems, *loaded.problems)))
            loaded = replace(loaded, problems=problems, stale_files=snapshot.stale)
            self._problems.report((*problems, *self._after_pass))
            with self._world.reconciler(self._settings) as reconciler:
                result = reconciler.apply(loaded, allow_mass_delete=False)
        except Exception as error:
            text = _with_hint(error)
            self._tell((*problems, self._problem(f"pass failed: {text}")), snapshot, text)
            raise
        self._finish(snapshot, wake, loaded, result)

    def _finish(self, snapshot: Snapshot, wake: Wake, loaded: Loaded, result: PassResult) -> None:
        """The kernel has converged: keep what is in force, and say what was done."""
        not_kept = self._keep()
        self._after_pass = (*result.problems, *not_kept)
        self._problems.report((*loaded.problems, *self._after_pass))
        if not_kept:
            self._tell((*loaded.problems, *self._after_pass), snapshot)
        quiet = wake is Wake.TIMER and result.plan.empty and not snapshot.changed
        line = _line(wake, result, loaded, snapshot)
        self._log.log(logging.DEBUG if quiet else logging.INFO, "%s", line)
        self._world.notify(notify.status(line))

    def _keep(self) -> tuple[Problem, ...]:
        """Keeps what is in force for the next start; the kernel has converged whether it can or not."""
        try:
            self._files.keep(self._paths)
        except (HostError, OSError) as error:
            origin = Origin(file=str(self._settings.state), line=0)
            return (Problem(origin=origin, severity=Severity.WARNING, message=_with_hint(error)),)
        return ()

    def _tell(self, problems: Sequence[Problem], snapshot: Snapshot, failure: str = "") -> None:
        """For `balancer status`: what is wrong now, and why the last pass could not be done."""
        try:
            self._world.note(
                problems=problems,
                stale_files=snapshot.stale,
                failure=failure,
                time=self._world.clock(),
            )
        except (HostError, OSError) as error:
            self._log.debug("status cannot be told: %s", _with_hint(error))

    def _problem(self, message: str) -> Problem:
        return Problem(origin=Origin(file=str(self._paths[0]), line=1), message=message)


def _with_hint(error: Exception) -> str:
    hint = getattr(error, "hint", "")
    name = "" if isinstance(error, BalancerError | OSError) else f"{type(error).__name__}: "
    return clean(f"{name}{error}{f' (hint: {hint})' if hint else ''}")


def _line(wake: Wake, result: PassResult, loaded: Loaded, snapshot: Snapshot) -> str:
    """`change of a.yaml: 1 added, 0 changed, 0 deleted in 0.012 s; 14 frontends from 3 files`."""
    changed = snapshot.changed and wake is not Wake.START
    cause = f"change of {shorten(snapshot.changed)}" if changed else wake.value
    frontends = plural(len(loaded.desired.frontends), "frontend")
    files = plural(len(loaded.manifests.files), "file")
    stale = f", {len(snapshot.stale)} stale" if snapshot.stale else ""
    restored = f", {len(snapshot.restored)} restored" if snapshot.restored else ""
    return clean(f"{cause}: {pass_line(result)}; {frontends} from {files}{stale}{restored}")


@contextmanager
def signals(inbox: Inbox) -> Iterator[None]:
    """SIGTERM and SIGINT stop the loop, SIGHUP makes it look again. Only for the main thread."""
    meaning = {signal.SIGTERM: Wake.STOP, signal.SIGINT: Wake.STOP, signal.SIGHUP: Wake.RELOAD}

    def handle(number: int, _frame: FrameType | None) -> None:
        inbox.put(meaning[signal.Signals(number)])

    before = {number: signal.signal(number, handle) for number in meaning}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
