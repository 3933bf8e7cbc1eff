"""The switch of the ring of events, kept on by a test while the command that listens cannot renew it."""

from __future__ import annotations

import time
from pathlib import Path

from balancer.kernel.maps import PinnedMaps, write_settings
from balancer.kernel.pins import Pins
from balancer.plan.entries import Setting

_LONG_SECONDS = 600


def keep_on(bpffs: Path) -> None:
    """For as long as a slow machine may take, unless somebody renews it for less."""
    live = Pins(bpffs).live()
    assert live is not None
    with PinnedMaps(live.maps) as store:
        write_settings(store, {Setting.EVENT_UNTIL: time.monotonic_ns() + _LONG_SECONDS * 10**9})
