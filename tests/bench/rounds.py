"""Rounds that are taken in turns, so that whatever else the machine does falls on everybody alike."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from .stand import Contender
from .tools import Aim

_SLICES = 5


@dataclass(slots=True, kw_only=True)
class Plan:
    """How much is measured. `seconds`: for one contender in one round. `quick` leaves the largest sizes out,
    `tiny` is only to see that everything works. `runs`: how often a program runs in one round.
    """

    rounds: int = 7
    seconds: float = 0.15
    quick: bool = False
    tiny: bool = False
    runs: int = 4000
    started: float = field(default_factory=time.monotonic)

    def tell(self, text: str) -> None:
        """Progress, with the time since the start, to stderr."""
        passed = int(time.monotonic() - self.started)
        print(f"[{passed // 60:2}:{passed % 60:02}] {text}", file=sys.stderr, flush=True)


def cost(contenders: Mapping[str, tuple[Contender, str, Aim]], plan: Plan) -> dict[str, list[float]]:
    """Microseconds for one operation of each contender in each round; an operation and its aim for each.

    A round is cut into slices, and in each slice every contender has its turn, in an order of chance. What
    counts is the operation in the middle of a slice, and the slice in the middle of a round: others use
    the processors too.
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for contender, operation, aim in contenders.values():  # warm up, and find what does not work
        contender.traffic.run(operation, aim, seconds=5, count=min(2000, 20 * aim.spread))
    for _ in range(plan.rounds):
        slices: dict[str, list[int]] = {name: [] for name in contenders}
        for _ in range(_SLICES):
            for name in random.sample(list(contenders), len(contenders)):
                contender, operation, aim = contenders[name]
                _, nanoseconds = contender.traffic.run(operation, aim, seconds=plan.seconds / _SLICES)
                slices[name].append(nanoseconds)
        for name, each in slices.items():
            found[name].append(statistics.median(each) / 1000)
    return found
