"""What a signal asks of the agent."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from balancer.manifests.watch import Wake

if TYPE_CHECKING:
    from balancer.manifests.watch import Inbox


@contextmanager
def signals(inbox: Inbox) -> Iterator[None]:
    """SIGTERM and SIGINT stop the loop, SIGHUP makes it look again. Only for the main thread."""
    meaning = {signal.SIGTERM: Wake.STOP, signal.SIGINT: Wake.STOP, signal.SIGHUP: Wake.RELOAD}

    def handle(number: int, _frame: FrameType | None) -> None:
        inbox.put(meaning[signal.Signals(number)])

    before = {number: signal.signal(number, handle) for number in meaning}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
