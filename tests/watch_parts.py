"""What tests of noticing changes share: a bell to be woken by, a clock that a test moves."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

from harness.patience import PATIENCE_SECONDS, until

from balancer.manifests.heard import Heard
from balancer.manifests.inotify import Event, flags
from balancer.manifests.listing import Listing
from balancer.manifests.notices import Notices
from balancer.manifests.watch import Watcher

QUIET_SECONDS = 0.15  # longer than a watcher's own
LISTINGS = 3  # one that sees the last change, one that sees none, and one more that may have begun before


class Rounds:
    """What the sources of a watcher have been through: how often they began to wait, and which marks they saw. `place`
    is where the marks are made; nothing that a test watches may be there.
    """

    def __init__(self, place: Path) -> None:
        self.begun = 0
        self._place = place
        self._numbers = itertools.count()
        self._watches: dict[Notices, int] = {}
        self._seen: set[str] = set()

    def install(self, monkeypatch) -> None:
        """Has every source counted until the end of the test."""
        take = Notices._take

        def took(source: Notices, event: Event) -> Heard:
            if self._watches.get(source) == event.wd:
                self._seen.add(event.name)
            return take(source, event)

        monkeypatch.setattr(Notices, "_take", took)
        for kind in (Notices, Listing):
            monkeypatch.setattr(kind, "wait", self._counted(kind.wait))

    def _counted(self, wait):
        def waited(source) -> Heard:
            self.begun += 1
            return wait(source)

        return waited

    def pass_by(self, watcher: Watcher) -> None:
        """Until the watcher has dealt with all that was done before. The kernel tells of it in order, so it has when
        it has seen a mark that was made after it; and whom it woke, it woke before it waits again.
        """
        source = watcher._source
        if isinstance(source, Notices):
            self._see_a_mark(source)
            self._go_round(1)
        else:
            self._go_round(LISTINGS + 1)

    def _see_a_mark(self, source: Notices) -> None:
        if source not in self._watches:
            self._watches[source] = source._inotify.add_watch(str(self._place), flags.CREATE)
        mark = self._place / str(next(self._numbers))
        mark.touch()
        until(lambda: mark.name in self._seen, "an event was never told", pause=0.002)

    def _go_round(self, times: int) -> None:
        wanted = self.begun + times
        until(lambda: self.begun >= wanted, "the watcher waits no more", pause=0.002)


class Bell:
    """Notes wake-ups by a watcher; `rung()` waits for one, `silent()` tells that none comes."""

    def __init__(self, rounds: Rounds) -> None:
        self._event = threading.Event()
        self._rounds = rounds
        self.watcher: Watcher | None = None

    def __call__(self) -> None:
        self._event.set()

    def rung(self) -> bool:
        found = self._event.wait(PATIENCE_SECONDS)
        self.settle()
        return found

    def settle(self) -> None:
        """Let late events of what was done so far pass, and the time in which more are expected."""
        self._pass_by()
        time.sleep(QUIET_SECONDS)
        self._event.clear()

    def silent(self) -> bool:
        self._pass_by()
        time.sleep(QUIET_SECONDS)
        self._pass_by()
        return not self._event.is_set()

    def _pass_by(self) -> None:
        assert self.watcher is not None
        self._rounds.pass_by(self.watcher)


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
