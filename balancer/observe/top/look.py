"""How somebody looks at the rows: the options that top starts with, and that keys change."""

from __future__ import annotations

from dataclasses import dataclass

from balancer.traffic import Column

INTERVALS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""What + and - step through, in seconds."""
_COLUMNS = tuple(Column)


@dataclass
class Look:
    """`interval` in seconds; `words` must all be part of a row that is shown."""

    interval: float = 1.0
    column: Column = Column.RATE
    reverse: bool = False
    words: str = ""
    per_frontend: bool = False
    paused: bool = False

    def step_column(self, by: int) -> None:
        """The next column to the right (1) or left (-1), round and round; it starts in its own direction."""
        self.column = _COLUMNS[(_COLUMNS.index(self.column) + by) % len(_COLUMNS)]
        self.reverse = False

    def slower(self) -> None:
        self.interval = next((item for item in INTERVALS if item > self.interval), self.interval)

    def faster(self) -> None:
        self.interval = next((item for item in reversed(INTERVALS) if item < self.interval), self.interval)
