"""The maps of one generation, written by a plan and read back: the part of a pass that the long and the short way share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from balancer.errors import NotConverged
from balancer.kernel.maps import PinnedMaps, read_setting, write_settings
from balancer.plan.actual import Actual
from balancer.plan.diff import Plan
from balancer.plan.encode import Wanted
from balancer.plan.entries import Setting
from balancer.plan.execute import execute
from balancer.plan.verify import verify

_SHOWN_DIFFERENCES = 5


def play(
    store: PinnedMaps,
    plan: Plan,
    settings: Mapping[Setting, int],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes what the plan says, and the settings. Raises KernelCallFailed."""
    # A pod's rule counts as soon as a frontend may need it, and until none does any more.
    levels = read_setting(store, Setting.CGROUP_LEVELS) | settings[Setting.CGROUP_LEVELS]
    # Programs remember frontends as they were in one epoch, and nothing in an odd one (`recall_frontend`).
    epoch = read_setting(store, Setting.EPOCH) | (not plan.empty)
    write_settings(store, {**settings, Setting.CGROUP_LEVELS: levels, Setting.EPOCH: epoch})
    execute(plan, store, progress)
    write_settings(store, {**settings, Setting.EPOCH: epoch + epoch % 2})


def require_same(wanted: Wanted, actual: Actual) -> None:
    """Raises NotConverged if what was read back is not what was to be written."""
    differences = verify(wanted, actual)
    if differences:
        shown = "; ".join(differences[:_SHOWN_DIFFERENCES])
        raise NotConverged(
            f"{len(differences)} entries read back differ from what was written: {shown}",
            hint="another process may be writing these maps: run apply again",
        )
