"""A listener that goes on listening while whoever reads the output keeps it waiting.

The switch of the ring runs out unless it is renewed. If it ran out, decisions would be neither shown nor counted
as lost, so a thread of its own renews it: then the ring overflows instead, and the kernel counts. Only a
process that is stopped as a whole hears nothing, and then it says for how long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from balancer.errors import BalancerError
from balancer.kernel.ring import RENEW_SECONDS, RawEvent

SWITCH_SECONDS = 3.0
"""How long the switch stays on after it was renewed."""


class Renewable(Protocol):
    """The part of a `Listener` that is used here."""

    @property
    def lost(self) -> int: ...

    def drain(self) -> Sequence[RawEvent]: ...

    def renew(self) -> None: ...


class KeptOn:
    """A listener with its switch kept on, as a context manager; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        listener: Renewable,
        *,
        every: float = RENEW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._every = every
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._failure: BalancerError | OSError | None = None
        self._renewed = clock()
        self._thread = threading.Thread(target=self._keep, name="renew", daemon=True)
        self.unheard = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def lost(self) -> int:
        """Decisions that the ring had no room for, or that were written over."""
        with self._lock:
            return self._listener.lost

    def drain(self) -> Sequence[RawEvent]:
        """What there is by now. Raises what the last renewal raised, NotLoaded when nothing is live any more."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            return self._listener.drain()

    def renew(self) -> None:
        """Once, by the thread. `unheard` grows by the seconds for which the switch was off."""
        with self._lock:
            try:
                self._listener.renew()
            except (BalancerError, OSError) as error:
                self._failure = error
                return
            now = self._clock()
            self.unheard += max(0.0, now - self._renewed - SWITCH_SECONDS)
            self._renewed = now

    def _keep(self) -> None:
        while not self._ended.wait(self._every) and self._failure is None:
            self.renew()
