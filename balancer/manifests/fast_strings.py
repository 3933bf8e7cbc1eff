"""Strings of block YAML that a recogniser accepted, as JSON. What they look like was judged before."""

from __future__ import annotations

from dataclasses import dataclass
from json.encoder import encode_basestring


def unquoted(text: str) -> str:
    """JSON of a text in single quotes. Text in double quotes is JSON as it is."""
    if "\n" in text:
        text = _folded(text)
    return encode_basestring(text[1:-1].replace("''", "'"))


def _folded(text: str) -> str:
    """Lines of quoted text: a line break is a space, several are one less, spaces around them are nothing.

    The last line has the closing quote, and is never empty.
    """
    first, *between, last = text.split("\n")
    parts = [first.rstrip(" ")]
    breaks = 0
    for line in (*(line.strip(" ") for line in between), last.lstrip(" ")):
        breaks += 1
        if line:
            parts.append("\n" * (breaks - 1) or " ")
            parts.append(line)
            breaks = 0
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Block:
    """A literal block indented by so many columns, of which the first line has lost its indentation."""

    indent: int
    keep_end: bool

    def text(self, text: str) -> str:
        """JSON of the block's text."""
        first, *others = text.rstrip("\n").split("\n")
        lines = [first, *(line[self.indent :] for line in others)]
        return encode_basestring("\n".join(lines) + ("\n" if self.keep_end else ""))
