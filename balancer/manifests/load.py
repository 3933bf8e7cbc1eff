"""Paths to manifests in one call: find the files, read each, merge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from balancer.manifests.discover import scan
from balancer.manifests.garbage import seldom_collected
from balancer.manifests.limits import DEFAULT_LIMITS, Limits
from balancer.manifests.merge import merge
from balancer.manifests.objects import Manifests
from balancer.manifests.reader import read_file


def load(paths: Sequence[Path], *, limits: Limits = DEFAULT_LIMITS) -> Manifests:
    """Everything that the paths hold, every problem with its place.

    Raises `PathUnreadable` for a path that cannot be read at all; a file inside of a directory that
    cannot be read is a problem.
    """
    found = scan(paths)
    with seldom_collected():
        files = tuple(read_file(path, limits=limits) for path in found.files)
        merged = merge(files, problems=found.problems, limits=limits)
        return replace(merged, problems=merged.locate(merged.problems), passed_over=found.problems)
