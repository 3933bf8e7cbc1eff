"""The watch loop: wake, run one pass, back off after an error, stop on a signal.

The loop never makes things worse than they are: a file that cannot be used keeps the objects it had
when it last could, a directory that is missing or empty removes nothing, and an error ends a pass but
not the loop. Clock, waiting, files and kernel are arguments.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from balancer.errors import BalancerError, HostError, PathUnreadable
from balancer.manifests.watch import Inbox, Wake
from balancer.model.problem import Origin, Problem, Severity
from balancer.model.render import render_problem
from balancer.report.console import clean
from balancer.report.plans import pass_line, plural

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from balancer.config import Settings
    from balancer.manifests import FileObjects, Found
    from balancer.views import Loaded, PassResult

FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 30.0
NAMES_IN_A_LINE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files that are in force now. `stale` are those, and paths as a whole, whose content on disk is
    not what is in force.

    `problems` are those of stale files and of paths. `complete` is false while some path has never shown
    a manifest: then what it holds is unknown, and a pass would remove what it may ask for. `changed`
    names the files that are new, different or gone since the snapshot before.
    """

    files: tuple[FileObjects, ...]
    stale: tuple[str, ...]
    problems: tuple[Problem, ...]
    complete: bool
    changed: tuple[str, ...]


class LastGood:
    """Reads what changed, by content, and keeps for each file the last content without errors."""

    def __init__(self, scan: Callable[[Sequence[Path]], Found], read: Callable[[Path], FileObjects]) -> None:
        self._scan = scan
        self._read = read
        self._listings: dict[Path, tuple[Path, ...]] = {}
        self._digests: dict[Path, str] = {}
        self._good: dict[Path, FileObjects] = {}
        self._broken: dict[Path, FileObjects] = {}
        self._unreadable: dict[Path, Problem] = {}
        self._held: set[Path] = set()

    def refresh(self, paths: Sequence[Path]) -> Snapshot:
        """Look at every file again. Never raises for what is on disk."""
        before = dict(self._digests)
        problems: list[Problem] = []
        self._held = set()
        for path in paths:
            found, held = self._list(path, problems)
            if found or held:
                self._listings[path] = (*(file for file in found if self._look(file)), *held)
        listed = dict.fromkeys(file for path in paths for file in self._listings.get(path, ()))
        self._forget(listed)
        return self._snapshot(paths, listed, problems, before)

    def _list(self, path: Path, problems: list[Problem]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """The files that are there now, and those that stay because nothing is there to be seen."""
        before = self._listings.get(path, ())
        kept = "its last known manifests stay in force" if before else "nothing is changed until it is there"
        try:
            found = self._scan([path])
        except PathUnreadable as error:
            problems.append(_path_problem(path, f"{error}: {kept}"))
            self._held.add(path)
            return (), before
        problems += found.problems
        if not found.files:
            problems.append(_path_problem(path, f"no manifests here: {kept}"))
            self._held.add(path)
            return (), before
        hidden = tuple(_hidden(before, found))
        self._held.update(hidden)
        return found.files, hidden

    def _look(self, file: Path) -> bool:
        """Reads the file if its content is new. False if it is gone."""
        try:
            digest = _digest(file)
        except FileNotFoundError:
            return False
        except OSError as error:
            reason = error.strerror or str(error)
            self._unreadable[file] = _path_problem(file, f"cannot be read: {reason}")
            return True
        self._unreadable.pop(file, None)
        if self._digests.get(file) != digest:
            self._digests[file] = digest
            self._keep(file, self._read(file))
        return True

    def _keep(self, file: Path, content: FileObjects) -> None:
        if any(problem.is_error for problem in content.problems):
            self._broken[file] = content
        else:
            self._good[file] = content
            self._broken.pop(file, None)

    def _forget(self, listed: dict[Path, None]) -> None:
        for kept in (self._digests, self._good, self._broken, self._unreadable):
            for file in [file for file in kept if file not in listed]:
                del kept[file]

    def _snapshot(
        self,
        paths: Sequence[Path],
        listed: dict[Path, None],
        problems: list[Problem],
        before: dict[Path, str],
    ) -> Snapshot:
        spoilt = self._broken.keys() & self._good.keys()
        problems += [problem for file in sorted(spoilt) for problem in self._broken[file].problems]
        problems += self._unreadable.values()
        stale = {*self._held, *self._unreadable, *spoilt}
        contents = (self._good.get(file) or self._broken.get(file) for file in listed)
        changed = {file for file in {*before, *self._digests} if before.get(file) != self._digests.get(file)}
        return Snapshot(
            files=tuple(content for content in contents if content is not None),
            stale=tuple(sorted(str(file) for file in stale)),
            problems=tuple(problems),
            complete=all(path in self._listings for path in paths),
            changed=tuple(sorted(str(file) for file in changed)),
        )


def _hidden(before: Sequence[Path], found: Found) -> Iterator[Path]:
    """Files known from before that are at or below something that cannot be looked into now."""
    blocked = {Path(problem.origin.file) for problem in found.problems if problem.is_error}
    for file in before:
        if file not in found.files and blocked & {file, *file.parents}:
            yield file


def _digest(file: Path) -> str:
    """Opened without blocking: a FIFO in a file's place must not hang the loop."""
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _path_problem(path: Path, message: str) -> Problem:
    return Problem(origin=Origin(file=str(path), line=1), message=message, severity=Severity.ERROR)


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


class Agent:
    """Runs passes until it is told to stop.

    `compute` works the files out, `reconciler` opens the kernel for one pass and holds the lock
    meanwhile, `rewatch` follows links and directories that moved.
    """

    def __init__(
        self,
        *,
        paths: Sequence[Path],
        settings: Settings,
        compute: Callable[[Sequence[FileObjects] | None, Sequence[Path], Settings], Loaded],
        reconciler: Callable[[Settings], AbstractContextManager[OnePass]],
        files: LastGood,
        inbox: Inbox,
        rewatch: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self._paths = tuple(paths)
        self._settings = settings
        self._compute = compute
        self._reconciler = reconciler
        self._files = files
        self._inbox = inbox
        self._rewatch = rewatch
        self._log = log
        self._problems = Once(log)
        self._applied: tuple[tuple[FileObjects, ...], tuple[str, ...]] | None = None
        self._found_in_kernel: tuple[Problem, ...] = ()
        self._failures = 0
        self._last_error = ""

    def run(self) -> None:
        """Returns after STOP. Raises only HostError, and only for the first pass: this host cannot run it."""
        wake = Wake.START
        while wake is not Wake.STOP:
            self._attempt(wake)
            wake = self._inbox.next(self._wait_seconds())

    def _wait_seconds(self) -> float:
        if not self._failures:
            return self._settings.resync_seconds
        return float(min(FIRST_BACK_OFF_SECONDS * 2 ** (self._failures - 1), LONGEST_BACK_OFF_SECONDS))

    def _attempt(self, wake: Wake) -> None:
        try:
            try:
                self._rewatch()
            finally:  # what cannot be watched can still be read
                self._look(wake)
        except (BalancerError, OSError) as error:
            if wake is Wake.START and isinstance(error, HostError):
                raise
            self._failed(error)
            return
        if self._failures:
            self._log.info("working again, failed passes before: %d", self._failures)
        self._failures, self._last_error = 0, ""

    def _failed(self, error: Exception) -> None:
        """Says so once for as long as the same error comes back."""
        self._failures = min(self._failures + 1, 32)
        text = clean(str(error))
        if text != self._last_error:
            hint = getattr(error, "hint", "")
            self._log.error("pass failed: %s%s", text, f" (hint: {clean(hint)})" if hint else "")
        self._last_error = text

    def _look(self, wake: Wake) -> None:
        """One look at the files, and a pass if one is due."""
        snapshot = self._files.refresh(self._paths)
        wanted = (snapshot.files, snapshot.stale)
        if not snapshot.complete:
            self._problems.report(snapshot.problems)
        elif wake is not Wake.CHANGE or self._failures or wanted != self._applied:
            self._pass(snapshot, wake)
            self._applied = wanted

    def _pass(self, snapshot: Snapshot, wake: Wake) -> None:
        loaded = self._compute(snapshot.files, self._paths, self._settings)
        problems = tuple(dict.fromkeys((*snapshot.problems, *loaded.problems)))
        loaded = replace(loaded, problems=problems, stale_files=snapshot.stale)
        self._problems.report((*problems, *self._found_in_kernel))
        with self._reconciler(self._settings) as reconciler:
            result = reconciler.apply(loaded, allow_mass_delete=False)
        self._found_in_kernel = result.problems
        self._problems.report((*problems, *result.problems))
        quiet = wake is Wake.TIMER and result.plan.empty and not snapshot.changed
        line = _line(wake, result, loaded, snapshot.changed)
        self._log.log(logging.DEBUG if quiet else logging.INFO, "%s", line)


def _line(wake: Wake, result: PassResult, loaded: Loaded, changed: Sequence[str]) -> str:
    """`change of a.yaml: 1 added, 0 changed, 0 deleted in 0.012 s; 14 frontends from 3 files`."""
    names = ", ".join(changed[:NAMES_IN_A_LINE])
    more = f" and {len(changed) - NAMES_IN_A_LINE} more" if len(changed) > NAMES_IN_A_LINE else ""
    cause = f"change of {names}{more}" if changed and wake is not Wake.START else wake.value
    frontends = plural(len(loaded.desired.frontends), "frontend")
    files = plural(len(loaded.manifests.files), "file")
    stale = f", {len(loaded.stale_files)} stale" if loaded.stale_files else ""
    return clean(f"{cause}: {pass_line(result)}; {frontends} from {files}{stale}")


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
