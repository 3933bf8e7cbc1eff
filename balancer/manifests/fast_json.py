"""JSON to documents in one go, and a List item by item.

Hands everything that has a fault, or may have one that a quick reader does not see (a key given twice,
half of a character, too much depth), to the reference reader. Never reports a fault of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from balancer.manifests.compose import compose
from balancer.manifests.document import Document, start_of
from balancer.manifests.fast_document import ITEMS, FastDocument, Items, may_be_list, under_item
from balancer.manifests.fast_values import dumps, loads
from balancer.manifests.finding import Finding
from balancer.manifests.json_events import json_value
from balancer.manifests.limits import Limits
from balancer.manifests.source import SourceText
from balancer.manifests.split import is_list

# A List as kubectl prints it: nothing but short members before the items, and a line for every brace.
_PRINTED = re.compile(
    r'[ \t\n]*\{\n( +)(?:"[^"\\\n]*": (?:"[^"\\\n]*"|\{\}|\{(?:\n *"[^"\\\n]*": "[^"\\\n]*",?)*\n *\}),\n +)*'
    rf'"{ITEMS}": \[\n( +)(?=\{{\n)'
)
_SPACES = " \t\r\n"
_SPACE = re.compile(rf"[{_SPACES}]*")
# Escapes that are needed by nobody, and would upset the count of colons or the text.
_ODD_ESCAPES = ("\\u003a", "\\u003A", "\\ud", "\\uD")
_scan = json.JSONDecoder().raw_decode


def json_documents(source: SourceText, limits: Limits) -> Sequence[Document] | None:
    """The documents of the text, or None where the reference has to read it."""
    if len(source.text) // 2 >= limits.max_values and _most_values(source.text) > limits.max_values:
        return None
    reading = _Reading(source, limits)
    try:
        printed = _PRINTED.match(source.text)
        return (printed and reading.printed_list(printed)) or reading.documents()
    except (ValueError, RecursionError, _Unusual):
        return None


def _most_values(text: str) -> int:
    return 1 + sum(text.count(mark) for mark in ",:[{")


def _values(text: str) -> Iterator[tuple[int, int]]:
    """Where each value of the text begins and ends. Raises ValueError, and `_Unusual` where one could go on in
    what follows it: a 0 may be the first digit of something that is no number.
    """
    at = _skip(text, 0)
    while at < len(text):
        start, at = at, _scan(text, at)[1]
        if text[start] not in "{[" and text[at : at + 1].strip(_SPACES):
            raise _Unusual
        yield start, at
        at = _skip(text, at)


def _item_ranges(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Where the items of the List that begins here begin and end. The text is known to be JSON."""
    key, at = _scan(text, _skip(text, at + 1))
    at = _skip(text, _skip(text, at) + 1)
    while key != ITEMS or text[at] != "[":
        at = _skip(text, _scan(text, at)[1])
        key, at = _scan(text, _skip(text, at + 1))
        at = _skip(text, _skip(text, at) + 1)
    while text[at] != "]":
        start = _skip(text, at + 1)
        end = _scan(text, start)[1]
        yield start, end
        at = _skip(text, end)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


class _Unusual(Exception):
    """For the reference reader to judge."""


@dataclass(slots=True)
class _Reading:
    source: SourceText
    limits: Limits

    def printed_list(self, head: re.Match[str]) -> Sequence[Document]:
        """A List with a line for every brace: cut where the braces of its items stand. Empty if it is none."""
        text, outer, inner = self.source.text, head[1], head[2]
        end = text.rfind(f"\n{outer}]", head.end())
        separator = f",\n{inner}{{\n"
        at = head.end()
        ranges = []
        for piece in text[at + 2 : end].split(separator):
            ranges.append((at, at + 2 + len(piece)))
            at += len(piece) + len(separator)
        try:
            return [self._list(_skip(text, 0), len(text), ranges)]
        except (ValueError, _Unusual):
            return []

    def documents(self) -> Sequence[Document]:
        """The values of a text that has one or several, in any layout."""
        text = self.source.text
        try:
            data = loads(text)
        except ValueError:
            return [self._document(start, end, loads(text[start:end])) for start, end in _values(text)]
        return [self._document(_skip(text, 0), len(text), data)]

    def _document(self, start: int, end: int, data: Any) -> Document:
        if isinstance(data, dict) and isinstance(data.get(ITEMS), list) and data[ITEMS]:
            return self._list(start, end, list(_item_ranges(self.source.text, start)))
        self._check(self.source.text[start:end], data, outside=0)
        return FastDocument(data, start, read_whole=lambda: self._read(start, outside=0))

    def _list(self, at: int, end: int, ranges: Sequence[tuple[int, int]]) -> Document:
        """A List whose items are in these ranges, if what is left without them is one with no items."""
        outside = self.source.text[at : ranges[0][0]] + self.source.text[ranges[-1][1] : end]
        around = loads(outside)
        if not isinstance(around, dict) or around.get(ITEMS) != []:
            raise _Unusual
        self._check(outside, around, outside=0)
        starts = [start for start, _ in ranges]
        read: dict[int, Document] = {}
        findings: list[Finding] = []
        flat = is_list(around)
        for index, (start, end) in enumerate(ranges):
            text = self.source.text[start:end]
            flat = flat and not may_be_list(text)
            try:
                self._check(text, loads(text), outside=2)
            except _Unusual:
                read[index] = self._read(start, outside=2)
                findings += under_item(read[index].findings, index)
                if not read[index].complete or start_of(read[index].place) != start:
                    raise
                flat = flat and not is_list(read[index].data)
        items = self._items(ranges, read)
        around[ITEMS] = items if flat else list(items)
        if len(findings) > self.limits.max_problems:
            raise _Unusual
        return FastDocument(
            around,
            at,
            tuple(findings),
            read_whole=lambda: self._read(at, outside=0),
            read_item=lambda index: self._read(starts[index], outside=2),
            starts=starts,
            read=read,
        )

    def _items(self, ranges: Sequence[tuple[int, int]], read: Mapping[int, Document]) -> Items:
        text = self.source.text
        odd = {index: document.data for index, document in read.items()}

        def load(index: int) -> Any:
            start, end = ranges[index]
            return odd[index] if index in odd else loads(text[start:end])

        return Items(range(len(ranges)), load)

    def _read(self, start: int, *, outside: int) -> Document:
        """The value as the reference reads it, inside of so many others."""
        limits = replace(self.limits, max_depth=self.limits.max_depth - outside)
        return next(compose(json_value(self.source, start), self.source, limits))

    def _check(self, text: str, data: Any, *, outside: int) -> None:
        """Raises `_Unusual` for a key given twice, keys that are too long, and too much depth."""
        if "\\u" in text and any(escape in text for escape in _ODD_ESCAPES):
            raise _Unusual
        dumped = dumps(data)
        if dumped.count(b":") != text.count(":"):
            raise _Unusual
        most_depth, longest = self.limits.max_depth - outside, self.limits.max_key_chars
        deep = dumped.count(b"{") + dumped.count(b"[") > most_depth
        if (deep or _may_have_longer(text, longest)) and not _is_within(data, most_depth, longest):
            raise _Unusual


def _may_have_longer(text: str, longest: int) -> bool:
    """Whether a key could have more characters: not if every half of that many has a line break, nor if a quote
    never comes as late.
    """
    half = longest // 2
    starts = range(0, len(text) - half + 1, half) if len(text) > longest else ()
    if all(text.find("\n", at, at + half) >= 0 for at in starts):
        return False
    return '\\"' in text or max(map(len, text.split('"'))) > longest


def _is_within(data: Any, most_depth: int, longest_key: int) -> bool:
    level = [data]
    for _ in range(most_depth):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if any(len(key) > longest_key for key in value):
                    return False
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = below
        if not level:
            return True
    return not any(isinstance(value, dict | list) for value in level)
