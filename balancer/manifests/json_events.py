"""JSON text to events, strictly by RFC 8259, with the offset of every value.

A stream of several JSON values is several documents, as kubectl reads it. Never recursive: depth is
the composer's to judge.
"""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Generator, Iterator

from balancer.manifests.events import Event, EventKind
from balancer.manifests.finding import SyntaxFault
from balancer.manifests.scalars import Scalar
from balancer.manifests.source import SourceText

_SPACE = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(
    r'(?P<mark>[{}\[\]:,])|(?P<text>"(?:[^"\\\x00-\x1f]++|\\.)*+")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*+)(?P<real>(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?))(?![0-9A-Za-z.])"
    r"|(?P<word>true|false|null)\b"
)
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_INTEGER = 20


class _Expect(enum.Enum):
    """What may come next; the value is how a message says it."""

    VALUE = "a value"
    FIRST_ITEM = 'a value or "]"'
    FIRST_KEY = 'a key in double quotes or "}"'
    KEY = "a key in double quotes"
    COLON = '":"'
    NEXT_ITEM = '"," or "]"'
    NEXT_KEY = '"," or "}"'


_CLOSES = {
    _Expect.FIRST_ITEM: "]",
    _Expect.NEXT_ITEM: "]",
    _Expect.FIRST_KEY: "}",
    _Expect.NEXT_KEY: "}",
}
_AFTER_MARK = {
    (_Expect.NEXT_ITEM, ","): _Expect.VALUE,
    (_Expect.NEXT_KEY, ","): _Expect.KEY,
    (_Expect.COLON, ":"): _Expect.VALUE,
}
_OPENS = {
    "{": (EventKind.MAPPING, _Expect.FIRST_KEY, _Expect.NEXT_KEY),
    "[": (EventKind.SEQUENCE, _Expect.FIRST_ITEM, _Expect.NEXT_ITEM),
}
_KEYS = (_Expect.FIRST_KEY, _Expect.KEY)
_VALUES = (_Expect.VALUE, _Expect.FIRST_ITEM)


def json_events(source: SourceText) -> Iterator[Event]:
    """The events of every value of the text. Raises `SyntaxFault` where it stops being JSON."""
    at = _skip(source.text, 0)
    while at < len(source.text):
        yield Event(EventKind.DOCUMENT, at)
        at = _skip(source.text, (yield from _value(source.text, at)))
        yield Event(EventKind.DOCUMENT_END, at)


def json_value(source: SourceText, at: int) -> Iterator[Event]:
    """The events of the one value that begins at the offset, as a document of its own."""
    yield Event(EventKind.DOCUMENT, at)
    at = yield from _value(source.text, at)
    yield Event(EventKind.DOCUMENT_END, at)


def _value(text: str, at: int) -> Generator[Event, None, int]:
    """The events of one value; returns the offset behind it."""
    around: list[_Expect] = []
    expect: _Expect | None = _Expect.VALUE
    while expect:
        at = _skip(text, at)
        token = _TOKEN.match(text, at)
        if token is None:
            raise _fault(text, at, expect)
        mark = token["mark"] or ""
        if following := _AFTER_MARK.get((expect, mark)):
            expect = following
        elif mark and mark == _CLOSES.get(expect):
            yield Event(EventKind.END, at)
            around.pop()
            expect = around[-1] if around else None
        elif expect in _KEYS and token["text"]:
            yield Event(EventKind.SCALAR, at, _scalar(token, at))
            expect = _Expect.COLON
        elif expect in _VALUES and mark in _OPENS:
            kind, expect, between = _OPENS[mark]
            yield Event(kind, at)
            around.append(between)
        elif expect in _VALUES and not mark:
            yield Event(EventKind.SCALAR, at, _scalar(token, at))
            expect = around[-1] if around else None
        else:
            raise _fault(text, at, expect)
        at = token.end()
    return at


def _scalar(token: re.Match[str], at: int) -> Scalar:
    text = token[0]
    if token["text"]:
        return _string(text, at)
    if token["word"]:
        return _WORDS[text]
    if token["real"] or len(text) > _LONGEST_INTEGER:
        number = float(text)
        if math.isinf(number):
            raise SyntaxFault(at, f"the number {text[:40]} is too large: expected one that fits 64 bits")
        return number
    return int(text)


def _string(quoted: str, at: int) -> str:
    """An escape of half a surrogate pair becomes U+FFFD, as Go's decoder has it."""
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return _SURROGATE.sub("\ufffd", json.loads(quoted))
    except json.JSONDecodeError as error:
        raise SyntaxFault(
            at + error.pos, "not valid JSON: a backslash cannot stand here: expected an escape such as \\n"
        ) from error


def _fault(text: str, at: int, expect: _Expect) -> SyntaxFault:
    if at >= len(text):
        return SyntaxFault(len(text.rstrip()), f"not valid JSON: the text ends here: expected {expect.value}")
    found = (
        "this string has no end"
        if text[at] == '"' and not _TOKEN.match(text, at)
        else f"{text[at]!r} cannot stand here"
    )
    return SyntaxFault(at, f"not valid JSON: {found}: expected {expect.value}")


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
