"""Whether the data plane works: attachment, map fill, the last pass; whether it can; and its removal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from balancer import state
from balancer.config import Settings
from balancer.errors import BalancerError
from balancer.kernel import diagnosis, lock, mounts
from balancer.kernel.attach import attached
from balancer.kernel.canary import send_canary
from balancer.kernel.hooks import Hook
from balancer.kernel.maps import PinnedMaps, read_setting
from balancer.kernel.pins import Generation, Pins, require_access
from balancer.kernel.reasons import Reason
from balancer.live import by_reason
from balancer.model.problem import Origin, Problem, Severity
from balancer.plan.actual import Actual, read_actual
from balancer.plan.counters import FIRST, NO_FRONTEND, RETIRED
from balancer.plan.entries import INDEX, MapName, Setting
from balancer.views import Attachment, Canary, CanaryResult, Check, Level, MapFill, PolicyCount, Status


def status(settings: Settings) -> Status:
    """The truth of the kernel; nothing loaded is an answer, not an error."""
    require_access(settings.bpffs)
    pins = Pins(settings.bpffs)
    names, warning = state.load(settings.state)
    problems = names.problems
    if warning:
        origin = Origin(file=str(settings.state), line=0)
        problems = (*problems, Problem(origin=origin, severity=Severity.WARNING, message=warning))
    live = pins.live()
    in_force = sum(policy.in_force for policy in names.policies) if live else 0
    told = Status(
        loaded=live is not None,
        last_pass=names.last_pass,
        policies=PolicyCount(in_force=in_force, not_in_force=len(names.policies) - in_force),
        problems=problems,
        stale_files=names.stale_files,
        stale_since=names.stale_since,
        holder=lock.holder(settings.bpffs),
    )
    if live is None:
        return told
    with PinnedMaps(live.maps) as store:
        actual = read_actual(store)
        cgroup = mounts.resolve_cgroup(settings.cgroup)
        return replace(
            told,
            build_id=f"{live.build_id:016x}",
            attachments=_attachments(pins, live, cgroup),
            maps=_fill(store, actual),
            counters=_totals(store, actual),
            canary=_canary(store, cgroup),
            problems=(*problems, *_served_in_part(settings.cgroup, cgroup)),
        )


def _canary(store: PinnedMaps, cgroup: Path) -> Canary:
    return send_canary(cgroup, lambda: read_actual(store), lambda: read_setting(store, Setting.CANARIES))


def _served_in_part(chosen: Path | None, cgroup: Path) -> tuple[Problem, ...]:
    """A warning where the whole host was asked for and the mount shows only a part of the hierarchy."""
    if chosen is not None or mounts.is_true_root(cgroup):
        return ()
    message = (
        "not the root of the cgroup2 hierarchy but a part of it: other processes of the host are not served"
    )
    return (Problem(origin=Origin(file=str(cgroup), line=0), severity=Severity.WARNING, message=message),)


def _attachments(pins: Pins, live: Generation, cgroup: Path) -> tuple[Attachment, ...]:
    links, programs, running = pins.linked(), live.program_ids(), attached(pins, cgroup)
    found = []
    for hook in Hook:
        link = links.get(hook)
        note = ""
        if link is None:
            note = "no link is pinned"
        elif link.cgroup_id == 0:
            note = "the cgroup of the link is gone"
        elif not running[hook]:
            note = f"the link is attached to another cgroup (id {link.cgroup_id})"
        elif link.program_id != programs.get(hook):
            note = "the link runs a program of another build"
        found.append(
            Attachment(
                hook=hook,
                attached=running[hook],
                program_id=link.program_id if link else 0,
                cgroup=str(cgroup),
                note=note,
            )
        )
    return tuple(found)


def _fill(store: PinnedMaps, actual: Actual) -> tuple[MapFill, ...]:
    used = {
        MapName.ADDRESSES: len(actual.addresses),
        MapName.FRONTENDS: len(actual.frontends),
        MapName.SLOTS: sum(len(backends) for backends in actual.blocks.values()),
        MapName.MEMBERS: len(actual.members),
        MapName.AFFINITY: len(store.dump(MapName.AFFINITY)),
        MapName.COUNTERS: len(actual.frontends) + FIRST,
        MapName.CGROUPS: len(actual.cgroups),
        MapName.OWNERS: len(actual.owners),
        MapName.RATES: len(actual.frontends) + FIRST,
    }
    return tuple(
        MapFill(name=name, used=count, capacity=store.capacity(name)) for name, count in used.items()
    )


def _totals(store: PinnedMaps, actual: Actual) -> dict[str, int]:
    """Decisions by reason over all frontends, those that are gone included, and those that had none."""
    indexes = [NO_FRONTEND, RETIRED, *(entry.counter for entry in actual.frontends.values())]
    totals = dict.fromkeys(Reason, 0)
    for raw in store.read(MapName.COUNTERS, [INDEX.pack(index) for index in indexes]):
        for reason, count in by_reason(raw).items():
            totals[reason] += count
    return {reason.name.lower(): count for reason, count in totals.items()}


def doctor(settings: Settings) -> tuple[Check, ...]:
    """Whether this host can run it, one check after the other; never raises for what it finds."""
    checks = [
        Check(name=item.name, level=Level(item.level), found=item.found, advice=item.advice)
        for item in diagnosis.examine(settings.bpffs, settings.cgroup)
    ]
    return (*checks, _canary_check(settings))


_LEVEL_OF = {
    CanaryResult.WORKED: Level.OK,
    CanaryResult.UNVERIFIED: Level.WARN,
    CanaryResult.FAILED: Level.FAIL,
}


def _canary_check(settings: Settings) -> Check:
    """Whether a connection is answered, where the programs are loaded."""
    try:
        require_access(settings.bpffs)
        live = Pins(settings.bpffs).live()
        if live is None:
            return Check(
                name="canary", level=Level.OK, found="nothing is loaded, so that nothing can be tried"
            )
        with PinnedMaps(live.maps) as store:
            canary = _canary(store, mounts.resolve_cgroup(settings.cgroup))
    except BalancerError as error:
        return Check(name="canary", level=Level.WARN, found=f"cannot be sent: {error}", advice=error.hint)
    advice = "" if canary.result is CanaryResult.WORKED else "see `balancer status` and `bpftool cgroup tree`"
    return Check(name="canary", level=_LEVEL_OF[canary.result], found=canary.note, advice=advice)


def detach(settings: Settings) -> tuple[str, ...]:
    """Removes everything of this instance from the kernel; returns what was removed."""
    require_access(settings.bpffs)
    if not settings.bpffs.is_dir():
        return ()
    with lock.exclusive(settings.bpffs, timeout=settings.lock_timeout_seconds):
        return Pins(settings.bpffs).remove()
