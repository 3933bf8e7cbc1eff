"""A document to its objects: a single one, `kind: List`, or a typed list such as ServiceList."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from balancer.manifests.fast_document import Items
from balancer.manifests.finding import Finding
from balancer.manifests.paths import JsonPath

_LIST = "List"
_ITEMS = "items"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawObject:
    """`path` leads from the document to the object. `item` counts through nested lists, -1 outside."""

    data: Any
    path: JsonPath = ()
    item: int = -1


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects of a document, and what is wrong with the lists around them. The objects may be looked at
    again, and may then be new ones.
    """

    objects: Iterable[RawObject] = ()
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class _Streamed:
    """Objects that are made one after the other, of a List without Lists in it."""

    items: Items
    inherited: Mapping[str, Any]

    def __iter__(self) -> Iterator[RawObject]:
        for index, item in enumerate(self.items):
            yield RawObject(data=_with(self.inherited, item), path=(_ITEMS, index), item=index)


def split(data: Any) -> Parts:
    """The objects in their order. An empty document has none."""
    if not is_list(data):
        return Parts() if data is None else Parts([RawObject(data=data)])
    if isinstance(data.get(_ITEMS), Items):
        return Parts(_Streamed(data[_ITEMS], _inherited(data)))
    parts = _Whole()
    _items(data, (), parts)
    return Parts(parts.objects, parts.findings)


@dataclass(frozen=True, slots=True)
class _Whole:
    """Everything that was found so far."""

    objects: list[RawObject] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def _items(data: Mapping[str, Any], path: JsonPath, parts: _Whole) -> None:
    items = data.get(_ITEMS)
    if items is not None and not isinstance(items, list):
        parts.findings.append(
            Finding(path=(*path, _ITEMS), message="is not a list: expected a list of objects")
        )
        return
    inherited = _inherited(data)
    for index, item in enumerate(items or ()):
        where = (*path, _ITEMS, index)
        if is_list(item):
            _items(item, where, parts)
            continue
        whole = _with(inherited, item)
        parts.objects.append(RawObject(data=whole, path=where, item=len(parts.objects)))


def _with(inherited: Mapping[str, Any], item: Any) -> Any:
    return {**inherited, **item} if isinstance(item, dict) and inherited else item


def is_list(data: Any) -> bool:
    """Whether it is a List, or a typed one."""
    if not isinstance(data, dict):
        return False
    kind = data.get("kind")
    return kind == _LIST or (isinstance(kind, str) and kind.endswith(_LIST) and _ITEMS in data)


def _inherited(data: Mapping[str, Any]) -> dict[str, Any]:
    """The items of a typed list may leave out what the list says, as the API server does."""
    kind = data["kind"].removesuffix(_LIST)
    return {"apiVersion": data.get("apiVersion"), "kind": kind} if kind else {}
