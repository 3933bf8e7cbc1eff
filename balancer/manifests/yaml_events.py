"""YAML text to events, by ruamel.yaml's own scanner and parser.

Only the event level of ruamel.yaml is used: no constructor ever runs, so no tag can build an object.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.events import Event as RuamelEvent
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from balancer.manifests.events import Event, EventKind
from balancer.manifests.finding import SyntaxFault, too_deep
from balancer.manifests.scalars import TagFault, plain, short_tag, tagged
from balancer.manifests.source import SourceText

_LONGEST_REASON = 200
_MANY = 4
_SURROGATE = re.compile("[\ud800-\udfff]")
_COLLECTION_TAGS = ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_MARKERS: dict[type[RuamelEvent], EventKind] = {
    DocumentStartEvent: EventKind.DOCUMENT,
    DocumentEndEvent: EventKind.DOCUMENT_END,
    MappingEndEvent: EventKind.END,
    SequenceEndEvent: EventKind.END,
}
_COLLECTIONS: dict[type[RuamelEvent], EventKind] = {
    MappingStartEvent: EventKind.MAPPING,
    SequenceStartEvent: EventKind.SEQUENCE,
}

# Hostile text makes ruamel.yaml fail in ways of its own besides YAMLError: an escape that is no
# character gives OverflowError or UnicodeEncodeError, for one.
_RUAMEL_FAILURES = (
    YAMLError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
)


class _TooDeep(Exception):
    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at


class _Scanner(Scanner):
    """Looking ahead through open brackets takes ruamel.yaml the square of their number: stop it early."""

    def fetch_flow_collection_start(self, token: Any, to_push: str) -> None:
        if len(self.flow_context) >= _MANY * self.loader.max_depth:
            raise _TooDeep(self.reader.index)
        super().fetch_flow_collection_start(token, to_push)


_WORDING = (
    (
        "mapping values are not allowed",
        'a ":" cannot stand here: expected one "key: value" a line, indented like its neighbours',
    ),
    ("character '\\t' that cannot start", "a tab cannot indent YAML: expected spaces"),
    ("<block mapping start>", "does not line up with the lines before: expected the same indentation"),
    (
        "expected <block end>",
        "does not fit the lines before: expected the same indentation and the same kind of entry",
    ),
    ("expected the node content", "a value is missing before this: expected a value or a closing bracket"),
    ("did not find expected", "does not fit the lines before: expected the same indentation"),
)
# Of these the start of what went wrong says more than the place where it was noticed.
_WORDING_AT_START = (
    ("could not find expected ':'", 'this is no "key: value": expected a ":" after the key'),
    ("found unexpected end of stream", "this quoted string has no end: expected a closing quote"),
    ("expected ',' or ']'", 'this list is still open on line {line}: expected "," or "]" before that'),
    ("expected ',' or '}'", 'this mapping is still open on line {line}: expected "," or "}}" before that'),
)


def yaml_events(source: SourceText, start: int, end: int, max_depth: int) -> Iterator[Event]:
    """The events of one chunk, in order. Raises `SyntaxFault` where the text stops being YAML, and
    where brackets are nested far deeper than `max_depth`, which is the composer's to judge exactly.
    """
    reader = YAML(typ="safe", pure=True)
    reader.Scanner = _Scanner
    reader.max_depth = max_depth
    reached = start
    try:
        for event in reader.parse(source.text[start:end]):
            converted = _convert(event, start)
            if converted is not None:
                reached = max(reached, converted.at)
                yield converted
    except _TooDeep as error:
        raise SyntaxFault(start + error.at, too_deep(max_depth)) from error
    except _RUAMEL_FAILURES as error:
        raise _fault(error, source, start, end, reached) from error


def _convert(event: RuamelEvent, base: int) -> Event | None:
    at = base + event.start_mark.index
    if isinstance(event, ScalarEvent):
        return _scalar(event, at)
    if isinstance(event, AliasEvent):
        return Event(EventKind.ALIAS, at, value=event.anchor)
    if kind := _COLLECTIONS.get(type(event)):
        tag = _tag(event)
        fault = ""
        if tag and tag not in _COLLECTION_TAGS:
            fault = f"the tag {short_tag(tag)} is not supported: expected no tag"
        return Event(kind, at, anchor=getattr(event, "anchor", None), fault=fault)
    marker = _MARKERS.get(type(event))
    return Event(marker, at) if marker else None


def _scalar(event: ScalarEvent, at: int) -> Event:
    is_plain = event.style is None
    text = event.value if event.value.isascii() else _whole_characters(event.value, at)
    tag = _tag(event)
    fault = ""
    if tag:
        try:
            value = tagged(tag, text)
        except TagFault as error:
            value, fault = text, str(error)
    else:
        value = plain(text) if is_plain else text
    if isinstance(value, float) and not math.isfinite(value):
        fault = fault or f"{text[:20]} is no number that JSON has: expected a finite one"
    if is_plain and not text and not tag and event.start_mark.index == event.end_mark.index:
        at = -1
    return Event(EventKind.SCALAR, at, value, event.anchor, fault, merge=is_plain and text == "<<")


def _whole_characters(text: str, at: int) -> str:
    """JSON writes a character beyond U+FFFF as two escapes, which make one character only together."""
    if not _SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        message = "not valid YAML: an escape is half of a character: expected both halves of the pair"
        raise SyntaxFault(at, message) from error


def _tag(event: RuamelEvent) -> str:
    tag = getattr(event, "tag", None)
    return str(tag) if tag is not None else ""


def _fault(error: Exception, source: SourceText, start: int, end: int, reached: int) -> SyntaxFault:
    if isinstance(error, ReaderError):
        code = error.character if isinstance(error.character, int) else ord(error.character)
        message = f"the character U+{code:04X} is not allowed in YAML: expected printable text"
        return SyntaxFault(start + error.position, message)
    if not isinstance(error, MarkedYAMLError):
        return SyntaxFault(
            reached, "not valid YAML after this place: expected text that a YAML reader accepts"
        )
    return _marked(error, source, start, end, reached)


def _marked(error: MarkedYAMLError, source: SourceText, start: int, end: int, reached: int) -> SyntaxFault:
    problem = (error.problem or error.context or "cannot be read")[:_LONGEST_REASON]
    noticed = start + error.problem_mark.index if error.problem_mark else reached
    if noticed >= end:
        noticed = start + len(source.text[start:end].rstrip())
    for pattern, wording in _WORDING_AT_START:
        if pattern in problem and error.context_mark:
            line, _ = source.position(noticed)
            return SyntaxFault(
                start + error.context_mark.index, "not valid YAML: " + wording.format(line=line)
            )
    for pattern, wording in _WORDING:
        if pattern in problem:
            return SyntaxFault(noticed, f"not valid YAML: {wording}")
    doing = f" {error.context}" if error.context else ""
    return SyntaxFault(noticed, f"not valid YAML: {problem}{doing}")
