"""How long tests wait for what must come: longer than any machine takes, since nothing is said of how fast it is.

A test that waits ends as soon as what it waits for is there. Only one that fails waits to the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 120.0


def until(is_so: Callable[[], object], complaint: str | Callable[[], str], *, pause: float = 0.05) -> None:
    """Asks again and again, `pause` seconds apart, until it is so; AssertionError with the complaint if it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(complaint if isinstance(complaint, str) else complaint())
        time.sleep(pause)
