"""What the last pass left behind for the next command: names for map entries, and how the pass went.

The maps hold addresses and numbers; which Service and which line of which file they come from is kept
here. Nothing that is written to the maps may depend on it: a missing or damaged state file costs names,
and the time that its memo would save, never behaviour.

There are two files, so that a pass with nothing to do writes little. The state file itself has the
outcome of the last pass and is small; it is replaced at every pass. The names are in `NAMES` beside it
(`balancer.state.labels`), written only when they change. What cannot be trusted is set aside by the next pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from balancer import durable
from balancer.desired.types import Desired
from balancer.errors import HostError
from balancer.model.cluster import Cluster
from balancer.model.policy import AddressFrontend, Policy, PolicyFrontend
from balancer.model.problem import Problem
from balancer.state import outcome_json
from balancer.state.labels import VERSION as VERSION
from balancer.state.labels import Label as Label
from balancer.state.labels import Mark, Names, NamesChange, add_names, save_names, try_names
from balancer.state.labels import label_frontends as label_frontends
from balancer.state.memo import Memo
from balancer.state.pod_names import PodName
from balancer.views import LastPass, LivePolicy, Tally

Value = TypeVar("Value")

_PATIENCE = 2.0  # seconds to wait for another process that writes the state file
NAMES = ".names"
LAST_GOOD = ".lastgood"
"""Ends the names of the files beside the state file: names, and the last good content of manifests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`labels` are by "address:port/PROTOCOL", `nodes` are node names by backend address. `pods` are those of
    this node by UID, `backend_pods` "namespace/name" by a backend's address, or by "address:port" where pods
    share their node's address. `policies` are without counts. `stale_since` says when each stale file was first
    seen to be one. `memo` is that of the last pass, None where it left none.
    """

    last_pass: LastPass | None = None
    tally: Tally = field(default_factory=Tally)
    labels: Mapping[str, Label] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    pods: Mapping[str, PodName] = field(default_factory=dict)
    backend_pods: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[LivePolicy, ...] = ()
    problems: tuple[Problem, ...] = ()
    stale_files: tuple[str, ...] = ()
    stale_since: Mapping[str, datetime] = field(default_factory=dict)
    memo: Memo | None = None

    @property
    def names(self) -> Names:
        return Names(labels=self.labels, nodes=self.nodes, pods=self.pods, backend_pods=self.backend_pods)


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


def save(path: Path, state: State) -> Mark:
    """Replaces what has changed; how the file of names was left. Raises HostError."""
    mark = save_names(names_path(path), state.names)
    _save_outcome(path, state)
    return mark


def save_change(path: Path, state: State, change: NamesChange, mark: Mark) -> Mark | None:
    """The same for a pass that changed few names; those of `state` are not looked at. None, and nothing is
    done, where the file of names has to be written whole. Raises HostError.
    """
    added = add_names(names_path(path), change, mark)
    if added is not None:
        _save_outcome(path, state)
    return added


def save_again(path: Path, state: State) -> None:
    """The same for a pass that found nothing to change. Raises HostError."""
    durable.replace(path, VERSION, json.dumps(_outcome_to_json(state), separators=(",", ":")))


def _save_outcome(path: Path, state: State) -> None:
    if state.memo is not None:
        state = replace(state, memo=replace(state.memo, names=names_digest(path)))
    save_again(path, state)


def names_digest(path: Path) -> str:
    """Stands for the bytes of the file of names; "" where there is none to read."""
    try:
        return hashlib.sha256(names_path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def outcome(path: Path) -> State:
    """The outcome of the last pass, without names; that of none where the file cannot be used."""
    return _try(path, _outcome_from_json, State())[0]


@contextmanager
def changing(path: Path) -> Iterator[State]:
    """The outcome of the last pass, without names, for a block that replaces it: no other process does so
    meanwhile. Whoever holds it for long is not waited for, since a pass matters more than its tally.
    """
    with durable.alone(path.parent, seconds=_PATIENCE):
        yield outcome(path)


def note(
    path: Path,
    *,
    problems: Sequence[Problem] | None,
    stale_files: Sequence[str] | None,
    failure: str,
    time: datetime,
    counted: bool = True,
) -> None:
    """Keeps what is wrong now, None for what stays as it was; names and policies stay those of the last
    pass that converged. With `failure` the last pass is one of `time` that ended so; unless it is not
    `counted`, the tally has one more that failed. Raises HostError.
    """
    with changing(path) as known:
        last, tally = known.last_pass, known.tally
        if failure:
            before = last or LastPass(time=time, result="", seconds=0.0, frontends=0, files=0, changes=0)
            last = replace(before, time=time, result=failure, seconds=0.0, changes=0)
            tally = tally.failed() if counted else tally
        now = replace(
            known,
            last_pass=last,
            tally=tally,
            problems=known.problems if problems is None else tuple(problems),
            stale_files=known.stale_files if stale_files is None else tuple(stale_files),
            stale_since=known.stale_since if stale_files is None else since(known, stale_files, time),
            memo=None,
        )
        save_again(path, now)


def since(known: State, stale_files: Sequence[str], time: datetime) -> dict[str, datetime]:
    """Since when each of these files is stale: as known, or else since `time`."""
    return {file: known.stale_since.get(file, time) for file in stale_files}


def count_failure(path: Path) -> None:
    """One more pass that failed, in the tally alone. Raises HostError."""
    with changing(path) as known:
        save_again(path, replace(known, tally=known.tally.failed()))


def load(path: Path) -> tuple[State, str]:
    """The state, and what is wrong with the files ("" when nothing is, or there are none yet).

    Names are decoded when first asked for: whoever only wants the outcome does not wait for them.
    """
    outcome, warnings = _try(path, _outcome_from_json, State())
    names, more = try_names(names_path(path))
    if names is not None:
        outcome = replace(
            outcome,
            labels=_Lazy(lambda: names.labels),
            nodes=_Lazy(lambda: names.nodes),
            pods=_Lazy(lambda: names.pods),
            backend_pods=_Lazy(lambda: names.backend_pods),
        )
    return outcome, "; ".join((*warnings, *more, *_aside(path)))


def names_path(path: Path) -> Path:
    """Where the names are kept, beside the state file `path`."""
    return path.with_name(path.name + NAMES)


def _aside(path: Path) -> Iterator[str]:
    for name in (path.name, path.name + NAMES, path.name + LAST_GOOD):
        aside = path.with_name(name + durable.ASIDE)
        if aside.exists():
            yield f"a damaged file was set aside as {aside}: remove it when you have looked at it"


def _try(path: Path, decode: Callable[[str], Value], otherwise: Value) -> tuple[Value, list[str]]:
    try:
        text = durable.read(path, VERSION)
        return (otherwise if text is None else decode(text)), []
    except HostError as error:
        return otherwise, [str(error)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return otherwise, [f"state file {path} is damaged: {error}"]


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
    return {
        "last_pass": state.last_pass and outcome_json.last_pass_to_json(state.last_pass),
        "tally": outcome_json.tally_to_json(state.tally),
        "policies": [outcome_json.policy_to_json(policy) for policy in state.policies],
        "problems": [outcome_json.problem_to_json(problem) for problem in state.problems],
        "stale_files": list(state.stale_files),
        "stale_since": {file: time.isoformat() for file, time in state.stale_since.items()},
        "memo": state.memo and outcome_json.memo_to_json(state.memo),
    }


def _outcome_from_json(text: str) -> State:
    document = json.loads(text)
    last = document["last_pass"]
    return State(
        last_pass=last and outcome_json.last_pass_from_json(last),
        tally=outcome_json.tally_from_json(document["tally"]),
        policies=tuple(outcome_json.policy_from_json(item) for item in document["policies"]),
        problems=tuple(outcome_json.problem_from_json(item) for item in document["problems"]),
        stale_files=tuple(document["stale_files"]),
        stale_since={file: datetime.fromisoformat(time) for file, time in document["stale_since"].items()},
        memo=(memo := document.get("memo")) and outcome_json.memo_from_json(memo),
    )
