"""The watch loop: wake, run one pass, back off after an error, stop on a signal.

The loop never makes things worse than they are. What cannot be read keeps what it had (`lastgood`), an
error ends a pass and not the loop, and only a signal ends the loop; the one exception is a host that
cannot run the data plane at all, which is said at once. Clock, waiting, files, kernel, state file and
service manager are arguments.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from balancer import notify
from balancer.agent.journal import Done, Journal, with_hint
from balancer.agent.standing import Standing
from balancer.errors import HostError, HostUnfit
from balancer.manifests.heard import ELSEWHERE, EVERYTHING, Heard
from balancer.manifests.watch import Inbox, Wake
from balancer.model.problem import Origin, Problem, Severity
from balancer.plan.diff import Plan
from balancer.report.plans import plural
from balancer.tally import Stage
from balancer.views import PassResult

if TYPE_CHECKING:
    from types import TracebackType

    from balancer.config import Settings
    from balancer.desired.types import Desired, Frontend
    from balancer.lastgood.content import LastGood, Snapshot
    from balancer.manifests import FileObjects
    from balancer.views import Loaded

FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 30.0
READ_ALL_SECONDS = 3600.0
MOST_PUT_OFF = 10
"""So many times in a row a check of the kernel may be put off for changes of files."""
WAITING = "nothing done: waiting for a path that has never shown a manifest"


class Passes(Protocol):
    """The part of a reconciler that the loop uses: one for its whole life, entered for each pass."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def begin(self, paths: Sequence[Path]) -> None: ...

    def apply(self, loaded: Loaded, *, allow_mass_delete: bool) -> PassResult: ...

    def audit(self, waiting: Callable[[], bool]) -> bool: ...


class Note(Protocol):
    """Tells `balancer status` what a pass that was not done could not: `balancer.state.note`."""

    def __call__(
        self,
        *,
        problems: Sequence[Problem],
        stale_files: Sequence[str],
        failure: str,
        time: datetime,
        counted: bool,
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside of the loop. `compute` works the files out, `reconciler` makes what brings the kernel in
    line and holds the lock during a pass, `rewatch` follows links and directories that moved, `heard` tells
    where files may have changed since it was asked last. `clock` is in UTC, `ticks` counts seconds. `notify` speaks
    to the service manager, which wants a sign of life every `alive_seconds`. `settle` is called after each pass that
    worked everything out anew, when there is time.
    """

    compute: Callable[[Sequence[FileObjects], Sequence[Path], Settings], Loaded]
    reconciler: Callable[[Settings], Passes]
    rewatch: Callable[[], None]
    heard: Callable[[], Heard]
    note: Note
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    notify: Callable[[str], None]
    settle: Callable[[], None]
    alive_seconds: float | None = None


class Agent:
    """Runs passes until it is told to stop. `standing`, and `busy` while it looks at the files or makes a pass,
    may be read from any thread.
    """

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
        self.standing = Standing()
        self.busy = False
        self._unsettled = False
        self._paths = tuple(paths)
        self._settings = settings
        self._files = files
        self._inbox = inbox
        self._world = world
        self._journal = Journal(log)
        self._reconciler = world.reconciler(settings)
        self._applied: Snapshot | None = None
        self._in_force: Desired | None = None
        self._read_all_at = 0.0
        self._checked_at = world.ticks()
        self._audited_at = world.ticks()
        self._changed: tuple[str, ...] = ()
        self._after_pass: tuple[Problem, ...] = ()
        self._failures = 0

    def run(self) -> None:
        """Returns after STOP. Raises only HostUnfit, and only for the first pass: this host cannot run it."""
        self._reconciler.begin(self._paths)
        self._restore()
        wake = Wake.START
        while wake is not Wake.STOP:
            was_ready = self._applied is not None
            if was_ready and wake is Wake.RELOAD:
                self._world.notify(notify.reloading())
            self.busy = True
            self._attempt(wake)
            self.busy = False
            if self._applied and (wake is Wake.RELOAD or not was_ready):  # once in force, and after a reload
                self._world.notify(notify.READY)
            if self._unsettled:
                self._unsettled = False
                self._world.settle()
            wake = self._wait()
        self._world.notify(notify.STOPPING)

    def _restore(self) -> None:
        try:
            self._files.restore(self._paths)
        except (HostError, OSError) as error:
            self._journal.restore_failed(error)

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
        if not self._failures:  # from one check to the next, however much changes meanwhile
            return max(self._checked_at + self._settings.resync_seconds - self._world.ticks(), 0.0)
        return float(min(FIRST_BACK_OFF_SECONDS * 2 ** (self._failures - 1), LONGEST_BACK_OFF_SECONDS))

    def _attempt(self, wake: Wake) -> None:
        try:
            unwatched = self._rewatch()
            self._look(wake, unwatched, EVERYTHING if unwatched else self._heard(wake))
        except Exception as error:  # whatever it is, the loop must be there when it is over
            if wake is Wake.START and isinstance(error, HostUnfit):
                raise
            self._failures = min(self._failures + 1, 32)
            failed = f"pass failed: {self._journal.failed(error, self._failures)}"
            self._stand(converged=False, reason=failed)
            self._world.notify(notify.status(failed))
            return
        self._journal.succeeded(self._failures)
        self._failures = 0

    def _stand(self, *, converged: bool, reason: str) -> None:
        ready, attempts = self._applied is not None, self.standing.attempts + 1
        self.standing = Standing(converged=converged, ready=ready, reason=reason, attempts=attempts)

    def _rewatch(self) -> tuple[Problem, ...]:
        """Whatever goes wrong with watching, files are still read, at every resync."""
        try:
            self._world.rewatch()
        except Exception as error:  # noqa: BLE001 - a fault of watching must not end reading
            seldom = f"changes are only seen every {self._settings.resync_seconds:g} s"
            return (self._problem(f"{seldom}: {with_hint(error)}"),)
        return ()

    def _heard(self, wake: Wake) -> Heard:
        """What has to be looked at. By the timer it is every file, and now and then the content of every file."""
        heard, now = self._world.heard(), self._world.ticks()
        if wake is not Wake.CHANGE:
            self._checked_at = now
        if wake in (Wake.START, Wake.RELOAD) or (wake is Wake.TIMER and now >= self._read_all_at):
            self._read_all_at = now + READ_ALL_SECONDS
            return EVERYTHING
        return heard if wake is Wake.CHANGE and not self._failures else heard | ELSEWHERE

    def _look(self, wake: Wake, unwatched: tuple[Problem, ...], heard: Heard) -> None:
        """One look at the files, and a pass if one is due."""
        began = self._world.ticks()
        snapshot = self._files.refresh(self._paths, heard)
        seconds = self._world.ticks() - began
        snapshot = replace(snapshot, problems=tuple(dict.fromkeys((*unwatched, *snapshot.problems))))
        seen = replace(snapshot, changed=(), parsed=0)
        if not snapshot.complete:
            self._hold_back(snapshot)
        elif wake is not Wake.CHANGE or self._failures or seen != self._applied:
            if self._applied:  # what a pass that failed was about is what the next one is about
                self._changed = tuple(sorted({*self._changed, *snapshot.changed}))
                snapshot = replace(snapshot, changed=self._changed)
            self._pass(snapshot, wake, seconds)
            self._applied, self._changed = seen, ()
            self._stand(converged=True, reason=_not_quite(snapshot, self._after_pass))

    def _hold_back(self, snapshot: Snapshot) -> None:
        """Until every path has shown what it holds."""
        self._journal.problems(snapshot.problems)
        self._journal.waiting(WAITING)
        self._tell(snapshot.problems, snapshot, WAITING, counted=False)
        self._stand(converged=False, reason=WAITING)
        self._world.notify(notify.status(WAITING))

    def _pass(self, snapshot: Snapshot, wake: Wake, read_seconds: float) -> None:
        problems = snapshot.problems
        try:
            loaded = self._world.compute(snapshot.files, self._paths, self._settings)
            problems = _each_once(problems, loaded.problems)
            stages = {Stage.READ: read_seconds, **loaded.stages}
            loaded = replace(loaded, problems=problems, stale_files=snapshot.stale, stages=stages)
            self._journal.problems((*problems, *self._after_pass))
            with self._reconciler as reconciler:
                result = self._checked(reconciler, wake, loaded, snapshot)
                if result is None:
                    result = reconciler.apply(loaded, allow_mass_delete=False)
        except Exception as error:
            text = with_hint(error)
            self._tell((*problems, self._problem(f"pass failed: {text}")), snapshot, text)
            raise
        self._finish(snapshot, wake, loaded, result)

    def _checked(
        self, reconciler: Passes, wake: Wake, loaded: Loaded, snapshot: Snapshot
    ) -> PassResult | None:
        """By the timer and at a reload, whether the kernel is as it was left: then the pass is done if nothing else
        is to be. None if it is to be made.

        Which cgroups pods have may change at any time, so where that matters it is a pass that looks.
        """
        if wake not in (Wake.TIMER, Wake.RELOAD) or self._failures:
            return None
        began = self._world.ticks()
        if not self._audit(reconciler, may_wait=wake is Wake.TIMER):
            return None
        step, pods = loaded.step, loaded.desired.skipped_pods or loaded.desired.redirect_pods
        is_same = step is not None and step.after is step.before and step.before is self._in_force
        # A file that says the same in other bytes changes what is kept of it.
        is_same = is_same and replace(snapshot, changed=(), parsed=0) == self._applied
        if not is_same or pods or self._after_pass:
            return None
        seconds = self._world.ticks() - began
        return PassResult(
            plan=Plan(), loaded_programs=False, attached=True, seconds=seconds, stages=loaded.stages
        )

    def _audit(self, reconciler: Passes, *, may_wait: bool) -> bool:
        """It gives way to changes, unless they have kept it from its end for long."""
        began = self._world.ticks()
        may_wait = may_wait and began < self._audited_at + MOST_PUT_OFF * self._settings.resync_seconds
        gave_way = False

        def is_waiting() -> bool:
            nonlocal gave_way
            gave_way = gave_way or (may_wait and self._inbox.is_waiting())
            return gave_way

        is_right = reconciler.audit(is_waiting)
        if is_right and not gave_way:
            self._audited_at = began
        return is_right

    def _finish(self, snapshot: Snapshot, wake: Wake, loaded: Loaded, result: PassResult) -> None:
        """The kernel has converged: keep what is in force, and say what was done."""
        not_kept = self._keep()
        self._after_pass = (*result.problems, *not_kept)
        problems = _each_once(loaded.problems, self._after_pass)
        self._journal.problems(problems)
        if not_kept:
            self._tell(problems, snapshot)
        before = self._frontends_before(loaded)
        done = Done(wake=wake, snapshot=snapshot, loaded=loaded, result=result, before=before)
        line = self._journal.passed(done, problems)
        self._in_force = loaded.desired
        self._world.notify(notify.status(line))
        self._unsettled = loaded.step is None or loaded.step.whole

    def _frontends_before(self, loaded: Loaded) -> Sequence[Frontend]:
        """Those that were in force until this pass; where they are known to be few, those that it replaced."""
        step = loaded.step
        if step is not None and not step.whole and step.before is self._in_force:
            return step.gone
        return self._in_force.frontends if self._in_force else ()

    def _keep(self) -> tuple[Problem, ...]:
        """Keeps what is in force for the next start; the kernel has converged whether it can or not."""
        try:
            self._files.keep(self._paths)
        except (HostError, OSError) as error:
            origin = Origin(file=str(self._settings.state), line=0)
            return (Problem(origin=origin, severity=Severity.WARNING, message=with_hint(error)),)
        return ()

    def _tell(
        self, problems: Sequence[Problem], snapshot: Snapshot, failure: str = "", *, counted: bool = True
    ) -> None:
        """For `balancer status`: what is wrong now, and why the last pass could not be done."""
        try:
            self._world.note(
                problems=problems,
                stale_files=snapshot.stale,
                failure=failure,
                time=self._world.clock(),
                counted=counted,
            )
        except (HostError, OSError) as error:
            self._journal.status_not_kept(error)

    def _problem(self, message: str) -> Problem:
        return Problem(origin=Origin(file=str(self._paths[0]), line=1), message=message)


def _each_once(some: tuple[Problem, ...], more: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Each of both has every problem once; there may be thousands, and most of the time all are of one."""
    return tuple(dict.fromkeys((*some, *more))) if some and more else some or more


def _not_quite(snapshot: Snapshot, problems: Sequence[Problem]) -> str:
    """What is worth a look although the kernel does what it can be told to; "" when nothing is."""
    parts = [plural(len(snapshot.stale), "stale file")] if snapshot.stale else []
    parts += [problem.message for problem in problems[:1]]
    return "; ".join(parts)
