"""A status as lines and tables: the verdict first, then what is next, then what it rests on.

In the usual case it fits a screen of 80 columns and 24 lines; `everything` has no such limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from balancer.kernel.reasons import FORWARDING, REJECTING, Reason
from balancer.model.problem import Problem
from balancer.report.console import Table
from balancer.report.plans import plural
from balancer.report.text import problem_count
from balancer.report.verdict import verdict
from balancer.views import Attachment, LastPass, MapFill, Status

_SHOWN_PROBLEMS = 3
_SHOWN_STALE = 3
_FULL_ENOUGH = 0.5
"""Maps are worth a line of a short status from this share of their capacity on."""


def age_text(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h 20 min`, `2 d 4 h`; a clock that was set back gives `0 s`."""
    whole = max(int(seconds), 0)
    for size, unit, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s"


def status_lines(
    status: Status, *, now: datetime, width: int = 80, everything: bool = False, options: str = ""
) -> Iterator[str]:
    """`now` is timezone-aware; `options` are those of the command, to be repeated in what is next."""
    found = verdict(status, options)
    yield found.words
    for number, command in enumerate(found.next or ("nothing to do",)):
        yield _field("" if number else "next", command)
    yield from _last_pass(status.last_pass, now)
    yield from _problems(status.problems, width, everything, options)
    yield from _stale(status, now, everything)
    if status.loaded:
        yield _field("decisions", _decisions(status))
        yield _field("policies", _policies(status, options))
        yield _field("hooks", _hooks(status))
        if status.attached:
            yield _field("canary", status.canary.note or status.canary.result)
        yield _field("maps", _fullest(status.maps))
        yield _field("programs", f"build {status.build_id}")
    if status.holder:
        yield _field("lock", f"held by {status.holder}")


def _field(label: str, value: str) -> str:
    return f"{label:<10} {value}"


def _last_pass(last: LastPass | None, now: datetime) -> Iterator[str]:
    if last is None:
        yield _field("last pass", "none on record")
        return
    ago = age_text((now - last.time).total_seconds())
    time = _time(last.time)
    if not last.converged:
        yield _field("last pass", f"failed {ago} ago, at {time}")
        return
    yield _field("last pass", f"converged {ago} ago, at {time}, in {last.seconds:.3f} s")
    count = f"{plural(last.frontends, 'frontend')} from {plural(last.files, 'file')}"
    yield _field("", f"{count}, {plural(last.changes, 'change')}")


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} {time.tzname() or ''}".rstrip()


def _problems(problems: Sequence[Problem], width: int, everything: bool, options: str) -> Iterator[str]:
    """Errors before warnings, the place of each and then what is wrong; with `everything` they are shown in
    full elsewhere.
    """
    yield _field("problems", problem_count(problems) if problems else "none")
    if everything:
        return
    ordered = sorted(problems, key=lambda problem: not problem.is_error)
    for problem in ordered[:_SHOWN_PROBLEMS]:
        yield f"  {_place(problem)}"
        yield _cut(f"    {problem.message}", width)
    if len(ordered) > _SHOWN_PROBLEMS:
        yield f"  {len(ordered) - _SHOWN_PROBLEMS} more: balancer status{options} --all"


def _place(problem: Problem) -> str:
    place = str(problem.origin) if problem.origin.line else problem.origin.file
    parts = (place, problem.severity.value, problem.object)
    return ": ".join(part for part in parts if part)


def _cut(line: str, width: int) -> str:
    first, more = line.partition("\n")[::2]
    return f"{first[: width - 3]}..." if len(first) > width or more else first


def _stale(status: Status, now: datetime, everything: bool) -> Iterator[str]:
    shown = status.stale_files if everything else status.stale_files[:_SHOWN_STALE]
    for number, file in enumerate(shown):
        time = status.stale_since.get(file)
        age = age_text((now - time).total_seconds()) if time else ""
        since = f" since {time:%Y-%m-%d %H:%M} {time.tzname() or ''} ({age})" if time else ""
        yield _field("" if number else "stale", file)
        yield _field("", f"last good content in force{since}")
    if len(shown) < len(status.stale_files):
        yield _field("", f"{len(status.stale_files) - len(shown)} more: balancer status --all")


def _decisions(status: Status) -> str:
    """By result since the programs were loaded."""
    forwarded = sum(status.counters.get(reason.name.lower(), 0) for reason in FORWARDING)
    reasons = [(reason, status.counters.get(reason.name.lower(), 0)) for reason in REJECTING]
    rejected = sum(count for _, count in reasons)
    why = ", ".join(f"{_words(reason)} {count}" for reason, count in reasons if count)
    return f"{forwarded} forwarded, {rejected} rejected" + (f" ({why})" if why else "")


def _words(reason: Reason) -> str:
    return reason.name.lower().replace("_", " ")


def _policies(status: Status, options: str) -> str:
    count = status.policies
    if not count.in_force and not count.not_in_force:
        return "none"
    idle = f", {count.not_in_force} not: balancer get policies{options}" if count.not_in_force else ""
    return f"{count.in_force} in force{idle}"


def _hooks(status: Status) -> str:
    attached = sum(item.attached for item in status.attachments)
    where = next((item.cgroup for item in status.attachments if item.cgroup), "no cgroup")
    notes = dict.fromkeys(item.note for item in status.attachments if item.attached and item.note)
    said = f"; {'; '.join(notes)}" if notes else ""
    return f"{attached} of {len(status.attachments)} attached to {where}{said}"


def _fullest(maps: Sequence[MapFill]) -> str:
    """Those that fill up, or the fullest one."""
    shares = sorted(
        ((item.used / item.capacity, item) for item in maps if item.capacity), key=lambda x: -x[0]
    )
    full = [item for share, item in shares if share > _FULL_ENOUGH]
    if full:
        return ", ".join(
            f"{item.name} {_percent(item)} full ({item.used} of {item.capacity})" for item in full
        )
    return f"none more than half full ({shares[0][1].name} {_percent(shares[0][1])})" if shares else "none"


def _percent(item: MapFill) -> str:
    return f"{100 * item.used / item.capacity:.1f} %" if item.capacity else "-"


def status_tables(status: Status) -> Iterator[Table]:
    """Hooks, maps and counters; a table without rows is left out."""
    hooks = tuple(_hook_row(item) for item in status.attachments)
    maps = tuple((item.name, str(item.used), str(item.capacity), _percent(item)) for item in status.maps)
    counters = tuple((reason, str(count)) for reason, count in status.counters.items())
    for headers, rows in (
        (("HOOK", "ATTACHED", "PROGRAM", "CGROUP", "NOTE"), hooks),
        (("MAP", "USED", "CAPACITY", "FILL"), maps),
        (("REASON", "COUNT"), counters),
    ):
        if rows:
            yield Table(headers=headers, rows=rows)


def faulty_hooks(status: Status) -> Iterator[Table]:
    """The hooks that are not attached, if there are any."""
    rows = tuple(_hook_row(item) for item in status.attachments if not item.attached)
    if rows:
        yield Table(headers=("HOOK", "ATTACHED", "PROGRAM", "CGROUP", "NOTE"), rows=rows)


def _hook_row(item: Attachment) -> tuple[str, ...]:
    program = str(item.program_id) if item.program_id else "-"
    return (item.hook, "yes" if item.attached else "NO", program, item.cgroup or "-", item.note or "-")
