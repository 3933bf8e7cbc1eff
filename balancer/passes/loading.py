"""Files to what they ask of this host: the part of a pass that needs no root and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from balancer import manifests
from balancer.config import Settings
from balancer.desired.compute import compute as compute_desired
from balancer.desired.types import Host
from balancer.kernel import host
from balancer.manifests.garbage import seldom_collected
from balancer.passes.basis import basis, installed
from balancer.tally import Stage, Stopwatch
from balancer.views import Loaded


@seldom_collected()
def compute(
    files: Sequence[manifests.FileObjects] | None, paths: Sequence[Path], settings: Settings
) -> Loaded:
    """What these files (None: those found at `paths`) ask of this host. Needs no root.

    Problems of content are in the result; raises PathUnreadable.
    """
    watch = Stopwatch(time.monotonic)
    package = installed() if files is None else ""
    if files is None:
        with watch.stage(Stage.READ):
            read = manifests.load(paths)
    with watch.stage(Stage.COMPUTE):
        found = read if files is None else manifests.merge(files)
        here = Host(node_name=settings.node, addresses=host.interface_addresses())
        desired = compute_desired(found.cluster, here, settings.rules)
        problems = set(found.locate((*found.problems, *desired.problems)))
    return Loaded(
        manifests=found,
        desired=desired,
        problems=tuple(sorted(problems, key=lambda problem: problem.order)),
        paths=tuple(paths),
        stages=watch.seconds,
        basis=_basis(settings, paths, here, found, package) if package else "",
    )


def _basis(
    settings: Settings, paths: Sequence[Path], here: Host, found: manifests.Manifests, package: str
) -> str:
    return basis(settings, paths, addresses=here.addresses, passed_over=found.passed_over, package=package)
