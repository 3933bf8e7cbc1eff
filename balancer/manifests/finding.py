"""A fault inside one document, before it is known which line that is."""

from __future__ import annotations

from dataclasses import dataclass

from balancer.manifests.paths import JsonPath
from balancer.model.problem import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`at` is an offset in the text where the reader knows it; otherwise `path` says where.

    `on_key` points at the key of the path rather than its value. `message` says what is wrong and,
    after a colon, what was expected.
    """

    path: JsonPath
    message: str
    severity: Severity = Severity.ERROR
    at: int | None = None
    on_key: bool = False

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


class SyntaxFault(Exception):
    """The text stops being YAML or JSON at offset `at`. Never leaves the reader."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


def too_deep(most: int) -> str:
    """The message for nesting past the limit, whoever notices it first."""
    return f"is nested too deeply: expected at most {most} levels"
