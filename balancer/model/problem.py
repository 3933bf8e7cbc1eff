"""What is wrong with the input, and exactly where.

A Problem is a value that every stage may produce and only `report` prints.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Origin:
    """Where an object starts. `line` and `column` count from 1; `document` and `item` count from 0.

    `item` is the index inside a List, or -1 for an object that is a document of its own.
    """

    file: str
    line: int
    column: int = 1
    document: int = 0
    item: int = -1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong. `path` is a JSON path inside the object, such as ``$.spec.ports[0].port``.

    `excerpt` is the offending line of the file as it stands (no newline), empty when unknown.
    `excerpt_column` is the column of its first character, more than 1 where a very long line is cut.
    `object` is "Kind namespace/name", or empty when the text could not be read that far.
    """

    origin: Origin
    message: str
    severity: Severity = Severity.ERROR
    object: str = ""
    path: str = "$"
    excerpt: str = ""
    excerpt_column: int = 1

    @property
    def order(self) -> tuple[Origin, str, str]:
        """By file, line and path."""
        return (self.origin, self.path, self.message)

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR
