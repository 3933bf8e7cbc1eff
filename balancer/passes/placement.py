"""Where the pods that need a rule of their own run: their cgroups, or a warning that none was found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from balancer.desired.types import Desired, RedirectPod, SkippedPod
from balancer.kernel import mounts
from balancer.kernel.cgroups import PodCgroup, pod_cgroups
from balancer.model.problem import Problem, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`skipped` are cgroup ids, `owners` (group, cgroup id); `levels` has bit n set for a cgroup at depth n
    of the hierarchy. `problems` are warnings for pods that have no cgroup here.
    """

    skipped: tuple[int, ...]
    owners: tuple[tuple[str, int], ...]
    levels: int
    problems: tuple[Problem, ...]


def place_pods(desired: Desired, cgroup: Path) -> Placement:
    """Looks below `cgroup` for the cgroups of the pods that opted out or are backends of a redirect."""
    pods: tuple[SkippedPod | RedirectPod, ...] = (*desired.skipped_pods, *desired.redirect_pods)
    by_uid: dict[str, list[PodCgroup]] = defaultdict(list)
    uids = {pod.uid for pod in pods if pod.uid}
    for item in pod_cgroups(cgroup, mounts.hierarchy_of(cgroup), uids):
        by_uid[item.uid].append(item)
    levels = 0
    for found in by_uid.values():
        for item in found:
            levels |= 1 << item.level
    return Placement(
        skipped=tuple(item.id for pod in desired.skipped_pods for item in by_uid.get(pod.uid, ())),
        owners=tuple(
            (group, item.id)
            for pod in desired.redirect_pods
            for item in by_uid.get(pod.uid, ())
            for group in pod.groups
        ),
        levels=levels,
        problems=tuple(_unplaced(pod, cgroup) for pod in pods if pod.uid not in by_uid),
    )


def _unplaced(pod: SkippedPod | RedirectPod, cgroup: Path) -> Problem:
    if isinstance(pod, SkippedPod):
        means = "it opted out, and is translated until one is found"
    else:
        means = "it is a backend of a local redirect, and its own connections may be led back to it"
    return Problem(
        origin=pod.origin,
        severity=Severity.WARNING,
        object=f"Pod {pod.namespace}/{pod.name}",
        message=f"no cgroup of this pod (uid {pod.uid or 'not exported'}) is below {cgroup}: {means}",
    )
