"""A document to its objects: a single one, `kind: List`, or a typed list such as ServiceList."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from balancer.manifests.finding import Finding
from balancer.manifests.paths import JsonPath

_LIST = "List"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawObject:
    """`path` leads from the document to the object. `item` counts through nested lists, -1 outside."""

    data: Any
    path: JsonPath = ()
    item: int = -1


@dataclass(frozen=True, slots=True)
class Parts:
    """The objects of a document, and what is wrong with the lists around them."""

    objects: list[RawObject] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def split(data: Any) -> Parts:
    """The objects in their order. An empty document has none."""
    parts = Parts()
    if _is_list(data):
        _items(data, (), parts)
    elif data is not None:
        parts.objects.append(RawObject(data=data))
    return parts


def _items(data: Mapping[str, Any], path: JsonPath, parts: Parts) -> None:
    items = data.get("items")
    if items is not None and not isinstance(items, list):
        parts.findings.append(
            Finding(path=(*path, "items"), message="is not a list: expected a list of objects")
        )
        return
    inherited = _inherited(data)
    for index, item in enumerate(items or ()):
        where = (*path, "items", index)
        if _is_list(item):
            _items(item, where, parts)
            continue
        whole = {**inherited, **item} if isinstance(item, dict) and inherited else item
        parts.objects.append(RawObject(data=whole, path=where, item=len(parts.objects)))


def _is_list(data: Any) -> bool:
    if not isinstance(data, Mapping):
        return False
    kind = data.get("kind")
    return kind == _LIST or (isinstance(kind, str) and kind.endswith(_LIST) and "items" in data)


def _inherited(data: Mapping[str, Any]) -> dict[str, Any]:
    """The items of a typed list may leave out what the list says, as the API server does."""
    kind = data["kind"].removesuffix(_LIST)
    return {"apiVersion": data.get("apiVersion"), "kind": kind} if kind else {}
