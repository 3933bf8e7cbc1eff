"""What a status comes to in words, and the very command that is next: for somebody woken at night.

Only weighs what `Status` holds; it never looks at the kernel or at files.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from balancer.report.words import plural
from balancer.views import Effect, Status

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`words` begin with "working" where connections are translated and with "not effective" where they are
    not. `next` are commands, the most useful one first; none where nothing is to be done.
    """

    words: str
    next: tuple[str, ...] = ()


def verdict(status: Status, options: str = "") -> Verdict:
    """`options` are those that the command was given, as they are to be repeated (" --bpffs /x")."""
    if status.effect is Effect.INEFFECTIVE:
        return _ineffective(status, options)
    flaws = tuple(_flaws(status))
    words = "working as far as can be told" if status.effect is Effect.UNVERIFIED else "working"
    return Verdict(
        words=f"{words}, but {flaws[0]}" if _failed(status) else " ".join((words, *_joined(flaws))),
        next=tuple(dict.fromkeys(_next(status, options))),
    )


def _ineffective(status: Status, options: str) -> Verdict:
    apply = f"balancer apply{options} {_paths(status)}"
    if not status.loaded:
        return Verdict(words="not effective: nothing is loaded, services are not answered", next=(apply,))
    missing = [item for item in status.attachments if not item.attached]
    if missing or not status.attachments:
        return Verdict(words=f"not effective: {_missing(status)}", next=(apply, f"balancer doctor{options}"))
    return Verdict(
        words=f"not effective: every hook is attached, but {status.canary.note}",
        next=(f"balancer doctor{options}", apply),
    )


def _missing(status: Status) -> str:
    missing = [item for item in status.attachments if not item.attached]
    if not missing:
        return "no hook is attached"
    if len(missing) == len(status.attachments):
        return f"no hook is attached: {missing[0].note}" if missing[0].note else "no hook is attached"
    names = ", ".join(item.hook for item in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    verb = "is" if len(missing) == 1 else "are"
    note = f": {missing[0].note}" if missing[0].note else ""
    return f"{plural(len(missing), 'hook')} {verb} not attached ({names}{more}){note}"


def _failed(status: Status) -> bool:
    return status.last_pass is not None and not status.last_pass.converged


def _flaws(status: Status) -> Iterator[str]:
    """What keeps a status that works from being good, worst first."""
    if _failed(status) and status.last_pass is not None:
        yield f"the last pass failed: {status.last_pass.result}"
    if status.stale_files:
        yield plural(len(status.stale_files), "stale file")
    errors = sum(problem.is_error for problem in status.problems)
    if errors:
        yield plural(errors, "error")
    if len(status.problems) > errors:
        yield plural(len(status.problems) - errors, "warning")
    if status.last_pass is None:
        yield "no pass on record"


def _joined(flaws: tuple[str, ...]) -> tuple[str, ...]:
    return (f"with {' and '.join((', '.join(flaws[:-1]), flaws[-1])[len(flaws) == 1 :])}",) if flaws else ()


def _next(status: Status, options: str) -> Iterator[str]:
    if status.effect is Effect.UNVERIFIED:
        yield f"balancer doctor{options}"
    for file in status.stale_files[:_SHOWN]:
        yield f"balancer validate{options} {shlex.quote(file)}"
    if not status.stale_files and any(problem.is_error for problem in status.problems):
        yield f"balancer validate{options} {_paths(status)}"
    if _failed(status) or status.last_pass is None:
        yield f"balancer apply{options} {_paths(status)}"


def _paths(status: Status) -> str:
    """Where the manifests of the last pass are, or a word for it."""
    paths = status.last_pass.paths if status.last_pass else ()
    return " ".join(map(shlex.quote, paths)) or "DIRECTORY"
