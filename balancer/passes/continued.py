"""What files ask of this host, kept up from one look at them to the next: work in proportion to what changed.

Joins the merge, the desired state and the places of problems, each of which follows on its own, and gives what
`reconcile.compute` gives for the same files. It is never more than a faster way to that: whatever goes wrong
in it, everything is worked out anew.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from pathlib import Path

from balancer import manifests
from balancer.config import Settings
from balancer.desired.narrow import Following
from balancer.desired.step import Step
from balancer.desired.types import Host, Rules
from balancer.kernel import host
from balancer.manifests.garbage import seldom_collected
from balancer.manifests.merged import Merged
from balancer.model.cluster import Cluster
from balancer.model.edit import Edit
from balancer.model.problem import Problem
from balancer.tally import Stage, Stopwatch
from balancer.views import Loaded

_LOG = logging.getLogger("balancer")


class Continued:
    """Begins without files. With `strict`, whatever goes wrong in the narrow way is raised."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._told = False
        self._following = Following(Cluster(), Host(node_name=""), Rules())
        self._forget()

    def compute(
        self, files: Sequence[manifests.FileObjects], paths: Sequence[Path], settings: Settings
    ) -> Loaded:
        """What these files ask of this host now. Needs no root; problems of content are in the result.

        Files that are the same objects as in the last call are taken to be unchanged, others are compared.
        """
        watch = Stopwatch(time.monotonic)
        with watch.stage(Stage.COMPUTE), seldom_collected():
            here = Host(node_name=settings.node, addresses=host.interface_addresses())
            try:
                edit, step, problems = self._follow(files, here, settings.rules)
            except Exception:
                if self._strict:
                    raise
                self._tell()
                self._forget()
                edit, step, problems = self._follow(files, here, settings.rules, anew=True)
        return Loaded(
            manifests=self._merged.manifests,
            desired=step.after,
            problems=problems,
            paths=tuple(paths),
            stages=watch.seconds,
            step=step,
            edit=edit,
        )

    def _follow(
        self, files: Sequence[manifests.FileObjects], here: Host, rules: Rules, *, anew: bool = False
    ) -> tuple[Edit, Step, tuple[Problem, ...]]:
        edit = self._merged.update(files)
        found = self._merged.manifests
        if anew or rules != self._following.rules:
            step = self._following.restart(found.cluster, here, rules)
        else:
            step = self._following.update(edit, found.cluster, here)
        return edit, step, self._placed.update((*found.problems, *step.after.problems))

    def _forget(self) -> None:
        self._merged = Merged()
        self._placed = _Placed(self._merged)

    def _tell(self) -> None:
        if not self._told:
            _LOG.debug("a change was not worked out on its own, but all of it anew", exc_info=True)
        self._told = True


class _Placed:
    """Problems with line, column and excerpt, sorted by file and line, each once.

    Files are read again only for problems that are new and where the file itself is another one.
    """

    def __init__(self, merged: Merged) -> None:
        self._merged = merged
        self._raw: dict[int, Problem] = {}
        self._of_file: dict[str, dict[int, Problem]] = {}
        self._read: dict[str, manifests.FileObjects | None] = {}
        self._placed: list[Problem] = []

    def update(self, raw: Sequence[Problem]) -> tuple[Problem, ...]:
        """`raw` are all that there are now, told apart from those of the last call by identity."""
        now = dict(zip(map(id, raw), raw, strict=True))
        gone, new = self._raw.keys() - now.keys(), now.keys() - self._raw.keys()
        files = {path for path, file in self._read.items() if self._merged.file(path) is not file}
        for number in gone:
            path = self._raw[number].origin.file
            del self._of_file[path][number]
            files.add(path)
        for number in new:
            path = now[number].origin.file
            self._of_file.setdefault(path, {})[number] = now[number]
            files.add(path)
        self._raw = now
        self._place(files)
        return tuple(self._placed)

    def _place(self, files: Collection[str]) -> None:
        problems = [problem for path in files for problem in self._of_file[path].values()]
        placed: dict[str, set[Problem]] = {path: set() for path in files}
        for problem in self._merged.locate(problems):
            placed[problem.origin.file].add(problem)
        for path, found in placed.items():
            first, last = (find(self._placed, path, key=_file) for find in (bisect_left, bisect_right))
            self._placed[first:last] = sorted(found, key=lambda problem: problem.order)
            if found:
                self._read[path] = self._merged.file(path)
            else:
                del self._of_file[path]
                self._read.pop(path, None)


def _file(problem: Problem) -> str:
    return problem.origin.file
