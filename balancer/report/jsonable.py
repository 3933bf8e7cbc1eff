"""Values as what `json.dumps` takes. The shapes are described by `schemas/*.schema.json`.

A dataclass becomes an object with its fields in order; the kinds that are a stable interface are
spelled out here, so that renaming a field of the code cannot rename one of the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from balancer.desired.types import Backend, Desired, Frontend
from balancer.model.problem import Problem
from balancer.report.verdict import verdict
from balancer.views import Status

if TYPE_CHECKING:
    from balancer.plan.diff import Change, FrontendState, Plan


def to_json(value: object) -> Any:
    """Any value of `views`: enums by value, addresses and paths as text, times in ISO 8601."""
    if isinstance(value, Problem):
        return problem_json(value)
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Status):
        return status_json(value)
    if is_dataclass(value):
        return _fields_json(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [to_json(item) for item in value]
    return str(value)


def status_json(status: Status, options: str = "") -> dict[str, Any]:
    """`options` are those of the command, to be repeated in what is next."""
    found = verdict(status, options)
    told = {"effect": status.effect.value, "verdict": found.words, "next": list(found.next)}
    return {**told, **_fields_json(status)}


def _fields_json(value: Any) -> dict[str, Any]:
    return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}


def problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.origin.file,
        "line": problem.origin.line,
        "column": problem.origin.column,
        "object": problem.object,
        "path": problem.path,
        "severity": problem.severity.value,
        "message": problem.message,
    }


def problems_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [problem_json(problem) for problem in problems]


def backend_json(backend: Backend) -> dict[str, Any]:
    return {
        "address": str(backend.address),
        "port": backend.port,
        "node": backend.node,
        "weight": backend.weight,
    }


def frontend_json(frontend: Frontend) -> dict[str, Any]:
    """A frontend of the desired state; `file` is "path:line" of the object that decided."""
    return {
        "address": str(frontend.address),
        "port": frontend.port,
        "protocol": frontend.protocol.value,
        "kind": frontend.kind.value,
        "object": frontend.object,
        "port_name": frontend.port_name,
        "source": frontend.source.value,
        "file": str(frontend.origin),
        "action": frontend.action.value,
        "affinity_seconds": frontend.affinity_seconds,
        "backends": [backend_json(backend) for backend in frontend.backends],
        "fallback": [backend_json(backend) for backend in frontend.fallback],
    }


def desired_json(desired: Desired, problems: Sequence[Problem]) -> dict[str, Any]:
    """The stable interface of `plan --from-empty -o json`."""
    return {
        "frontends": [frontend_json(frontend) for frontend in desired.frontends],
        "problems": problems_json(problems),
    }


def summary_json(plan: Plan) -> dict[str, int]:
    """How many frontends a plan adds, changes and deletes."""
    counts = {"add": 0, "change": 0, "delete": 0}
    for change in plan.changes:
        counts[change.verb] += 1
    return counts


def plan_json(plan: Plan, problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "summary": summary_json(plan),
        "changes": [change_json(change) for change in plan.changes],
        "problems": problems_json(problems),
    }


def change_json(change: Change) -> dict[str, Any]:
    return {
        "verb": str(change.verb),
        "address": str(change.address),
        "port": change.port,
        "protocol": change.protocol.value,
        "kind": change.kind,
        "object": change.object,
        "before": _state_json(change.before),
        "after": _state_json(change.after),
    }


def _state_json(state: FrontendState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "action": state.action.value,
        "affinity_seconds": state.affinity_seconds,
        "rate": state.rate,
        "redirect": state.redirect,
        "backends": [{"address": str(address), "port": port} for address, port in state.backends],
        "fallback": [{"address": str(address), "port": port} for address, port in state.fallback],
        "fallback_action": state.fallback_action.value,
    }
