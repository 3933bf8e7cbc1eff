"""Names for map entries, in a file beside the state file: which Service, which line of which file, which pod.

The file is written whole by a pass that looked at everything. A pass that changed little adds a record of
what it changed, so that its cost does not grow with what there is; readers apply the records in order.
What cannot be read costs names, never behaviour.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from balancer import durable
from balancer.desired.types import Action, Desired, Frontend, FrontendKind, Source
from balancer.errors import HostError
from balancer.plan.changes import destination
from balancer.state.pod_names import PodName

VERSION = 4


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
class Names:
    """`labels` are by "address:port/PROTOCOL", `nodes` are node names by backend address. `pods` are those of
    this node by UID, `backend_pods` "namespace/name" by a backend's address, or by "address:port" where pods
    share their node's address.
    """

    labels: Mapping[str, Label] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    pods: Mapping[str, PodName] = field(default_factory=dict)
    backend_pods: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesChange:
    """What a pass made different; a label of None goes. Of backends that went, node and pod stay known: nothing
    asks for them any more, until the file is written whole.
    """

    labels: Mapping[str, Label | None] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    backend_pods: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.labels or self.nodes or self.backend_pods)


class Mark(NamedTuple):
    """The file as whoever keeps this left it: its stamp, and how large it was when it was written whole, in
    bytes.
    """

    stamp: tuple[int, int, int] | None
    whole: int


def label_frontends(desired: Desired) -> tuple[dict[str, Label], dict[str, str]]:
    """The labels and node names of a desired state."""
    return _labelled(desired.frontends)


def relabelled(
    put: Iterable[Frontend], gone: Iterable[Frontend], backend_pods: Mapping[str, str]
) -> NamesChange:
    """The change of names when these frontends come or are replaced, and those go or are replaced."""
    labels, nodes = _labelled(put)
    removed = (destination(item.address, item.port, item.protocol) for item in gone)
    return NamesChange(
        labels={**dict.fromkeys(removed), **labels}, nodes=nodes, backend_pods=dict(backend_pods)
    )


def _labelled(frontends: Iterable[Frontend]) -> tuple[dict[str, Label], dict[str, str]]:
    labels, nodes = {}, {}
    for item in frontends:
        labels[destination(item.address, item.port, item.protocol)] = _label(item)
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


def save_names(path: Path, names: Names) -> Mark:
    """Makes the file at `path` say this, and writes only if it does not. Raises HostError."""
    document = {
        "labels": {name: _label_to_json(label) for name, label in names.labels.items()},
        "nodes": dict(names.nodes),
        "pods": dict(names.pods),
        "backend_pods": dict(names.backend_pods),
    }
    text = json.dumps(document, separators=(",", ":"))
    durable.replace(path, VERSION, text)
    stamp = durable.stamp(path)
    return Mark(stamp, stamp[2] if stamp else 0)


def add_names(path: Path, change: NamesChange, mark: Mark) -> Mark | None:
    """Adds a record to the file; the new mark. None, and nothing is done, where the file is no more as it was
    left, or has more in records than in the whole: it is to be written anew. Raises HostError.
    """
    if mark.stamp is None or durable.stamp(path) != mark.stamp or mark.stamp[2] > 2 * mark.whole:
        return None
    if change.empty:
        return mark
    document = {
        "labels": {name: label and _label_to_json(label) for name, label in change.labels.items()},
        "nodes": dict(change.nodes),
        "backend_pods": dict(change.backend_pods),
    }
    durable.append(path, json.dumps(document, separators=(",", ":")))
    return Mark(durable.stamp(path), mark.whole)


def read_names(path: Path) -> ReadNames | None:
    """What the file says, None when there is none. Raises HostError."""
    texts = durable.read_all(path, VERSION)
    return None if texts is None else ReadNames(tuple(texts))


@dataclass(frozen=True)
class ReadNames:
    """The texts of the file, whose checksums fit: the whole first, then the records. Decoded when asked for."""

    texts: tuple[str, ...]

    @cached_property
    def _documents(self) -> list[dict[str, Any]]:
        return [dict(json.loads(text)) for text in self.texts]

    def _merged(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = dict(self._documents[0][name])
        for document in self._documents[1:]:
            found.update(document.get(name, {}))
        return {key: value for key, value in found.items() if value is not None} if found else found

    @cached_property
    def labels(self) -> dict[str, Label]:
        return {name: _label_from_json(values) for name, values in self._merged("labels").items()}

    @cached_property
    def nodes(self) -> dict[str, str]:
        return self._merged("nodes")

    @cached_property
    def pods(self) -> dict[str, PodName]:
        return {uid: PodName(*values) for uid, values in self._merged("pods").items()}

    @cached_property
    def backend_pods(self) -> dict[str, str]:
        return self._merged("backend_pods")


def try_names(path: Path) -> tuple[ReadNames | None, list[str]]:
    """The names, and what is wrong with the file; [] when nothing is, or there is none."""
    try:
        return read_names(path), []
    except HostError as error:
        return None, [str(error)]


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
