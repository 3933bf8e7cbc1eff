"""Texts of one frame that come again and again: one expression for a whole object instead of one for each line.

It is made of a text that was already understood line by line, and matches nothing but texts that would be
understood in the same way: every frame as it stood there, and values of kinds that are no wider. What it does
not match is taken apart line by line as ever, so that nothing but time depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from balancer.manifests.fast_lines import BARE, MORE, NUMBER, WORD
from balancer.manifests.fast_strings import Block, unquoted

_MOST_LINES = 2_000
_Convert = Callable[[str], str]
# All of these are for ASCII alone. Strings in quotes: without what JSON writes in another way, and others.
_SIMPLE = r"[ !#-&(-\[\]-~]*+"
_SINGLE = r"'[ -&(-~]*+(?>(?:(?:''|\n+(?= ))[ -&(-~]*+)*)'"
_DOUBLE = r'"[ !#-\[\]-~]*+(?>(?:\\(?:["\\bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})[ !#-\[\]-~]*+)*)"'
_CONTENT = r"[ -~]*+(?<! )\n"
# Strings without quotes: some that are no number or word for certain, any without a colon or space, any.
_CERTAIN = (
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[-0-9a-f]++"),
    re.compile(r"[0-9]++\.[0-9]++\.[0-9]++\.[0-9]++"),
)
_SHORT = rf"[a-eg-mp-su-xzA-EG-MP-SU-XZ/_$][{MORE}_]*+|(?!{WORD}\n)[fnotyFNOTY][{MORE}_]*+|(?!{NUMBER}\n)[0-9][{MORE}]*+"
_LONG = rf"(?:{_SHORT})(?>(?:(?::{{1,2}}| (?![#:]))[{MORE}]++)*)"


class _Gap(NamedTuple):
    """What stands in place of a value: an expression with one group, and what that is in JSON, after `convert`."""

    expression: str
    json: str = '"%s"'
    convert: _Convert | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """`json` has one ``%s`` for each group. `odd` are the groups that are to be converted first."""

    expression: re.Pattern[str]
    json: str
    odd: Sequence[tuple[int, _Convert]]

    def as_json(self, text: str) -> str | None:
        """The text as JSON, None where it is not of this kind."""
        match = self.expression.fullmatch(text)
        if match is None:
            return None
        if not self.odd:
            return self.json % match.groups()
        values = list(match.groups())
        for index, convert in self.odd:
            values[index] = convert(values[index])
        return self.json % tuple(values)


def make_repeat(frames: Sequence[str], values: Sequence[str], json: str) -> Repeat | None:
    """For texts like the one with these frames and values, of which `json` is the form; None for a very long one.

    `values` has one for each frame, "" where it has none.
    """
    if len(frames) > _MOST_LINES or "%%" in json:
        return None
    parts: list[str] = []
    gaps: list[_Gap] = []
    for frame, value in zip(frames, values, strict=True):
        parts.append(re.escape(frame))
        if not value:
            continue
        head, _, indent = frame.partition("\n")
        if indent:
            gap = _block(indent, keep_end=not head.endswith("-"))
        elif frame.endswith(" "):
            gap = _word_or_quoted(value)
        else:
            gap = _plain(value)
            parts.append(" ")
        parts.append(gap.expression if indent else f"{gap.expression}\n")
        gaps.append(gap)
    return Repeat(
        expression=re.compile("".join(parts)),
        json=json.replace('"%s"', "%s") % tuple(gap.json for gap in gaps),
        odd=[(index, gap.convert) for index, gap in enumerate(gaps) if gap.convert],
    )


def _block(indent: str, *, keep_end: bool) -> _Gap:
    convert = Block(len(indent), keep_end=keep_end).text
    return _Gap(f"((?![ \n]){_CONTENT}(?>(?:{indent}{_CONTENT}|\n)*))", "%s", convert)


def _word_or_quoted(value: str) -> _Gap:
    """A number, true, false or null, or a string; one that looks like what it means where this one does."""
    quote = value[0]
    if quote not in "'\"":
        return _Gap(f"({BARE})", "%s")
    if re.fullmatch(_SIMPLE, value[1:-1]):
        return _Gap(f"{quote}({_SIMPLE}){quote}")
    return _Gap(f"({_SINGLE})", "%s", unquoted) if quote == "'" else _Gap(f"({_DOUBLE})", "%s")


def _plain(value: str) -> _Gap:
    """A string without quotes, of a kind no wider than it takes for this one."""
    for certain in _CERTAIN:
        if certain.fullmatch(value):
            return _Gap(f"({certain.pattern})")
    return _Gap(f"({_LONG if ':' in value or ' ' in value else _SHORT})")
