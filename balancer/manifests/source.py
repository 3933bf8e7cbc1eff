"""The text of one file, with offsets turned into lines and columns only when somebody asks.

Lines and columns count from 1, columns in characters. A line ends at LF, CRLF or CR, as editors
count them. Never looks inside the text for meaning.
"""

from __future__ import annotations

import bisect
import itertools
import re
from dataclasses import dataclass
from functools import cached_property

from balancer.manifests.finding import SyntaxFault

_LINE_END = re.compile(r"\r\n|\n|\r")
_WIDE_LINE = 400
_WINDOW = 100
_STRETCH = 512  # characters
_BOM = "\ufeff"


@dataclass(frozen=True)
class SourceText:
    """`text` has no byte order mark. Offsets are indexes into it."""

    path: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_END.finditer(self.text))]

    @cached_property
    def _lines_before(self) -> list[int] | None:
        """How many lines end before each stretch of the text; None where lines end in other ways too."""
        if "\r" in self.text:
            return None
        counts = (self.text.count("\n", at, at + _STRETCH) for at in range(0, len(self.text), _STRETCH))
        return [0, *itertools.accumulate(counts)]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset; one past the end is allowed.

        Without a list of all lines, which of a large file takes more memory than its text.
        """
        offset = min(max(offset, 0), len(self.text))
        if offset <= _STRETCH and "\r" not in (before := self.text[:offset]):
            return before.count("\n") + 1, offset - before.rfind("\n")
        if self._lines_before is not None:
            stretch = offset // _STRETCH
            line = self._lines_before[stretch] + self.text.count("\n", stretch * _STRETCH, offset) + 1
            return line, offset - self.text.rfind("\n", 0, offset)
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """The inverse of `position`; a line past the end gives the end."""
        if line > len(self._starts):
            return len(self.text)
        return min(self._starts[line - 1] + column - 1, len(self.text))

    def excerpt(self, offset: int) -> tuple[str, int]:
        """The line around an offset and the column of its first character.

        That column is 1 except for a very long line, such as JSON without line breaks, of which only
        the neighbourhood is given.
        """
        line, column = self.position(offset)
        start = self._starts[line - 1]
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        if end - start <= _WIDE_LINE:
            return self.text[start:end].rstrip("\r\n"), 1
        first = max(0, column - 1 - _WINDOW)
        return self.text[start + first : min(end, start + column + _WINDOW)].rstrip("\r\n"), first + 1


def decode(path: str, raw: bytes) -> SourceText:
    """UTF-8 with or without a byte order mark; `SyntaxFault` at the offset of the first bad byte.

    The fault's offset counts in the text that `decode_leniently` gives.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SyntaxFault(0, "the file is UTF-16 text: expected UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = len(raw[: error.start].decode("utf-8").removeprefix(_BOM))
        raise SyntaxFault(
            before, f"byte 0x{raw[error.start]:02x} is not valid UTF-8: expected UTF-8 text"
        ) from error
    text = text.removeprefix(_BOM)
    nul = text.find("\0")
    if nul >= 0:
        raise SyntaxFault(nul, "a NUL byte is not text: expected YAML or JSON")
    return SourceText(path, text)


def decode_leniently(path: str, raw: bytes) -> SourceText:
    """The text for showing a line of it, with every undecodable byte replaced."""
    return SourceText(path, raw.decode("utf-8", errors="replace").removeprefix(_BOM))
