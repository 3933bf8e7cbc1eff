"""What reading gives: the objects of a file, and the manifests of a whole pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from balancer.manifests.limits import DEFAULT_LIMITS, Limits
from balancer.manifests.locate import locate
from balancer.model.cluster import Cluster
from balancer.model.edit import AnyObject as AnyObject  # of the files' objects
from balancer.model.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class FileObjects:
    """One file as it was read. `sha256` is the hex digest of its bytes, "" when it could not be read.

    `objects` leaves out every object with an error. `ignored` counts objects of other kinds.
    """

    path: str
    sha256: str
    objects: tuple[AnyObject, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """All files of one pass. `problems` is sorted by file and line; `passed_over` are those of looking for the
    files, among them, as they were found.
    """

    cluster: Cluster
    problems: tuple[Problem, ...] = ()
    files: tuple[FileObjects, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS
    passed_over: tuple[Problem, ...] = ()

    def locate(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """The problems with the line, column and excerpt of their JSON paths filled in.

        For problems of later stages, which know the object's origin and a path only; those of the
        files themselves have their places already. Reads the files concerned again; a file that has changed since, or is gone, leaves its problems as they are.
        """
        read = {problem for file in self.files for problem in file.problems}
        later = [problem for problem in problems if problem not in read]
        placed = iter(locate(later, {file.path: file.sha256 for file in self.files}, self.limits))
        return tuple(problem if problem in read else next(placed) for problem in problems)
