"""A YAML file cut at its ``---`` lines, so that one broken document does not hide the others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from balancer.manifests.source import SourceText

_BOUNDARY = re.compile(r"(?:^|(?<=\r))---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_PROLOGUE = re.compile(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n?|\n)|%[^\r\n]*(?:\r\n?|\n))*\Z")
_DIRECTIVE = re.compile(r"(?:^|(?<=\r))%", re.MULTILINE)


def chunks(source: SourceText) -> Iterator[tuple[int, int]]:
    """Start and end offsets of the parts of a file that ``---`` lines separate.

    YAML allows no line that starts with ``---`` inside any scalar, so that cutting there is exact.
    Directives stay with the document that they belong to.
    """
    start = 0
    if "---" not in source.text:
        yield start, len(source.text)
        return
    for match in _BOUNDARY.finditer(source.text):
        if match.start() == start:
            continue
        if _DIRECTIVE.search(source.text, start, match.start()) and _PROLOGUE.match(
            source.text[start : match.start()]
        ):
            continue
        yield start, match.start()
        start = match.start()
    yield start, len(source.text)
