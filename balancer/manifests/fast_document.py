"""A document that a fast engine accepted: data at once, places only when somebody asks.

Only the start of every object is known. Any other place, and the data that a fault is judged by, comes
from the reference reader: of the one item of a list that is concerned, or else of the whole document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from balancer.manifests.document import Document
from balancer.manifests.finding import Finding
from balancer.manifests.paths import JsonPath

ITEMS = "items"
Entry = Any
"""What one item is made of, as the engine likes it."""


class Items(Sequence[Any]):
    """The items of a List, each made when it is asked for, and anew each time: whoever takes one after the
    other never has them all in memory. None of them is a List itself.

    Equal to a list with the same items.
    """

    def __init__(self, entries: Sequence[Entry], load: Callable[[Entry], Any]) -> None:
        self._entries = entries
        self._load = load

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self._load(entry) for entry in self._entries[index]]
        return self._load(self._entries[index])

    def __iter__(self) -> Iterator[Any]:
        return map(self._load, self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | Items) and list(self) == list(other)


@dataclass(frozen=True, eq=False, kw_only=True)
class FastDocument(Document):
    """`starts` are the offsets of the items of a List that was taken apart, empty for anything else.

    `read_item` and `read_whole` give the reference's reading; `read` keeps those of single items.
    """

    read_whole: Callable[[], Document]
    read_item: Callable[[int], Document] | None = None
    starts: Sequence[int] = ()
    read: dict[int, Document] = field(default_factory=dict)
    whole: list[Document] = field(default_factory=list)

    def offset(self, path: JsonPath, *, on_key: bool = False) -> int:
        """As `Document.offset`."""
        if not path:
            return super().offset(path)
        document, inside = self._reference(path)
        return document.offset(inside, on_key=on_key)

    def start(self, path: JsonPath) -> int:
        """As `Document.start`."""
        if not path:
            return super().start(path)
        if len(path) == 2 and self._item_of(path) is not None:
            return self.starts[int(path[1])]
        document, inside = self._reference(path)
        return document.start(inside)

    def precise(self, path: JsonPath) -> Any:
        """The data at an existing path as the reference reads it."""
        document, inside = self._reference(path)
        data = document.data
        for part in inside:
            data = data[part]
        return data

    def _item_of(self, path: JsonPath) -> int | None:
        if self.read_item and len(path) >= 2 and path[0] == ITEMS and isinstance(path[1], int):
            return path[1] if path[1] < len(self.starts) else None
        return None

    def _reference(self, path: JsonPath) -> tuple[Document, JsonPath]:
        index = self._item_of(path)
        if index is None or self.read_item is None:
            if not self.whole:
                self.whole.append(self.read_whole())
            return self.whole[0], path
        if index not in self.read:
            self.read[index] = self.read_item(index)
        return self.read[index], path[2:]


def may_be_list(json: str) -> bool:
    """Whether JSON text could be that of a List: then what it holds has to be found before anything is said."""
    return 'List"' in json or "\\u" in json


def under_item(findings: Sequence[Finding], index: int) -> list[Finding]:
    """The findings of an item that was read alone, as those of its place in the list."""
    return [replace(one, path=(ITEMS, index, *one.path)) for one in findings]
