"""Findings to problems: the place in the file, the excerpt and the object's name are added here."""

from __future__ import annotations

from balancer.manifests.document import Document
from balancer.manifests.finding import Finding, SyntaxFault
from balancer.manifests.paths import JsonPath, format_path
from balancer.manifests.source import SourceText
from balancer.model.problem import Origin, Problem, Severity

_LONGEST_PATH = 2000
_LONGEST_MESSAGE = 600


def place(
    finding: Finding,
    *,
    source: SourceText,
    document: Document,
    index: int,
    item: int = -1,
    base: JsonPath = (),
    name: str = "",
) -> Problem:
    """The problem of a finding whose path starts at `base`, inside document number `index`."""
    offset = finding.at
    if offset is None:
        offset = document.offset((*base, *finding.path), on_key=finding.on_key)
    line, column = source.position(offset)
    excerpt, first = source.excerpt(offset)
    return Problem(
        origin=Origin(file=source.path, line=line, column=column, document=index, item=item),
        message=_cut(finding.message, _LONGEST_MESSAGE),
        severity=finding.severity,
        object=name,
        path=_cut(format_path(finding.path), _LONGEST_PATH),
        excerpt=excerpt,
        excerpt_column=first,
    )


def whole_file(path: str, message: str, severity: Severity = Severity.ERROR) -> Problem:
    """A problem of a file or directory as a whole; it has no line to show."""
    return Problem(origin=Origin(file=path, line=1), message=message, severity=severity)


def in_text(source: SourceText, fault: SyntaxFault) -> Problem:
    """A problem of a text that cannot be taken apart into documents."""
    line, column = source.position(fault.at)
    excerpt, first = source.excerpt(fault.at)
    origin = Origin(file=source.path, line=line, column=column)
    return Problem(origin=origin, message=fault.message, excerpt=excerpt, excerpt_column=first)


def _cut(text: str, longest: int) -> str:
    """What a hostile file makes long is cut, so that thousands of problems stay printable."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
