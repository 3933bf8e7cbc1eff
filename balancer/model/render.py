"""A Problem as the three lines that a person reads: place and message, the line, a caret.

Pure text without colour. Files are not to be trusted: whatever a terminal would obey, rather than
show, is made visible.
"""

from __future__ import annotations

import unicodedata

from balancer.model.problem import Problem

_UNSEEN = "\ufffd"


def render_problem(problem: Problem) -> str:
    """``file:line:column: severity: object: $.path: message``, the excerpt and a caret under the column.

    No trailing newline. The place is left out where there is none, the object where it is unknown, the path
    where it says nothing, and the two lower lines where there is no excerpt.
    """
    origin = problem.origin
    place = [f"{origin.file}:{origin.line}:{origin.column}"] if origin.file else []
    parts = [*place, problem.severity.value]
    if problem.object:
        parts.append(problem.object)
    if problem.object or problem.path != "$":
        parts.append(problem.path)
    first = _visible(": ".join([*parts, problem.message]))
    if not problem.excerpt:
        return first
    excerpt = "".join(char if char == "\t" or char.isprintable() else _UNSEEN for char in problem.excerpt)
    before = excerpt[: max(origin.column - problem.excerpt_column, 0)]
    return f"{first}\n{excerpt}\n{_blank(before)}^"


def _visible(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _blank(text: str) -> str:
    """White space as wide as the text: tabs stay tabs, wide characters take two columns."""
    return "".join("\t" if char == "\t" else " " * _width(char) for char in text)


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
