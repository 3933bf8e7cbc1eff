"""One thing done in a thread beside another; one of both should leave Python's lock alone most of the time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


_TURN, _USUAL_TURN = 0.0002, sys.getswitchinterval()  # seconds


def beside(work: Callable[[], T]) -> Future[T]:
    """Begins the work at once. The interpreter waits for it before it ends, whether anybody asks for the result."""
    from concurrent.futures import ThreadPoolExecutor  # commands that load nothing need not import it

    # Who comes back from the kernel waits a turn for Python's lock, each time, and that is 5 ms by default.
    sys.setswitchinterval(_TURN)
    executor = ThreadPoolExecutor(max_workers=1)
    begun = executor.submit(work)
    begun.add_done_callback(lambda _: sys.setswitchinterval(_USUAL_TURN))
    executor.shutdown(wait=False)  # nothing else is asked of it
    return begun
