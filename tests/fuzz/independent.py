"""A second opinion on a text: other parsers, a strict reading, and the schemas applied directly.

Shares no code with the reader: JSON goes through the standard library, YAML through ruamel.yaml's own
composer, and what a plain scalar stands for is written down here once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_MOST_VALUES = 300_000
_CUT = re.compile(r"(?:^|(?<=\r))(?=---(?:[ \t\r\n]|\Z))", re.MULTILINE)
_HALVES = re.compile("[\ud800-\udfff]")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_BASES = {"0x": 16, "0b": 2, "0o": 8}
_STANDARD = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value"}


class Rejected(Exception):
    """The text, or a whole document of it, is not valid."""


class Doubtful(dict[str, Any]):
    """A mapping that a strict reader refuses: a key twice, or a value with a tag of its own."""


def documents(name: str, raw: bytes) -> Iterator[Any]:
    """The data of every document that is valid; the others are left out."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    if "\0" in text:
        return
    if name.endswith(".json"):
        yield from _json_values(text)
        return
    for chunk in _CUT.split(text):
        try:
            for node in _compose(chunk):
                yield _construct(node)
        except Rejected:
            continue


def is_doubtful(data: Any) -> bool:
    if isinstance(data, dict):
        return isinstance(data, Doubtful) or any(is_doubtful(value) for value in data.values())
    return isinstance(data, list) and any(is_doubtful(value) for value in data)


def is_address(value: object) -> bool:
    """As the formats of the schemas have it."""
    if not isinstance(value, str):
        return True
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value


def is_range(value: object) -> bool:
    try:
        return not isinstance(value, str) or ("/" in value and bool(ip_interface(value.strip())))
    except ValueError:
        return False


def _json_values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse, strict=True)
    at = 0
    try:
        while at := _skip(text, at):
            value, at = decoder.raw_decode(text, at - 1)
            at += 0
            yield value
    except (ValueError, RecursionError, Rejected):
        return


def _skip(text: str, at: int) -> int:
    """One more than the offset of the next character that is no white space, 0 at the end."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at + 1 if at < len(text) else 0


def _refuse(word: str) -> Any:
    raise Rejected(word)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = {_whole(key): _leaf(value) for key, value in reversed(pairs)}
    return whole if len(whole) == len(pairs) else Doubtful(whole)


def _leaf(value: Any) -> Any:
    return _whole(value) if isinstance(value, str) else value


def _whole(text: str) -> str:
    return _HALVES.sub("\ufffd", text)


def _compose(chunk: str) -> Iterator[Node | None]:
    """One document after the other: what a ``...`` line has ended is whole, whatever comes after it."""
    reader = YAML(typ="safe", pure=True)
    try:
        yield from reader.compose_all(chunk)
    except Exception as error:
        raise Rejected(str(error)) from error


def _construct(node: Node | None) -> Any:
    return _Constructor().value(node) if node is not None else None


class _Constructor:
    def __init__(self) -> None:
        self._open: set[int] = set()
        self._values = 0

    def value(self, node: Node) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES or len(self._open) > 100 or id(node) in self._open:
            raise Rejected("too large, too deep or endless")
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        data: Any = (
            self._mapping(node) if isinstance(node, MappingNode) else [self.value(one) for one in node.value]
        )
        self._open.remove(id(node))
        return data if _known(node) else Doubtful({"": data})

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        doubtful = False
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                for source in self._sources(value_node):
                    doubtful = doubtful or isinstance(source, Doubtful)
                    merged = {**source, **merged}
                continue
            key = self._key(key_node)
            doubtful = doubtful or key in own
            own.setdefault(key, self.value(value_node))
        whole = {**merged, **own}
        return Doubtful(whole) if doubtful else whole

    def _sources(self, node: Node) -> list[dict[str, Any]]:
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        found = [self.value(one) for one in nodes]
        if not found or not all(isinstance(one, dict) for one in found):
            raise Rejected("nothing to merge")
        return found

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise Rejected("a key that is no scalar")
        key = self._scalar(node)
        if key is None or isinstance(key, dict):
            raise Rejected("no key")
        return str(key).lower() if isinstance(key, bool) else str(key)

    def _scalar(self, node: ScalarNode) -> Any:
        try:
            text = str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise Rejected("half a character") from error
        if not _known(node):
            return Doubtful({"": text})
        if node.style is not None or (node.tag and str(node.tag).endswith(":str") and _was_tagged(node)):
            return text
        return plain(text)


def _known(node: Node) -> bool:
    tag = str(node.tag or "!")
    return tag == "!" or (tag.startswith("tag:yaml.org,2002:") and tag.rpartition(":")[2] in _STANDARD)


def _was_tagged(node: ScalarNode) -> bool:
    """Whether the tag stands in the text: the mark of the node then starts before the scalar."""
    buffer = node.start_mark.buffer
    return buffer is not None and buffer[node.start_mark.index : node.end_mark.index] != node.value


def _is_merge(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "<<" and node.style is None


def plain(text: str) -> Any:
    """An unquoted scalar as go-yaml resolves it; a number that JSON has not is a `Doubtful`."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    lower = text.lower()
    if text in (lower, lower.capitalize(), lower.upper()):
        if lower in ("y", "yes", "on", "true", "n", "no", "off", "false"):
            return lower in ("y", "yes", "on", "true")
        if lower in (".nan", ".inf", "+.inf", "-.inf"):
            return Doubtful({"": text})
    if text[0] not in "+-.0123456789":
        return text
    return _number(text)


def _number(text: str) -> Any:
    digits = text.replace("_", "")
    sign, body = (digits[:1], digits[1:]) if digits[:1] in ("+", "-") else ("", digits)
    base = _BASES.get(body[:2].lower(), 8 if body[:1] == "0" and len(body) > 1 else 10)
    body = body[2:] if body[:2].lower() in _BASES else body
    try:
        number = int(sign + body, base) if body.isalnum() and body.isascii() else None
    except ValueError:
        number = None
    if number is not None and -(2**64) < number < 2**64:
        return number
    if _FLOAT.fullmatch(digits):
        return text if abs(float(digits)) == float("inf") else float(digits)
    return text
