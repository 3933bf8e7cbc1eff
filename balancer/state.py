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

from balancer.desired.types import Desired, FrontendKind
from balancer.errors import HostError
from balancer.model.problem import Origin, Problem, Severity
from balancer.plan.changes import destination
from balancer.views import LastPass

VERSION = 1


class Label(NamedTuple):
    """Where one frontend comes from; `file` is "a.yaml:12"."""

    kind: FrontendKind
    object: str
    port_name: str
    file: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`labels` are by "address:port/PROTOCOL", `nodes` are node names by backend address."""

    last_pass: LastPass | None = None
    labels: Mapping[str, Label] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    stale_files: tuple[str, ...] = ()


def label_frontends(desired: Desired) -> tuple[dict[str, Label], dict[str, str]]:
    """The labels and node names of a desired state."""
    labels, nodes = {}, {}
    for item in desired.frontends:
        name = destination(item.address, item.port, item.protocol)
        labels[name] = Label(item.kind, item.object, item.port_name, str(item.origin), item.group)
        for backend in (*item.backends, *item.fallback):
            if backend.node:
                nodes[str(backend.address)] = backend.node
    return labels, nodes


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
        if document["version"] != VERSION:
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
        "labels": {name: list(label) for name, label in state.labels.items()},
        "nodes": dict(state.nodes),
        "problems": [_problem_to_json(problem) for problem in state.problems],
        "stale_files": list(state.stale_files),
    }


def _from_json(document: dict[str, Any]) -> State:
    last = document["last_pass"]
    return State(
        last_pass=last and LastPass(**{**last, "time": datetime.fromisoformat(last["time"])}),
        labels={name: Label(FrontendKind(kind), *rest) for name, (kind, *rest) in document["labels"].items()},
        nodes=document["nodes"],
        problems=tuple(_problem_from_json(item) for item in document["problems"]),
        stale_files=tuple(document["stale_files"]),
    )


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
