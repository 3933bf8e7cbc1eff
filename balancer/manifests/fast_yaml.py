"""Block YAML to documents in one go, and a List item by item: one odd item does not slow down the others.

Hands everything that is not plainly understood to the reference reader: an odd item alone, where that is
sure to give the same, else the whole document. Never reports a fault of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from balancer.manifests.compose import compose
from balancer.manifests.document import Document, Node, start_of
from balancer.manifests.events import Event, EventKind
from balancer.manifests.fast_document import ITEMS, FastDocument, Items, may_be_list, under_item
from balancer.manifests.fast_forms import as_json
from balancer.manifests.fast_values import loads
from balancer.manifests.finding import Finding
from balancer.manifests.limits import Limits
from balancer.manifests.paths import JsonPath
from balancer.manifests.source import SourceText
from balancer.manifests.split import is_list

_HEAD = re.compile(r"(?:---\n)?\n*+(?>(?:#[ -~]*+\n\n*+){0,200})")
_DASH = re.compile(r"( *)- ")
_TAIL = re.compile(r"\n(?=[A-Za-z])")
# One object: the API server takes none that is much larger. Taken apart, lines need many times their size.
_LONGEST_PIECE = 2_000_000  # characters
_ITEMS_LINE = f"{ITEMS}:\n"


def yaml_document(source: SourceText, start: int, end: int, limits: Limits) -> Document | None:
    """The one document of a chunk, or None where the reference has to read the chunk."""
    text = source.text[start:end]
    if "\n..." in text or text.startswith("...") or (text[-1:] != "\n" and "|\n" in text):
        return None
    head = _HEAD.match(text)
    chunk = _Chunk(source, start, end, limits, start + (head.end() if head else 0))
    found = text.find(f"\n{_ITEMS_LINE}", chunk.begin - start - 1 if chunk.begin > start else 0)
    at = chunk.begin - start if text.startswith(_ITEMS_LINE, chunk.begin - start) else found + 1
    if text.startswith(_ITEMS_LINE, at):
        dash = _DASH.match(text, at + len(_ITEMS_LINE))
        if dash:
            return chunk.items(text, at, dash)
    return chunk.whole(text)


@dataclass(slots=True)
class _Chunk:
    """`begin` is the offset behind the marker and the comments at the start."""

    source: SourceText
    start: int
    end: int
    limits: Limits
    begin: int
    size: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def whole(self, text: str) -> Document | None:
        body = text[self.begin - self.start :].rstrip("\n") + "\n"
        data = self._data(body)
        if data is None:
            return None
        at = self.begin + len(body) - len(body.lstrip(" "))
        return FastDocument(data, at, read_whole=self.read_whole)

    def items(self, text: str, at: int, dash: re.Match[str]) -> Document | None:
        """A List: its items lie between the dashes of one column."""
        indent = dash[1]
        separator = f"\n{indent}- "
        if text.count(separator) >= self.limits.max_values:
            return None
        pieces = text[dash.end() :].split(separator)
        tail = _TAIL.search(pieces[-1])
        rest = pieces[-1][tail.end() :] if tail else ""
        pieces[-1] = pieces[-1][: tail.start()] if tail else pieces[-1].rstrip("\n")
        around = f"{text[self.begin - self.start : at]}{ITEMS}: []\n{rest}".rstrip("\n") + "\n"
        data = self._data(around)
        if not isinstance(data, dict) or data.get(ITEMS) != [] or around.startswith(" "):
            return None
        self._set_ranges(pieces, len(indent) + 2, self.start + dash.start(), is_last=not tail)
        return self._fill(data, pieces, indent)

    def _set_ranges(self, pieces: Sequence[str], before: int, at: int, *, is_last: bool) -> None:
        """Where each item's lines begin and end. The last item has the line breaks at the end as well."""
        for piece in pieces:
            end = at + before + len(piece) + 1
            self.ranges.append((at, end))
            at = end
        if is_last:
            self.ranges[-1] = (self.ranges[-1][0], self.end)

    def _fill(self, data: dict[str, Any], pieces: Sequence[str], indent: str) -> Document | None:
        entries: list[str | list[Any]] = []
        starts: list[int] = []
        findings: list[Finding] = []
        read: dict[int, Document] = {}
        for index, piece in enumerate(pieces):
            json = self._json(f"{indent}- {piece}\n", outside=1, entries=1)
            if json is not None:
                entries.append(json)
                starts.append(self.ranges[index][0] + len(indent) + 2)
            else:
                document = self._odd(index)
                if document is None:
                    return None
                read[index] = document
                entries.append([document.data])
                starts.append(start_of(document.place))
                findings += under_item(document.findings, index)
        if self.size > self.limits.max_values or len(findings) > self.limits.max_problems:
            return None
        items = Items(entries, _loaded)
        return FastDocument(
            {**data, ITEMS: items if is_list(data) and not any(map(_may_be_list, entries)) else list(items)},
            self.begin,
            tuple(findings),
            read_whole=self.read_whole,
            read_item=self.read_item,
            starts=starts,
            read=read,
        )

    def _data(self, text: str) -> Any:
        json = self._json(text, outside=0)
        return None if json is None else loads(json)

    def _json(self, text: str, *, outside: int, entries: int = 0) -> str | None:
        """Lines as JSON, None for what is odd or too large; `outside` counts the levels around them, `entries`
        those that the outermost level has to have, 0 for any number.
        """
        found = as_json(text) if len(text) <= _LONGEST_PIECE else None
        if found is None:
            return None
        json, form = found
        self.size += form.size
        if form.height + outside > self.limits.max_depth or self.size > self.limits.max_values:
            return None
        return json if entries in (0, form.entries) else None

    def read_whole(self) -> Document:
        """The document as the reference reads it. There is one, as it was accepted."""
        from balancer.manifests.yaml_events import yaml_events  # it loads ruamel.yaml, which few files need

        events = yaml_events(self.source, self.start, self.end, self.limits.max_depth)
        return next(compose(events, self.source, self.limits))

    def read_item(self, index: int) -> Document:
        """One accepted item as the reference reads it, a document of its own."""
        return _alone(*self._list_of_one(index))

    def _list_of_one(self, index: int) -> list[Document]:
        from balancer.manifests.yaml_events import yaml_events

        start, end = self.ranges[index]
        limits = replace(self.limits, max_depth=self.limits.max_depth - 1)
        events = yaml_events(self.source, start, end, limits.max_depth)
        return list(compose(_without_names(events), self.source, limits))

    def _odd(self, index: int) -> Document | None:
        """The item, where reading it alone is sure to give the same as reading it in its place."""
        start, end = self.ranges[index]
        if end - start > _LONGEST_PIECE:
            return None
        try:
            found = self._list_of_one(index)
        except _Named:
            return None
        if len(found) != 1 or not found[0].complete or not isinstance(found[0].place, Node):
            return None
        node = found[0].place
        if not isinstance(node.data, list) or len(node.data) != 1:
            return None
        self.size += 2 * node.size
        return _alone(found[0])


def _loaded(entry: str | list[Any]) -> Any:
    """The value in a list with one, or in the JSON of one."""
    return (loads(entry) if isinstance(entry, str) else entry)[0]


def _may_be_list(entry: str | list[Any]) -> bool:
    return may_be_list(entry) if isinstance(entry, str) else is_list(entry[0])


def _alone(document: Document) -> Document:
    """The only item of a list as a document."""
    place = document.place.items[0] if isinstance(document.place, Node) else document.place
    return Document(document.data[0], place, tuple(_inside(one) for one in document.findings))


def _inside(finding: Finding) -> Finding:
    path: JsonPath = finding.path[1:]
    return replace(finding, path=path)


class _Named(Exception):
    """An anchor or alias: what it stands for may be in another item."""


def _without_names(events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        if event.anchor or event.merge or event.kind is EventKind.ALIAS:
            raise _Named
        yield event
