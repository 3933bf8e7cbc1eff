"""One instance of the product on this host: where it is pinned, what it serves, and its lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from balancer.config import Settings
from balancer.kernel import host, lock, mounts
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Pins, require_access
from balancer.plan.actual import Actual, read_actual


class Instance:
    """The kernel's side of one set of settings. Keeps nothing open between calls."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pins = Pins(settings.bpffs)

    def cgroup(self) -> Path:
        """The cgroup that is served. Raises HostUnfit."""
        return mounts.resolve_cgroup(self.settings.cgroup)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock of the bpffs directory, which is made if need be. Raises HostUnfit and LockHeld."""
        host.require_capabilities()
        mounts.prepare_bpffs(self.pins.root)
        require_access(self.pins.root)
        with lock.exclusive(self.pins.root, timeout=self.settings.lock_timeout_seconds):
            yield

    def read_live(self) -> Actual:
        """What is live; maps that are not there count as empty."""
        require_access(self.pins.root)
        live = self.pins.live()
        if live is None:
            return Actual()
        with PinnedMaps(live.maps) as store:
            return read_actual(store)
