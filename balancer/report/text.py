"""The live views as lines and tables for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from balancer.desired.types import Action, Source
from balancer.model.problem import Problem
from balancer.plan.changes import destination
from balancer.report.console import Table
from balancer.report.plans import backends_text, endpoint_text, object_text, plural, rate_text
from balancer.views import (
    Attachment,
    ChainLink,
    Check,
    Effect,
    Explanation,
    Level,
    LiveAffinity,
    LiveBackend,
    LiveFrontend,
    LivePolicy,
    Status,
    Use,
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


def explanation_lines(found: Explanation) -> Iterator[str]:
    """The outcome first, then why, then where it is written."""
    yield f"{destination(found.address, found.port, found.protocol)}: {found.outcome}"
    yield _field("because", found.reason)
    if found.frontend is not None:
        yield from _frontend_fields(found.frontend)
    yield from _chain_lines(found)
    for place in found.source_files:
        yield _field("source", place)
    for note in found.notes:
        yield _field("note", note)


def _frontend_fields(frontend: LiveFrontend) -> Iterator[str]:
    name = destination(frontend.address, frontend.port, frontend.protocol)
    yield _field("frontend", f"{name} ({frontend.kind})" if frontend.kind else name)
    if frontend.object:
        yield _field("object", object_text(frontend.object, frontend.port_name))
    for backend in frontend.backends:
        node = f" on {backend.node}" if backend.node else ""
        yield _field("backend", endpoint_text(backend.address, backend.port) + node)
    if frontend.affinity_seconds:
        yield _field("affinity", f"one client stays on one backend for {frontend.affinity_seconds} s")
    if frontend.forwarded or frontend.rejected:
        yield _field("counted", _counted(frontend))


def _counted(frontend: LiveFrontend) -> str:
    said = f"{frontend.forwarded} forwarded, {frontend.rejected} rejected"
    if frontend.source is Source.LOCAL_REDIRECT:
        said += f"; {frontend.fell_back} of its own backends, {frontend.rate_limited} above the rate"
    return said


def _chain_lines(found: Explanation) -> Iterator[str]:
    """Each object that answers here, the one that is used first; nothing where no policy has a part."""
    top = found.chain[0] if found.chain else None
    redirect = top is not None and top.source is Source.LOCAL_REDIRECT
    if len(found.chain) < 2 and not redirect:
        return
    rate = found.frontend.rate if found.frontend else 0
    for number, link in enumerate(found.chain, start=1):
        who = f"{link.source or 'unknown'}: {object_text(link.object, link.port_name)}"
        yield _field("chain" if number == 1 else "", f"{number}. {who}{_place(link)}: {_answer(link)}")
        yield _field("", f"   {link.use}: {_use_text(link.use, redirect=redirect, rate=rate)}")
    if redirect and len(found.chain) == 1:
        yield _field("", f"   {Use.FALLBACK}: {_use_text(Use.FALLBACK, redirect=True, rate=rate)}: refuse")


def _place(link: ChainLink) -> str:
    return f" ({link.file})" if link.file else ""


def _answer(link: ChainLink) -> str:
    if link.action is not Action.FORWARD or link.backends is None:
        return link.action.value
    return f"{link.action} to {backends_text(link.backends)}"


def _use_text(use: Use, *, redirect: bool, rate: int) -> str:
    """Which connections get a link of the chain; `redirect` says whether a local redirect is on top."""
    limit = rate_text(rate)
    if use is Use.UNUSED:
        return "no connections, as long as what is above decides"
    if use is Use.FALLBACK:
        return "connections of the redirect's own backends" + (f" and those above {limit}" if rate else "")
    if not redirect:
        return "all connections"
    return (f"connections up to {limit}" if rate else "all connections") + " but those of its own backends"


def _field(label: str, value: str) -> str:
    return f"  {label:<9} {value}"


def status_lines(status: Status) -> Iterator[str]:
    """Everything of a status that is not a table."""
    yield f"programs   {'loaded, build ' + status.build_id if status.loaded else 'not loaded'}"
    attached = sum(item.attached for item in status.attachments)
    yield f"attached   {attached} of {plural(len(status.attachments), 'hook')}"
    yield f"effect     {_effect_text(status)}"
    last = status.last_pass
    if last is None:
        yield "last pass  none known"
    else:
        yield (
            f"last pass  {last.time.isoformat(timespec='seconds')}: {last.result}, {plural(last.frontends, 'frontend')} "
            f"from {plural(last.files, 'file')}, {plural(last.changes, 'change')} in {last.seconds:.3f} s"
        )
    yield f"policies   {status.policies.in_force} in force, {status.policies.not_in_force} not in force"
    yield f"lock       {'held by ' + status.holder if status.holder else 'free'}"
    yield f"problems   {problem_count(status.problems)}"
    for file in status.stale_files:
        yield f"stale      {file} (its last good content is in force)"


def _effect_text(status: Status) -> str:
    if not status.loaded:
        return "INEFFECTIVE: nothing is loaded"
    if not status.attached:
        return "INEFFECTIVE: not every hook is attached"
    said = status.effect.upper() if status.effect is Effect.INEFFECTIVE else status.effect
    return f"{said}: {status.canary.note}"


def status_tables(status: Status) -> Iterator[Table]:
    """Hooks, maps and counters; a table without rows is left out."""
    hooks = tuple(_hook_row(item) for item in status.attachments)
    maps = tuple(
        (item.name, str(item.used), str(item.capacity), _percent(item.used, item.capacity))
        for item in status.maps
    )
    counters = tuple((reason, str(count)) for reason, count in status.counters.items())
    for headers, rows in (
        (("HOOK", "ATTACHED", "PROGRAM", "CGROUP", "NOTE"), hooks),
        (("MAP", "USED", "CAPACITY", "FILL"), maps),
        (("REASON", "COUNT"), counters),
    ):
        if rows:
            yield Table(headers=headers, rows=rows)


def _hook_row(item: Attachment) -> tuple[str, ...]:
    program = str(item.program_id) if item.program_id else "-"
    return (item.hook, "yes" if item.attached else "NO", program, item.cgroup or "-", item.note or "-")


def _percent(used: int, capacity: int) -> str:
    return f"{100 * used / capacity:.1f} %" if capacity else "-"


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
