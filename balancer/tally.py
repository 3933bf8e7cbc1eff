"""Totals over every pass: how many converged or failed, and how long each stage took.

They are kept in the state file, so that they survive the process; nothing here reads a file or a clock.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

Number = TypeVar("Number", int, float)


class Stage(enum.StrEnum):
    """What a pass does one after the other: READ the files, COMPUTE what they ask for, INSPECT the live maps
    and plan, LOAD and attach programs, WRITE the maps, VERIFY them, and end stale SOCKETS.
    """

    READ = "read"
    COMPUTE = "compute"
    INSPECT = "inspect"
    LOAD = "load"
    WRITE = "write"
    VERIFY = "verify"
    SOCKETS = "sockets"


class Ending(enum.StrEnum):
    """How a pass ended: the kernel does what the files ask for, or an error ended the pass."""

    CONVERGED = "converged"
    FAILED = "failed"


class Converged(Protocol):
    """What counts of a pass that converged: `seconds` of the kernel's part, those of each stage, and sockets ended."""

    @property
    def seconds(self) -> float: ...

    @property
    def stages(self) -> Mapping[str, float]: ...

    @property
    def sockets_ended(self) -> int: ...


class Stopwatch:
    """Adds up how long each stage of one pass takes, in the seconds of `clock`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """The block is a part of this stage; one that raises counts for nothing."""
        started = self._clock()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - started


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Totals over all passes since the state file is kept. `passes` are by ending. Of those that converged,
    `seconds` and `counts` are by stage, and `pass_seconds` is for whole passes, waiting for the lock
    included. `sockets_ended` are sockets that were closed because their backend had gone.
    """

    passes: Mapping[str, int] = field(default_factory=dict)
    pass_seconds: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    sockets_ended: int = 0
    last_success: datetime | None = None

    def failed(self) -> Tally:
        """With one more pass that failed."""
        return replace(self, passes=_added(self.passes, {Ending.FAILED: 1}))

    def converged(self, result: Converged, time: datetime) -> Tally:
        """With one more pass, which converged at `time`."""
        before_the_kernel = sum(result.stages.get(stage, 0.0) for stage in (Stage.READ, Stage.COMPUTE))
        return Tally(
            passes=_added(self.passes, {Ending.CONVERGED: 1}),
            pass_seconds=self.pass_seconds + before_the_kernel + result.seconds,
            seconds=_added(self.seconds, result.stages),
            counts=_added(self.counts, dict.fromkeys(result.stages, 1)),
            sockets_ended=self.sockets_ended + result.sockets_ended,
            last_success=time,
        )


def _added(one: Mapping[str, Number], other: Mapping[str, Number]) -> dict[str, Number]:
    found = {str(name): value for name, value in one.items()}
    for name, value in other.items():
        found[str(name)] = found[str(name)] + value if str(name) in found else value
    return found
