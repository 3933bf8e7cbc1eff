"""What the agent says of its work: one message an occasion, with the facts beside the words.

A record carries its event's name and its fields (`schemas/log.schema.json`) as `event` and `fields`; how
they are written is for whoever set logging up. What stays as it is is said once, however often it is seen.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from balancer.errors import BalancerError
from balancer.lastgood.content import Snapshot, shorten
from balancer.manifests.watch import Wake
from balancer.model.problem import Problem
from balancer.model.render import render_problem
from balancer.plan.changes import Verb, destination
from balancer.report.console import clean
from balancer.report.jsonable import problem_json
from balancer.report.plans import pass_line, plural
from balancer.tally import Stage

if TYPE_CHECKING:
    from balancer.desired.types import Frontend
    from balancer.plan.changes import Change
    from balancer.views import Loaded, PassResult

MAX_NAMES = 10
"""The most names in one field."""
_PLACE = re.compile(r"(\.(?:ya?ml|json)):\d+(?::\d+)?")
_SAID = {Verb.ADD: "added", Verb.CHANGE: "changed", Verb.DELETE: "deleted"}


def say(
    log: logging.Logger,
    level: int,
    event: str,
    message: str,
    fields: Mapping[str, Any] | None = None,
    *,
    trace_of: Exception | None = None,
) -> None:
    """One message. `fields` are JSON values."""
    log.log(level, "%s", clean(message), extra={"event": event, "fields": fields or {}}, exc_info=trace_of)


def fatal(log: logging.Logger, error: BalancerError) -> None:
    """The error that the agent ends with."""
    say(log, logging.ERROR, "fatal", with_hint(error), _error_fields(error))


def with_hint(error: Exception) -> str:
    """The error and the way out; an error that nobody expected has its type in front."""
    hint = getattr(error, "hint", "")
    name = "" if is_expected(error) else f"{type(error).__name__}: "
    return clean(f"{name}{error}{f' (hint: {hint})' if hint else ''}")


def is_expected(error: Exception) -> bool:
    """Whether the error says itself what happened; any other is a fault of ours."""
    return isinstance(error, BalancerError | OSError)


class Once:
    """Logs each problem when it appears and when it is gone, and not in between.

    A problem that only moved to another line, as one below a line that was added, is the same problem.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._known: dict[tuple[object, ...], Problem] = {}
        self._reported: Sequence[Problem] = ()

    def report(self, problems: Sequence[Problem]) -> None:
        if problems == self._reported:
            return
        self._reported = problems
        now = _told_apart(problems)
        for key, problem in now.items():
            if key not in self._known:
                level = logging.ERROR if problem.is_error else logging.WARNING
                say(self._log, level, "problem", _first_line(problem), _problem_fields(problem))
        for key, problem in self._known.items():
            if key not in now:
                fields = _problem_fields(problem)
                say(self._log, logging.INFO, "solved", f"solved: {_first_line(problem)}", fields)
        self._known = now


def _told_apart(problems: Sequence[Problem]) -> dict[tuple[object, ...], Problem]:
    """By what makes each the problem that it is; of several that are alike, by how many came before."""
    found: dict[tuple[object, ...], Problem] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for problem in dict.fromkeys(problems):
        line = 0 if problem.object else problem.origin.line  # without an object only its place tells it apart
        message = _PLACE.sub(r"\1", problem.message)
        key = (problem.origin.file, line, problem.object, problem.path, problem.severity, message)
        found[*key, seen[key]] = problem
        seen[key] += 1
    return found


def _first_line(problem: Problem) -> str:
    return render_problem(problem).partition("\n")[0]


def _problem_fields(problem: Problem) -> dict[str, Any]:
    """As elsewhere, but the line's own message is the whole of it."""
    shown = problem_json(problem)
    shown["problem"] = shown.pop("message")
    return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A pass that converged. `before` is what was in force until then, as far as it is known."""

    wake: Wake
    snapshot: Snapshot
    loaded: Loaded
    result: PassResult
    before: Sequence[Frontend] = ()

    @property
    def cause(self) -> str:
        return Wake.CHANGE.value if self._by_files else self.wake.value

    @property
    def occasion(self) -> str:
        """`change of a.yaml`, `start`."""
        return f"change of {shorten(self.snapshot.changed)}" if self._by_files else self.wake.value

    @property
    def _by_files(self) -> bool:
        return bool(self.snapshot.changed) and self.wake is not Wake.START

    @property
    def seconds(self) -> float:
        """From the first file read to the last map checked."""
        before_the_kernel = (self.result.stages.get(stage, 0.0) for stage in (Stage.READ, Stage.COMPUTE))
        return self.result.seconds + sum(before_the_kernel)

    @property
    def quiet(self) -> bool:
        """Nobody asked for it, and there was nothing to do."""
        result = self.result
        idle = result.plan.empty and not result.loaded_programs and not result.sockets_ended
        return self.wake is Wake.TIMER and idle and not self.snapshot.changed


class Journal:
    """Says what the loop does, in a line each."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._problems = Once(log)
        self._failure = ""
        self._waiting = False

    def problems(self, problems: Sequence[Problem]) -> None:
        """What is wrong now."""
        self._problems.report(problems)

    def restore_failed(self, error: Exception) -> None:
        text = f"cannot restore what was in force before: {with_hint(error)}"
        say(self._log, logging.ERROR, "restore_failed", text, _error_fields(error))

    def waiting(self, message: str) -> None:
        """Said when waiting begins."""
        if not self._waiting:
            say(self._log, logging.INFO, "waiting", message)
        self._waiting = True

    def failed(self, error: Exception, failures: int) -> str:
        """A pass failed, as did `failures` in a row; said once for as long as the same error comes back.
        The error in words.
        """
        text = with_hint(error)
        if text != self._failure:
            trace = None if is_expected(error) else error
            fields = {**_error_fields(error), "failures": failures}
            say(self._log, logging.ERROR, "pass_failed", f"pass failed: {text}", fields, trace_of=trace)
        self._failure = text
        return text

    def succeeded(self, failures: int) -> None:
        """After `failures` that were not."""
        if failures:
            text = f"working again, failed passes before: {failures}"
            say(self._log, logging.INFO, "recovered", text, {"failures": failures})
        self._failure = ""

    def passed(self, done: Done, problems: Sequence[Problem]) -> str:
        """One line for a pass, at level debug if nobody asked for it and it had nothing to do. The line."""
        self._waiting = False
        services = _services(done.result.plan.changes, done.before)
        text = clean(_line(done, services, problems))
        level = logging.DEBUG if done.quiet else logging.INFO
        say(self._log, level, "pass", text, _pass_fields(done, services, problems))
        return text

    def status_not_kept(self, error: Exception) -> None:
        text = f"status cannot be told: {with_hint(error)}"
        say(self._log, logging.DEBUG, "status_not_kept", text, _error_fields(error))


def _error_fields(error: Exception) -> dict[str, Any]:
    return {"error": str(error), "hint": getattr(error, "hint", ""), "kind": type(error).__name__}


def _services(changes: Sequence[Change], before: Sequence[Frontend]) -> dict[Verb, tuple[str, ...]]:
    """What the changes are of, by verb: `default/web`, a policy with its kind, or else the destination."""
    owners = _owners([change for change in changes if not change.object], before)
    names: dict[Verb, dict[str, None]] = {verb: {} for verb in Verb}
    for change in changes:
        key = (change.address, change.port, change.protocol)
        name = (change.object or owners.get(key, "")).removeprefix("Service ")
        names[change.verb][name or destination(*key)] = None
    return {verb: tuple(found) for verb, found in names.items()}


def _owners(changes: Sequence[Change], before: Sequence[Frontend]) -> dict[tuple[object, ...], str]:
    """The objects of frontends that went. Most passes delete nothing, and look at nothing here."""
    wanted = {(int(change.address), change.port) for change in changes}
    if not wanted:
        return {}
    return {
        (item.address, item.port, item.protocol): item.object
        for item in before
        if (int(item.address), item.port) in wanted
    }


def _line(done: Done, services: Mapping[Verb, Sequence[str]], problems: Sequence[Problem]) -> str:
    """`change of a.yaml: 1 added, 0 changed, 0 deleted in 0.012 s; added default/web; 14 frontends from 3 files,
    1 read, 2 problems`.
    """
    snapshot = done.snapshot
    did = pass_line(replace(done.result, seconds=done.seconds))
    named = [f"{_SAID[verb]} {shorten(names)}" for verb, names in services.items() if names]
    frontends = plural(len(done.loaded.desired.frontends), "frontend")
    total = [
        f"{frontends} from {plural(len(done.loaded.manifests.files), 'file')}",
        f"{snapshot.parsed} read",
        *_if_any(len(snapshot.stale), "stale"),
        *_if_any(len(snapshot.restored), "restored"),
        *([plural(len(problems), "problem")] if problems else []),
    ]
    return f"{done.occasion}: " + "; ".join((did, *named, ", ".join(total)))


def _if_any(count: int, word: str) -> Iterable[str]:
    return (f"{count} {word}",) if count else ()


def _pass_fields(
    done: Done, services: Mapping[Verb, Sequence[str]], problems: Sequence[Problem]
) -> dict[str, Any]:
    snapshot, result = done.snapshot, done.result
    counts = Counter(change.verb for change in result.plan.changes)
    return {
        "cause": done.cause,
        "seconds": round(done.seconds, 6),
        "stages": {str(stage): round(seconds, 6) for stage, seconds in result.stages.items()},
        **{
            _SAID[verb]: {
                "frontends": counts[verb],
                "services": len(names),
                "names": list(map(clean, names[:MAX_NAMES])),
            }
            for verb, names in services.items()
        },
        "writes": len(result.plan.writes),
        "frontends": len(done.loaded.desired.frontends),
        "files": len(done.loaded.manifests.files),
        "files_read": snapshot.parsed,
        "files_changed": list(map(clean, snapshot.changed[:MAX_NAMES])),
        "stale_files": len(snapshot.stale),
        "restored_files": len(snapshot.restored),
        "errors": sum(problem.is_error for problem in problems),
        "warnings": sum(not problem.is_error for problem in problems),
        "sockets_ended": result.sockets_ended,
        "programs_loaded": result.loaded_programs,
    }
