"""The one stream of events that YAML and JSON texts are turned into, so that one composer suits both."""

from __future__ import annotations

import enum
from typing import NamedTuple

from balancer.manifests.scalars import Scalar


class EventKind(enum.Enum):
    """END closes the innermost mapping or sequence."""

    DOCUMENT = enum.auto()
    DOCUMENT_END = enum.auto()
    MAPPING = enum.auto()
    SEQUENCE = enum.auto()
    END = enum.auto()
    SCALAR = enum.auto()
    ALIAS = enum.auto()


class Event(NamedTuple):
    """`at` is the offset in the file's text, -1 for a value that was left out.

    `value` is the resolved scalar, or the name of an alias. `fault` is a message about the value's
    tag. `merge` marks an unquoted ``<<`` key.
    """

    kind: EventKind
    at: int
    value: Scalar = None
    anchor: str | None = None
    fault: str = ""
    merge: bool = False
