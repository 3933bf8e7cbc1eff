"""How the choices for one service were spread over its backends, from what the programs reported. Pure.

A report is one choice of a backend. The kernel counts choices per frontend, and not per backend; the
reports tell the backend, but some may be lost. Both are shown: observed N of M choices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from balancer.observe.rates import grown
from balancer.traffic import Counts, Reading, Tracked


class Choice(NamedTuple):
    """`at` in seconds of CLOCK_MONOTONIC, `counter` the frontend's entry in the counters map, `backend`
    "address:port".
    """

    at: float
    counter: int
    backend: str


@dataclass
class Shares:
    """Counts from the first reading after the reports began. `made` are the choices that the kernel counted,
    `observed` those reported, by backend.
    """

    made: int = 0
    observed: Counter[str] = field(default_factory=Counter)
    _since: float | None = None
    _counts: dict[str, Counts] = field(default_factory=dict)
    _waiting: list[Choice] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.observed.total()

    def add(self, choices: Iterable[Choice]) -> None:
        """Choices of any frontend; they count at the next reading."""
        self._waiting.extend(choices)

    def settle(self, reading: Reading, frontends: Iterable[Tracked]) -> None:
        """Counts what happened to these frontends up to a reading."""
        shown = tuple(frontends)
        numbers = {item.counter for item in shown}
        if self._since is None:
            self._since = reading.at
        else:
            for item in shown:
                growth = grown(self._counts.get(item.name), item.counts)
                self.made += growth.forwarded - growth.kept
        self._counts = {item.name: item.counts for item in shown}
        for choice in self._waiting:
            if self._since < choice.at <= reading.at and choice.counter in numbers:
                self.observed[choice.backend] += 1
        self._waiting = [choice for choice in self._waiting if choice.at > reading.at]
