"""A pass that follows the one before it: only what a step of the desired state touches is looked at and written.

That is enough because of what is known: this process made the last pass, the maps were then read back and
found right, and nobody wrote to them since (each writer leaves its number in them). Whatever is not plainly
so, and whatever goes wrong, is for a pass that looks at everything; so does an audit now and then, which
compares every entry with what is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from balancer.desired.step import Step
from balancer.desired.types import Desired
from balancer.kernel.attach import attached
from balancer.kernel.maps import PinnedMaps, read_setting, write_settings
from balancer.kernel.pins import Generation
from balancer.passes.instance import Instance
from balancer.passes.placement import Placement, place_pods
from balancer.passes.writing import play, require_same
from balancer.plan.actual import Actual, read_actual
from balancer.plan.asked import ask
from balancer.plan.diff import Plan
from balancer.plan.encode import encode, members_of
from balancer.plan.entries import MapName, Setting
from balancer.plan.narrow import Live, Narrow, Unsure, read_excerpt
from balancer.plan.vips import vip_settings
from balancer.tally import Stage, Stopwatch

Waiting = Callable[[], bool]
"""Whether something more urgent has come up."""

_UNLIMITED = 1 << 31  # entries


@dataclass(slots=True, kw_only=True)
class Kept:
    """What is known after a pass that converged. `desired` is the object that it was for, `settings` are those
    in the maps, `number` is whose writes follow. `look_again`: sockets were ended, or could not be looked at, when they were looked at last.
    """

    generation: Generation
    desired: Desired
    live: Live
    settings: dict[Setting, int]
    number: int
    look_again: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """`took_away`: a socket that was right before may be stale now."""

    plan: Plan
    placement: Placement
    took_away: bool


def follow(kept: Kept, instance: Instance, step: Step, watch: Stopwatch) -> Followed:
    """Makes the maps say what the step says, and checks that they do; the lock is held. Raises Unsure before
    anything is written, and errors of the kernel. After any exception `kept` is of no more use.
    """
    with watch.stage(Stage.INSPECT):
        if step.before is not kept.desired or instance.pins.live() != kept.generation:
            raise Unsure("not what was left")
        placement = place_pods(step.after, instance.cgroup())
        asked = ask(step, placement.skipped, placement.owners)
    with PinnedMaps(kept.generation.maps) as store:
        with watch.stage(Stage.INSPECT):
            _require_ours(kept, store)
            limits = instance.settings.map_limits
            capacities = {name: min(store.capacity(name), limits.get(name, _UNLIMITED)) for name in MapName}
            narrow = kept.live.plan(asked, capacities, settled=True)
        settings = kept.settings | {Setting.CGROUP_LEVELS: placement.levels}
        if not narrow.plan.empty:
            settings[Setting.LAST_WRITER] = kept.number
        with watch.stage(Stage.WRITE):
            if not narrow.plan.empty or settings != kept.settings:
                play(store, narrow.plan, settings)
        with watch.stage(Stage.VERIFY):
            read = read_excerpt(store, narrow)
            require_same(narrow.wanted, read)
            kept.live.follow(narrow, read)
    kept.desired, kept.settings = step.after, settings
    return Followed(plan=narrow.plan, placement=placement, took_away=_takes_away(narrow))


def _require_ours(kept: Kept, store: PinnedMaps) -> None:
    """Raises Unsure if somebody else wrote to the maps since."""
    if read_setting(store, Setting.LAST_WRITER) != kept.settings[Setting.LAST_WRITER]:
        raise Unsure("another process has written")


def _takes_away(narrow: Narrow) -> bool:
    """Unless every frontend was there before and keeps all the backends that it had."""
    old, new = narrow.actual, narrow.wanted.frontends
    if old.frontends.keys() != new.keys():
        return True
    for key, item in new.items():
        before = old.logical(key)
        if not {*before.backends, *before.fallback} <= {*item.backends, *item.fallback}:
            return True
    return False


def is_as_kept(kept: Kept, instance: Instance, waiting: Waiting) -> bool:
    """Whether the live maps hold what is kept, entry by entry, and the programs are where they should be; the lock is
    held. Stops early, and finds nothing wrong, when something is `waiting`.
    """
    cgroup = instance.cgroup()
    if not _is_attached(kept.generation, instance, cgroup):
        return False
    placement = place_pods(kept.desired, cgroup)
    pods = encode(Desired(), placement.skipped, placement.owners)
    if (pods.cgroups, pods.owners) != (kept.live.cgroups, kept.live.owners):
        return False
    with PinnedMaps(kept.generation.maps) as store:
        if any(read_setting(store, index) != value for index, value in kept.settings.items()):
            return False
        if waiting():
            return True
        actual = read_actual(store)
        if not waiting() and not _holds(kept.live, actual):
            return False
        # A hint: passes that follow others leave it as it is.
        kept.settings |= vip_settings(actual.addresses)
        write_settings(store, kept.settings)
    return True


def _is_attached(generation: Generation, instance: Instance, cgroup: Path) -> bool:
    if instance.pins.live() != generation or not generation.complete:
        return False
    links, programs = instance.pins.linked(), generation.program_ids()
    return {hook: link.program_id for hook, link in links.items()} == programs and all(
        attached(instance.pins, cgroup).values()
    )


def _holds(live: Live, actual: Actual) -> bool:
    if (live.frontends, live.addresses) != (actual.frontends, actual.addresses):
        return False
    if (live.cgroups, live.owners) != (actual.cgroups, actual.owners):
        return False
    return members_of(live.logical.values()) == actual.members and all(
        actual.logical(key) == item for key, item in live.logical.items()
    )
