"""Collects the reported choices of backends in a thread of its own, while one service is looked into."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from balancer.config import Settings
from balancer.errors import BalancerError
from balancer.kernel.pins import Pins
from balancer.kernel.reasons import FORWARDING
from balancer.kernel.ring import RENEW_SECONDS, EventLevel, Listener, RawEvent
from balancer.observe.top.shares import Choice
from balancer.plan.entries import backend_parts
from balancer.report.plans import endpoint_text

_LOOK_SECONDS = 0.05
_RETRY_SECONDS = 1.0


class Listening(Protocol):
    """What is needed of a `Listener`."""

    @property
    def lost(self) -> int: ...

    def drain(self) -> list[RawEvent]: ...

    def renew(self) -> None: ...


Opener = Callable[[], AbstractContextManager[Listening]]


def opener(settings: Settings) -> Opener:
    """Listens to every decision of one instance."""
    return lambda: Listener(Pins(settings.bpffs), EventLevel.ALL)


class Tap:
    """Listens from `open` to `close`, again and again where there is nothing to listen to. `lost` counts reports
    of any service; `note` says why nothing is reported, "" where something is.
    """

    def __init__(self, opened: Opener) -> None:
        self._open = opened
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._choices: list[Choice] = []
        self._thread = threading.Thread(target=self._run, name="choices", daemon=True)
        self.lost = 0
        self.note = ""

    def open(self) -> None:
        """Begins to listen, once there is something to listen to."""
        self._thread.start()

    def close(self) -> None:
        """Ends listening, which may be done more than once; the switch is off when this returns."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def take(self) -> list[Choice]:
        """The choices since the last call."""
        with self._lock:
            found, self._choices = self._choices, []
        return found

    def _run(self) -> None:
        while not self._done.is_set():
            try:
                self._listen()
            except (BalancerError, OSError) as error:
                self.note = str(error)
                self._done.wait(_RETRY_SECONDS)

    def _listen(self) -> None:
        before = self.lost
        with self._open() as listener:
            self.note = ""
            renewed = time.monotonic()
            while not self._done.wait(_LOOK_SECONDS):
                events = listener.drain()
                with self._lock:
                    self._choices.extend(choice_of(event) for event in events if event.reason in FORWARDING)
                self.lost = before + listener.lost
                if time.monotonic() - renewed >= RENEW_SECONDS:
                    renewed = time.monotonic()
                    listener.renew()


def choice_of(event: RawEvent) -> Choice:
    """An event that has a backend, as a choice."""
    return Choice(event.time / 1e9, event.counter, endpoint_text(*backend_parts(event.chosen)))
