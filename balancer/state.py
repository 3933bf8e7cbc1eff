"""What the last pass left behind for the next command: names for map entries, and how the pass went.

The maps hold addresses and numbers; which Service and which line of which file they come from is kept
here. Nothing that decides what is written to the maps may depend on it: a missing or damaged state
file costs names, never behaviour.

There are two files, so that a pass with nothing to do writes little. The state file itself has the
outcome of the last pass and is small; it is replaced at every pass. The names are in `NAMES` beside it,
replaced only when they change. What cannot be trusted is set aside by the next pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from balancer import durable
from balancer.desired.types import Action, Desired, Frontend, FrontendKind, Source
from balancer.errors import HostError
from balancer.model.cluster import Cluster
from balancer.model.policy import AddressFrontend, Policy, PolicyFrontend
from balancer.model.problem import Origin, Problem, Severity
from balancer.plan.changes import destination
from balancer.views import LastPass, LivePolicy

Value = TypeVar("Value")

VERSION = 3
NAMES = ".names"
LAST_GOOD = ".lastgood"
"""Ends the names of the files beside the state file: names, and the last good content of manifests."""


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


def last_good_path(path: Path) -> Path:
    """Where the last good content of manifests is kept, beside the state file `path`."""
    return path.with_name(path.name + LAST_GOOD)


def save(path: Path, state: State) -> None:
    """Replaces what has changed. Raises HostError."""
    names = {"labels": {name: _label_to_json(label) for name, label in state.labels.items()}}
    _replace(_names_path(path), {**names, "nodes": dict(state.nodes)})
    _replace(path, _outcome_to_json(state))


def note(
    path: Path, *, problems: Sequence[Problem], stale_files: Sequence[str], failure: str, time: datetime
) -> None:
    """Keeps what is wrong now; names and policies stay those of the last pass that converged. With
    `failure` the last pass is one of `time` that ended so. Raises HostError.
    """
    known, _ = load(path)
    last = known.last_pass
    if failure:
        before = last or LastPass(time=time, result="", seconds=0.0, frontends=0, files=0, changes=0)
        last = replace(before, time=time, result=failure, seconds=0.0, changes=0)
    now = replace(known, last_pass=last, problems=tuple(problems), stale_files=tuple(stale_files))
    _replace(path, _outcome_to_json(now))


def load(path: Path) -> tuple[State, str]:
    """The state, and what is wrong with the files ("" when nothing is, or there are none yet).

    Names are decoded when first asked for: whoever only wants the outcome does not wait for them.
    """
    outcome, warnings = _try(path, _outcome_from_json, State())
    names, more = _try(_names_path(path), _Names, None)
    if names is not None:
        outcome = replace(outcome, labels=_Lazy(lambda: names.labels), nodes=_Lazy(lambda: names.nodes))
    return outcome, "; ".join((*warnings, *more, *_aside(path)))


def _names_path(path: Path) -> Path:
    return path.with_name(path.name + NAMES)


def _aside(path: Path) -> Iterator[str]:
    for name in (path.name, path.name + NAMES, path.name + LAST_GOOD):
        aside = path.with_name(name + durable.ASIDE)
        if aside.exists():
            yield f"a damaged file was set aside as {aside}: remove it when you have looked at it"


def _replace(path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, separators=(",", ":"))
    try:
        if durable.read(path, VERSION) == text:
            return
    except durable.Damaged:
        durable.set_aside(path)
    except HostError:
        pass  # what cannot be read may still be replaced
    durable.write(path, VERSION, text)


def _try(path: Path, decode: Callable[[str], Value], otherwise: Value) -> tuple[Value, list[str]]:
    try:
        text = durable.read(path, VERSION)
        return (otherwise if text is None else decode(text)), []
    except HostError as error:
        return otherwise, [str(error)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return otherwise, [f"state file {path} is damaged: {error}"]


@dataclass(frozen=True)
class _Names:
    """The text of the file of names, whose checksum fits."""

    text: str

    @cached_property
    def _document(self) -> dict[str, Any]:
        return dict(json.loads(self.text))

    @cached_property
    def labels(self) -> dict[str, Label]:
        return {name: _label_from_json(values) for name, values in self._document["labels"].items()}

    @cached_property
    def nodes(self) -> dict[str, str]:
        return dict(self._document["nodes"])


class _Lazy(Mapping[str, Value]):
    """A mapping that is made when somebody first looks into it."""

    def __init__(self, make: Callable[[], Mapping[str, Value]]) -> None:
        self._make = make

    def __getitem__(self, key: str) -> Value:
        return self._make()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())


def _outcome_to_json(state: State) -> dict[str, Any]:
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
        "policies": [_policy_to_json(policy) for policy in state.policies],
        "problems": [_problem_to_json(problem) for problem in state.problems],
        "stale_files": list(state.stale_files),
    }


def _outcome_from_json(text: str) -> State:
    document = json.loads(text)
    last = document["last_pass"]
    return State(
        last_pass=last and LastPass(**{**last, "time": datetime.fromisoformat(last["time"])}),
        policies=tuple(_policy_from_json(item) for item in document["policies"]),
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
        "excerpt_column": problem.excerpt_column,
    }


def _problem_from_json(item: dict[str, Any]) -> Problem:
    return Problem(
        origin=Origin(file=item["file"], line=item["line"], column=item["column"]),
        object=item["object"],
        path=item["path"],
        severity=Severity(item["severity"]),
        message=item["message"],
        excerpt=item["excerpt"],
        excerpt_column=item["excerpt_column"],
    )
