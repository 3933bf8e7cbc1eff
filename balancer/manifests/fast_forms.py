"""Frames of block YAML to forms: JSON text with gaps, made once for all objects of the same frame.

A frame is judged by the rules of block YAML: what stands in which column, every key once, no key that is
no string. One that breaks a rule, or is merely unusual, has no form, and its text goes to the reference
reader. Never sees a value, and never says that a text is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from balancer.manifests.fast_lines import find_lines
from balancer.manifests.fast_repeats import Repeat, make_repeat
from balancer.manifests.fast_strings import Block, unquoted
from balancer.manifests.scalars import plain

_FRAME = re.compile(r"( *)(- )?(?:(.*):|-)( (?:\{\}|\[\])|)(\n| \|-?\n *| |)\Z")
_MOST_KEPT = 1 << 23  # characters of frames; forms take about twice as much again
_LONGEST_KEPT = 1 << 17
# To make an expression takes as long as about 100 texts do line by line; it has about 1 kB for each line. One
# form may get another one each time as many more of its texts did not match those it has.
_OFTEN = 100
_MOST_REPEATS = 200
_MOST_ALIKE = 4


@dataclass(slots=True, kw_only=True)
class Form:
    """`json` has one `%s` for each value. `length` counts the characters of the text but not the values',
    `size` the keys and values, `height` the levels of nesting. `quoted` are the values that may stand in
    single quotes, and `blocks` those that are literal blocks: neither is JSON yet. `entries` counts those of
    the outermost mapping or list. `uses` counts the texts that had the form when taken apart line by line.
    """

    json: str
    length: int
    size: int
    height: int
    entries: int
    quoted: Sequence[int]
    blocks: Sequence[tuple[int, Block]]
    uses: int = 0


def as_json(text: str) -> tuple[str, Form] | None:
    """Lines of block YAML, the last one ended, as JSON of the same data, or None."""
    number = text.count("\n")
    for repeat, form in _kept.repeats.get(number, ()):
        found = repeat.as_json(text)
        if found is not None:
            return found, form
    return _line_by_line(text, number)


def _line_by_line(text: str, number: int) -> tuple[str, Form] | None:
    lines = find_lines(text)
    if not lines:
        return None
    frames, _, values = zip(*lines, strict=True)
    form = _form_of(frames)
    given = list(filter(None, values))
    if form is None or form.length + sum(map(len, given)) != len(text):
        return None
    form.uses += 1
    if form.uses % _OFTEN == 0:
        _kept.repeat(number, form, frames, values)
    for index in form.quoted:
        if given[index][0] == "'":
            given[index] = unquoted(given[index])
    for index, block in form.blocks:
        given[index] = block.text(given[index])
    return form.json % tuple(given), form


def _form_of(frames: Sequence[str]) -> Form | None:
    key = "\0".join(frames)
    if key in _kept.forms:
        return _kept.forms[key]
    form = _make(frames)
    if len(key) <= _LONGEST_KEPT:
        _kept.add(key, form)
    return form


@dataclass(slots=True)
class _Kept:
    """Forms by their frames, and expressions for frequent ones by their number of lines. All are forgotten
    where there are too many.
    """

    forms: dict[str, Form | None] = field(default_factory=dict)
    size: int = 0
    repeats: dict[int, list[tuple[Repeat, Form]]] = field(default_factory=dict)
    made: int = 0

    def add(self, key: str, form: Form | None) -> None:
        if self.size + len(key) > _MOST_KEPT:
            self.forms.clear()
            self.repeats.clear()
            self.size = self.made = 0
        self.forms[key] = form
        self.size += len(key)

    def repeat(self, lines: int, form: Form, frames: Sequence[str], values: Sequence[str]) -> None:
        alike = self.repeats.setdefault(lines, [])
        if len(alike) < _MOST_ALIKE and self.made < _MOST_REPEATS:
            found = make_repeat(frames, values, form.json)
            if found is not None:
                alike.append((found, form))
                self.made += 1


_kept = _Kept()


def _make(frames: Sequence[str]) -> Form | None:
    builder = _Builder()
    try:
        for frame in frames:
            builder.line(frame)
        builder.end()
    except _Unusual:
        return None
    return Form(
        json="".join(builder.json),
        length=builder.length,
        size=builder.size,
        height=builder.height,
        entries=builder.entries,
        quoted=tuple(builder.quoted),
        blocks=tuple(builder.blocks),
    )


class _Unusual(Exception):
    """For the reference reader to judge."""


@dataclass(slots=True)
class _Open:
    """A mapping or list whose entries stand in this column. `keys` is None for a list."""

    column: int
    keys: set[str] | None
    filled: bool = False


@dataclass(slots=True)
class _Builder:
    """`awaiting` says that a key was read whose value, if any, is on the next lines."""

    json: list[str] = field(default_factory=list)
    length: int = 0
    size: int = 0
    height: int = 0
    entries: int = 0
    quoted: list[int] = field(default_factory=list)
    blocks: list[tuple[int, Block]] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    gaps: int = 0
    awaiting: bool = False

    def line(self, frame: str) -> None:
        match = _FRAME.match(frame)
        if match is None:
            raise _Unusual
        indent, dash, key, empty, kind = match.groups()
        column = len(indent)
        self.length += len(frame)
        if dash or key is None:
            self._item(column)
            column += 2
        if key is not None:
            self._key(column, key, opens=bool(dash))
        elif kind == "\n" and not empty:
            raise _Unusual
        self._value(column if key is not None else column - 2, empty.strip(), kind)

    def end(self) -> None:
        self._settle()
        while self.stack:
            self._close()

    def _item(self, column: int) -> None:
        if self.awaiting and column >= self.stack[-1].column:
            self._open(column, is_list=True)
        else:
            self._back_to(column)
        if not self.json:
            self._open(column, is_list=True)
        top = self.stack[-1] if self.stack else None
        if top is None or top.keys is not None or top.column != column:
            raise _Unusual
        self._separate(top)

    def _key(self, column: int, key: str, *, opens: bool) -> None:
        if opens or not self.json or (self.awaiting and column > self.stack[-1].column):
            self._open(column, is_list=False)
        else:
            self._back_to(column)
            while self.stack and self.stack[-1].keys is None and self.stack[-1].column >= column:
                self._close()
        top = self.stack[-1] if self.stack else None
        if top is None or top.keys is None or top.column != column:
            raise _Unusual
        if key in top.keys or not isinstance(plain(key), str):
            raise _Unusual
        top.keys.add(key)
        self._separate(top)
        self.json.append(json.dumps(key).replace("%", "%%") + ":")
        self.size += 1

    def _value(self, column: int, empty: str, kind: str) -> None:
        self.awaiting = kind == "\n" and not empty
        if self.awaiting:
            return
        self.size += 1
        if empty:
            self.json.append(empty)
            self.height = max(self.height, len(self.stack) + 1)
            return
        if kind.startswith(" |"):
            head, _, content = kind.partition("\n")
            if len(content) <= column:
                raise _Unusual
            self.blocks.append((self.gaps, Block(len(content), keep_end=head == " |")))
        elif kind == " ":
            self.length += 1
            self.quoted.append(self.gaps)
        else:
            self.length += 2
        self.json.append("%s" if kind else '"%s"')
        self.gaps += 1

    def _open(self, column: int, *, is_list: bool) -> None:
        self.awaiting = False
        self.stack.append(_Open(column, None if is_list else set()))
        self.json.append("[" if is_list else "{")
        self.size += 1
        self.height = max(self.height, len(self.stack))

    def _close(self) -> None:
        self.json.append("]" if self.stack.pop().keys is None else "}")

    def _settle(self) -> None:
        """A key without a value has the value null."""
        if self.awaiting:
            self.json.append("null")
            self.size += 1
            self.awaiting = False

    def _back_to(self, column: int) -> None:
        self._settle()
        while self.stack and self.stack[-1].column > column:
            self._close()

    def _separate(self, top: _Open) -> None:
        if top.filled:
            self.json.append(",")
        top.filled = True
        self.entries += len(self.stack) == 1
