"""What the last pass left behind for the next command: names for map entries, and how the pass went.

The maps hold addresses and numbers; which Service and which line of which file they come from is kept
here. Nothing that decides what is written to the maps may depend on it: a missing or damaged state
file costs names, never behaviour. It is written to one side and renamed, with a checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from balancer.desired.types import Action, Desired, Frontend, FrontendKind, Source
from balancer.errors import HostError
from balancer.model.cluster import Cluster
from balancer.model.policy import AddressFrontend, Policy, PolicyFrontend
from balancer.model.problem import Origin, Problem, Severity
from balancer.plan.changes import destination
from balancer.views import LastPass, LivePolicy

VERSION = 2
READABLE = (1, VERSION)
"""Version 1 knew no policies: its labels end after `group`."""


class Label(NamedTuple):
    """Where one frontend comes from; `file` is "a.yaml:12", `beneath` the next lower priority.

    `action` is what the pass decided; where a map says it too, the map is right.
    """

    kind: FrontendKind
    object: str
    port_name: str
    file: str
    group: str
    source: Source = Source.SERVICE
    action: Action = Action.FORWARD
    beneath: Label | None = None


_PLAIN = tuple(Label._field_defaults.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`labels` are by "address:port/PROTOCOL", `nodes` are node names by backend address. `policies` are
    without counts.
    """

    last_pass: LastPass | None = None
    labels: Mapping[str, Label] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[LivePolicy, ...] = ()
    problems: tuple[Problem, ...] = ()
    stale_files: tuple[str, ...] = ()


def label_frontends(desired: Desired) -> tuple[dict[str, Label], dict[str, str]]:
    """The labels and node names of a desired state."""
    labels, nodes = {}, {}
    for item in desired.frontends:
        name = destination(item.address, item.port, item.protocol)
        labels[name] = _label(item)
        for backend in (*item.backends, *item.fallback):
            if backend.node:
                nodes[str(backend.address)] = backend.node
    return labels, nodes


def _label(item: Frontend) -> Label:
    return Label(
        item.kind,
        item.object,
        item.port_name,
        str(item.origin),
        item.group,
        item.source,
        item.action,
        _label(item.beneath) if item.beneath else None,
    )


def label_policies(cluster: Cluster, desired: Desired) -> tuple[LivePolicy, ...]:
    """What became of each policy, with what it is for; in the order of `desired.policies`."""
    policies: tuple[Policy, ...] = (*cluster.local_redirects, *cluster.balancings)
    targets = {str(policy.meta): _target(policy.frontend) for policy in policies}
    return tuple(
        LivePolicy(
            kind=item.kind,
            name=item.name,
            file=str(item.origin),
            applies=item.applies,
            reason=item.reason,
            target=targets.get(f"{item.kind} {item.name}", ""),
            frontends=item.frontends,
            backends=item.backends,
        )
        for item in desired.policies
    )


def _target(frontend: PolicyFrontend) -> str:
    if isinstance(frontend, AddressFrontend):
        return str(frontend.address)
    return f"Service {frontend.namespace}/{frontend.name}"


def save(path: Path, state: State) -> None:
    """Replaces the file as a whole: a reader sees the old or the new one. Raises HostError."""
    body = json.dumps(_to_json(state), separators=(",", ":"))
    text = json.dumps({"version": VERSION, "sha256": _digest(body), "state": body})
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise HostError(
            f"cannot write the state file {path}: {error.strerror}", hint="name a writable place with --state"
        ) from None


def load(path: Path) -> tuple[State, str]:
    """The state, and what is wrong with the file ("" when nothing is, or there is none yet)."""
    try:
        document = json.loads(path.read_text())
        if document["version"] not in READABLE:
            return (
                State(),
                f"state file {path} is of version {document['version']}, this one writes {VERSION}",
            )
        body = document["state"]
        if document["sha256"] != _digest(body):
            return State(), f"state file {path} is damaged: its checksum does not fit"
        return _from_json(json.loads(body)), ""
    except FileNotFoundError:
        return State(), ""
    except OSError as error:
        return State(), f"cannot read the state file {path}: {error.strerror}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return State(), f"state file {path} is damaged: {error}"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _to_json(state: State) -> dict[str, Any]:
    last = state.last_pass
    return {
        "last_pass": last
        and {
            "time": last.time.isoformat(),
            "result": last.result,
            "seconds": last.seconds,
            "frontends": last.frontends,
            "files": last.files,
            "changes": last.changes,
        },
        "labels": {name: _label_to_json(label) for name, label in state.labels.items()},
        "nodes": dict(state.nodes),
        "policies": [_policy_to_json(policy) for policy in state.policies],
        "problems": [_problem_to_json(problem) for problem in state.problems],
        "stale_files": list(state.stale_files),
    }


def _from_json(document: dict[str, Any]) -> State:
    last = document["last_pass"]
    return State(
        last_pass=last and LastPass(**{**last, "time": datetime.fromisoformat(last["time"])}),
        labels={name: _label_from_json(values) for name, values in document["labels"].items()},
        nodes=document["nodes"],
        policies=tuple(_policy_from_json(item) for item in document.get("policies", ())),
        problems=tuple(_problem_from_json(item) for item in document["problems"]),
        stale_files=tuple(document["stale_files"]),
    )


def _label_to_json(label: Label) -> list[Any]:
    """Cut short where the rest has its default, as for nearly every Service."""
    if label[-len(_PLAIN) :] == _PLAIN:
        return list(label[: -len(_PLAIN)])
    return [*label[:-1], _label_to_json(label.beneath) if label.beneath else None]


def _label_from_json(values: list[Any]) -> Label:
    label = Label(*values)
    return label._replace(
        kind=FrontendKind(label.kind),
        source=Source(label.source),
        action=Action(label.action),
        beneath=_label_from_json(values[-1]) if label.beneath else None,
    )


def _policy_to_json(policy: LivePolicy) -> dict[str, Any]:
    return {
        "kind": policy.kind,
        "name": policy.name,
        "file": policy.file,
        "applies": policy.applies,
        "reason": policy.reason,
        "target": policy.target,
        "frontends": list(policy.frontends),
        "backends": list(policy.backends),
    }


def _policy_from_json(item: dict[str, Any]) -> LivePolicy:
    lists = {"frontends": tuple(item["frontends"]), "backends": tuple(item["backends"])}
    return LivePolicy(**{**item, **lists})


def _problem_to_json(problem: Problem) -> dict[str, Any]:
    origin = problem.origin
    return {
        "file": origin.file,
        "line": origin.line,
        "column": origin.column,
        "object": problem.object,
        "path": problem.path,
        "severity": str(problem.severity),
        "message": problem.message,
        "excerpt": problem.excerpt,
    }


def _problem_from_json(item: dict[str, Any]) -> Problem:
    return Problem(
        origin=Origin(file=item["file"], line=item["line"], column=item["column"]),
        object=item["object"],
        path=item["path"],
        severity=Severity(item["severity"]),
        message=item["message"],
        excerpt=item["excerpt"],
    )
