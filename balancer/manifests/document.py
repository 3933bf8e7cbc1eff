"""One document: its plain data, and where in the text each part of it stands.

The data is what json.loads would give. `Document` is the seam between reading engines: an engine
that is faster than the reference one needs to give `data` and find offsets only when asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from balancer.manifests.finding import Finding
from balancer.manifests.paths import JsonPath


@dataclass(slots=True, eq=False)
class Node:
    """A mapping or list with the offsets of its parts: an int for a scalar, a Node for the rest.

    `keys` holds the offsets of a mapping's keys. `size` counts the values inside, aliases
    expanded; `height` is the depth below. `faulty` says that a fault was found inside.
    """

    at: int
    data: Any
    keys: dict[str, int]
    fields: dict[str, Node | int]
    items: list[Node | int]
    size: int = 1
    height: int = 0
    faulty: bool = False

    @classmethod
    def mapping(cls, at: int) -> Node:
        """An empty mapping. It shares the list of items that it never fills: there may be millions."""
        return cls(at=at, data={}, keys={}, fields={}, items=_NO_ITEMS)

    @classmethod
    def sequence(cls, at: int) -> Node:
        """An empty list."""
        return cls(at=at, data=[], keys=_NO_KEYS, fields=_NO_FIELDS, items=[])


Place = Node | int
_NO_KEYS: dict[str, int] = {}
_NO_FIELDS: dict[str, Node | int] = {}
_NO_ITEMS: list[Node | int] = []


@dataclass(frozen=True, eq=False)
class Document:
    """`complete` is false where the text broke off; then `data` is what had been read by then."""

    data: Any
    place: Place
    findings: tuple[Finding, ...] = ()
    complete: bool = True

    def offset(self, path: JsonPath, *, on_key: bool = False) -> int:
        """Where a path stands: a scalar itself, a mapping or list by the key that it belongs to.

        Of a path that does not exist, the deepest part that does.
        """
        place: Place = self.place
        key = -1
        for part in path:
            step = _step(place, part)
            if step is None:
                return key if key >= 0 else start_of(place)
            place, key = step
        if key >= 0 and (on_key or isinstance(place, Node)):
            return key
        return start_of(place)

    def start(self, path: JsonPath) -> int:
        """Where the value of an existing path begins."""
        place: Place = self.place
        for part in path:
            step = _step(place, part)
            if step is None:
                break
            place = step[0]
        return start_of(place)


def start_of(place: Place) -> int:
    return place.at if isinstance(place, Node) else place


def _step(place: Place, part: str | int) -> tuple[Place, int] | None:
    """The part inside the place, and the offset of its key (-1 in a list)."""
    if isinstance(place, int):
        return None
    if isinstance(part, str):
        return (place.fields[part], place.keys[part]) if part in place.fields else None
    return (place.items[part], -1) if part < len(place.items) else None
