"""The live views as lines and tables for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from balancer.model.problem import Problem
from balancer.plan.changes import destination
from balancer.report.console import Table
from balancer.report.plans import backends_text, endpoint_text, object_text, plural
from balancer.views import (
    Check,
    Level,
    LiveAffinity,
    LiveBackend,
    LiveFrontend,
    LivePolicy,
)


def problem_count(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`."""
    errors = sum(problem.is_error for problem in problems)
    return f"{plural(errors, 'error')}, {plural(len(problems) - errors, 'warning')}"


def validate_line(
    files: int, objects: Mapping[str, int], ignored: Mapping[str, int], problems: Sequence[Problem]
) -> str:
    """`3 files: 2 Service, 2 EndpointSlice; ignored: 1 Secret; 0 errors, 0 warnings`."""
    read = ", ".join(f"{count} {kind}" for kind, count in objects.items()) or "no objects"
    left = "; ignored: " + ", ".join(f"{count} {kind}" for kind, count in ignored.items()) if ignored else ""
    return f"{plural(files, 'file')}: {read}{left}; {problem_count(problems)}"


def frontends_table(frontends: Sequence[LiveFrontend]) -> Table:
    rows = tuple(
        (
            destination(item.address, item.port, item.protocol),
            item.kind.value if item.kind else "-",
            object_text(item.object, item.port_name),
            item.action.value,
            backends_text(item.backends),
            str(item.forwarded),
            str(item.rejected),
            item.file or "-",
        )
        for item in frontends
    )
    headers = ("FRONTEND", "KIND", "OBJECT", "ACTION", "BACKENDS", "FORWARDED", "REJECTED", "FILE")
    return Table(headers=headers, rows=rows)


def backends_table(backends: Sequence[LiveBackend]) -> Table:
    rows = tuple(
        (endpoint_text(item.address, item.port), item.node or "-", ", ".join(item.frontends) or "-")
        for item in backends
    )
    return Table(headers=("BACKEND", "NODE", "FRONTENDS"), rows=rows)


def affinity_table(records: Sequence[LiveAffinity]) -> Table:
    rows = tuple(
        (
            f"netns {item.client}",
            item.group or "-",
            endpoint_text(item.address, item.port),
            f"{item.last_seen_seconds_ago:.0f} s ago",
            f"in {item.expires_in_seconds:.0f} s" if item.expires_in_seconds > 0 else "expired",
        )
        for item in records
    )
    return Table(headers=("CLIENT", "GROUP", "BACKEND", "LAST SEEN", "EXPIRES"), rows=rows)


def policies_table(policies: Sequence[LivePolicy]) -> Table:
    """APPLIES is about this host; a policy that applies and has a reason has no effect, or not all of it."""
    rows = tuple(
        (
            item.object,
            item.target or "-",
            "yes" if item.applies else "no",
            ", ".join(item.frontends) or "-",
            ", ".join(item.backends) or "-",
            *("-" if count is None else str(count) for count in _counts(item)),
            item.reason or "-",
            item.file,
        )
        for item in policies
    )
    headers = ("POLICY", "FOR", "APPLIES", "FRONTENDS", "BACKENDS", "FORWARDED", "FELL BACK", "RATE LIMITED")
    return Table(headers=(*headers, "REASON", "FILE"), rows=rows)


def _counts(item: LivePolicy) -> tuple[int | None, int | None, int | None]:
    return item.forwarded, item.fell_back, item.rate_limited


def check_lines(checks: Sequence[Check]) -> Iterator[str]:
    """One line a check, the way out under it, and the verdict last."""
    for check in checks:
        yield f"{check.level:<5} {check.name}: {check.found}"
        if check.advice:
            yield f"      {check.advice}"
    levels = Counter(check.level for check in checks)
    if levels[Level.FAIL]:
        yield f"this host cannot run balancer yet: {plural(levels[Level.FAIL], 'check')} failed"
    elif levels[Level.WARN]:
        yield f"this host can run balancer, with {plural(levels[Level.WARN], 'limitation')}"
    else:
        yield "this host can run balancer"
