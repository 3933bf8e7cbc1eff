"""What would change, or what is wanted, as lines and tables for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from balancer.desired.types import Action, Backend, Desired
from balancer.model.meta import IPAddress
from balancer.plan.changes import destination
from balancer.report.console import Table
from balancer.report.jsonable import summary_json
from balancer.report.words import plural as plural

if TYPE_CHECKING:
    from balancer.plan.diff import Change, FrontendState, Plan
    from balancer.views import PassResult

SIGNS = {"add": "+", "change": "~", "delete": "-"}
Target = tuple[IPAddress, int]


def endpoint_text(address: IPAddress, port: int) -> str:
    """`10.0.0.1:80` or `[fd00::1]:80`."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def backends_text(backends: Sequence[Backend]) -> str:
    return ", ".join(endpoint_text(backend.address, backend.port) for backend in backends) or "-"


def object_text(name: str, port_name: str) -> str:
    """The object, with the name of its port when it has one."""
    return f"{name} ({port_name})" if name and port_name else name or "-"


def desired_table(desired: Desired) -> Table:
    """The whole desired state, one frontend a row."""
    rows = tuple(
        (
            destination(item.address, item.port, item.protocol),
            item.kind.value,
            object_text(item.object, item.port_name),
            item.action.value,
            backends_text(item.backends),
            str(item.origin),
        )
        for item in desired.frontends
    )
    return Table(headers=("FRONTEND", "KIND", "OBJECT", "ACTION", "BACKENDS", "FILE"), rows=rows)


def plan_lines(plan: Plan) -> Iterator[str]:
    """One line a change, then the summary."""
    for change in plan.changes:
        yield change_line(change)
    yield summary_line(plan)


def summary_line(plan: Plan) -> str:
    counts = summary_json(plan)
    return f"{counts['add']} to add, {counts['change']} to change, {counts['delete']} to delete"


def change_line(change: Change) -> str:
    """`+` with what comes, `-` with what goes, `~` with the difference."""
    name = destination(change.address, change.port, change.protocol)
    if change.before is not None and change.after is not None:
        return f"{SIGNS[change.verb]} {name}  {_difference(change.before, change.after)}"
    state = change.after or change.before
    return f"{SIGNS[change.verb]} {name}" + (f"  {_state(state)}" if state is not None else "")


def _state(state: FrontendState) -> str:
    parts = [str(state.action)]
    if state.action is Action.FORWARD:
        parts.append("to " + ", ".join(endpoint_text(*target) for target in state.backends))
    if state.affinity_seconds:
        parts.append(f"affinity {state.affinity_seconds} s")
    if state.redirect:
        parts.append("local redirect" + (f" of {rate_text(state.rate)}" if state.rate else ""))
    fallback = ", ".join(endpoint_text(*target) for target in state.fallback)
    if state.redirect:
        parts.append(f"else {fallback or state.fallback_action}")
    elif fallback:
        parts.append(f"in place of {fallback}")
    return "  ".join(parts)


def rate_text(rate: int) -> str:
    return f"{rate}/s" if rate else "no limit"


def _difference(before: FrontendState, after: FrontendState) -> str:
    """Only what is not the same on both sides, in the order action, backends, affinity, redirect, rate,
    fallback.
    """
    parts = []
    if before.action is not after.action:
        parts.append(f"{before.action} -> {after.action}")
    parts += _moved("", before.backends, after.backends)
    if before.affinity_seconds != after.affinity_seconds:
        parts.append(f"affinity {before.affinity_seconds} -> {after.affinity_seconds} s")
    if before.redirect is not after.redirect:
        parts.append("now a local redirect" if after.redirect else "no local redirect any more")
    if before.rate != after.rate:
        parts.append(f"rate {rate_text(before.rate)} -> {rate_text(after.rate)}")
    if before.fallback_action is not after.fallback_action:
        parts.append(f"fallback {before.fallback_action} -> {after.fallback_action}")
    parts += _moved("fallback ", before.fallback, after.fallback)
    return "  ".join(parts) or "entry rewritten"


def _moved(label: str, before: Sequence[Target], after: Sequence[Target]) -> list[str]:
    came = [f"{label}+{endpoint_text(*target)}" for target in after if target not in before]
    went = [f"{label}-{endpoint_text(*target)}" for target in before if target not in after]
    return came + went


def pass_line(result: PassResult) -> str:
    """What one pass did, in one line."""
    counts = summary_json(result.plan)
    if any(counts.values()):
        done = f"{counts['add']} added, {counts['change']} changed, {counts['delete']} deleted"
    else:
        done = "in sync, nothing to change" if result.plan.empty else "entries repaired"
    loaded = ", programs loaded" if result.loaded_programs else ""
    ended = f", {plural(result.sockets_ended, 'stale socket')} ended" if result.sockets_ended else ""
    return f"{done} in {result.seconds:.3f} s{loaded}{ended}"
