"""A value that is made when somebody asks, but not more often than it is worth.

Whoever may ask as often as they like, as the clients of a server may, must not take the time that passes need.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")
BUSY_SECONDS = 10.0


class Lately(Generic[Value]):
    """Calls `make` for the first who asks, and again for the first after `seconds`; never twice at a time.

    `version` says that whatever was made before it changed is worth nothing any more. While it is `busy` with
    what matters more, a value may be ten seconds old. What `make` raises is not kept.
    """

    def __init__(
        self,
        make: Callable[[], Value],
        *,
        seconds: float,
        clock: Callable[[], float],
        version: Callable[[], object] = lambda: None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._make = make
        self._seconds = seconds
        self._clock = clock
        self._version = version
        self._busy = busy
        self._lock = threading.Lock()
        self._made: tuple[float, object, Value] | None = None

    def __call__(self) -> Value:
        """The value, made not longer ago than said."""
        with self._lock:
            version = self._version()
            if self._made is not None:
                made, of_version, value = self._made
                seconds = max(self._seconds, BUSY_SECONDS) if self._busy() else self._seconds
                if of_version == version and self._clock() < made + seconds:
                    return value
            value = self._make()
            self._made = (self._clock(), version, value)
            return value
