"""What tests of noticing changes share: a bell to be woken by, a clock that a test moves."""

from __future__ import annotations

import threading
import time
from pathlib import Path

PATIENCE_SECONDS = 10.0
QUIET_SECONDS = 0.15


class Bell:
    """Counts wake-ups; `rung()` waits for one, `silent()` tells that none comes."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.set()

    def rung(self) -> bool:
        found = self._event.wait(PATIENCE_SECONDS)
        self.settle()
        return found

    def settle(self) -> None:
        """Let late events of what was done so far pass."""
        time.sleep(QUIET_SECONDS)
        self._event.clear()

    def heard(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    def silent(self) -> bool:
        return not self.heard(QUIET_SECONDS)


class Ticker:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def swap(link: Path, target: Path) -> None:
    """Point a symbolic link elsewhere in one step, as git-sync and ConfigMap mounts do."""
    new = link.with_name(link.name + ".new")
    new.symlink_to(target)
    new.rename(link)
