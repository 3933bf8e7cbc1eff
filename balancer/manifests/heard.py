"""What is known of where files may have changed: the least that has to be looked at, as a value."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

MOST_FILES = 500
"""Where more are named, looking at everything is less work, and names are not collected any further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """`files` are real paths of single files that came, went or changed. `elsewhere`: so may others, which files there
    are included. `lost`: even a change that leaves size and times of a file as they were may have gone unheard.
    """

    files: frozenset[str] = frozenset()
    elsewhere: bool = False
    lost: bool = False

    def __bool__(self) -> bool:
        return bool(self.files) or self.elsewhere or self.lost

    def __or__(self, other: Heard) -> Heard:
        """Of both."""
        return joined((self, other))


NOTHING = Heard()
ELSEWHERE = Heard(elsewhere=True)
EVERYTHING = Heard(elsewhere=True, lost=True)


def joined(parts: Collection[Heard]) -> Heard:
    """All of it."""
    files = frozenset[str]().union(*(part.files for part in parts))
    lost = any(part.lost for part in parts) or len(files) > MOST_FILES
    if lost:
        return EVERYTHING
    return Heard(files=files, elsewhere=any(part.elsewhere for part in parts))
