"""Files to one cluster: each object once, whichever files it stands in, in whatever order they come.

Pure: works on what was read, and knows an object's origin but not its text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from balancer.manifests.limits import DEFAULT_LIMITS, Limits
from balancer.manifests.objects import AnyObject, FileObjects, Manifests
from balancer.model.cluster import Cluster
from balancer.model.endpoints import Endpoints, EndpointSlice
from balancer.model.node import Namespace, Node, Pod
from balancer.model.policy import BalancingPolicy, LocalRedirectPolicy
from balancer.model.problem import Origin, Problem, Severity
from balancer.model.service import Service

_NOWHERE = Origin(file="", line=0)
_Object = TypeVar(
    "_Object",
    Service,
    EndpointSlice,
    Endpoints,
    Pod,
    Node,
    Namespace,
    LocalRedirectPolicy,
    BalancingPolicy,
)


def merge(
    files: Sequence[FileObjects], *, problems: Sequence[Problem] = (), limits: Limits = DEFAULT_LIMITS
) -> Manifests:
    """All objects of the files. `problems` are those found before, such as unreadable directories.

    Of an object that stands in several places with different content, the higher resourceVersion
    wins with a warning. Where resourceVersion cannot tell, it is an error and the first place in
    the order of files and lines is kept.
    """
    kept: list[AnyObject] = []
    found: list[Problem] = [*problems, *(problem for file in files for problem in file.problems)]
    for places in _by_key(files).values():
        if len(places) == 1:
            kept += places
            continue
        winner, disputes = settle(places)
        kept.append(winner)
        found.extend(disputes)
    return Manifests(
        cluster=_cluster(kept),
        problems=tuple(sorted(found, key=order)),
        files=tuple(files),
        ignored=dict(sorted(sum((Counter(file.ignored) for file in files), Counter()).items())),
        limits=limits,
    )


def order(problem: Problem) -> tuple[object, ...]:
    """By file and line; two problems that are level in all of it are equal, so that the order is the same always."""
    place = (problem.origin, problem.path, problem.message)
    return (*place, problem.severity, problem.object, problem.excerpt, problem.excerpt_column)


def settle(places: Sequence[AnyObject]) -> tuple[AnyObject, tuple[Problem, ...]]:
    """Which of several places of an object counts, and what is wrong with the others. The first file and
    line comes first in `places`.
    """
    winner = _winner(places)
    return winner, tuple(_disputes(winner, places))


def _by_key(files: Iterable[FileObjects]) -> dict[tuple[str, str, str], list[AnyObject]]:
    """The places of every object, first file and line first."""
    found: dict[tuple[str, str, str], list[AnyObject]] = defaultdict(list)
    for file in files:
        for one in file.objects:
            found[one.meta.kind, *one.meta.key].append(one)
    for places in found.values():
        places.sort(key=lambda one: one.meta.origin)
    return found


def _winner(places: Sequence[AnyObject]) -> AnyObject:
    """The newest; the first of equals, and the first of all where an age is unknown."""
    if any(_version(one) is None for one in places):
        return places[0]
    return max(places, key=lambda one: _version(one) or 0)


def _disputes(winner: AnyObject, places: Sequence[AnyObject]) -> Iterator[Problem]:
    content = _content(winner)
    for one in places:
        if one is winner or _content(one) == content:
            continue
        mine, other = _version(winner), _version(one)
        if mine is not None and other is not None and mine > other:
            message = (
                f"is also in {winner.meta.origin} with the higher resourceVersion {mine}, which is used: "
                f"expected one place, this one has {other}"
            )
            yield _problem(one, message, Severity.WARNING)
        else:
            equal = (
                "the same resourceVersion"
                if mine is not None and mine == other
                else "no resourceVersion to compare"
            )
            message = f"is also in {winner.meta.origin} with other content and {equal}: expected one place"
            yield _problem(one, message, Severity.ERROR)


def _problem(one: AnyObject, message: str, severity: Severity) -> Problem:
    return Problem(origin=one.meta.origin, message=message, severity=severity, object=str(one.meta))


def _version(one: AnyObject) -> int | None:
    """A resourceVersion as a number (KEP-5504 makes it one that can be compared), None if it is none."""
    text = one.meta.resource_version
    return int(text) if text.isdecimal() and len(text) <= 40 else None


def _content(one: AnyObject) -> AnyObject:
    """The object without its place and version: what counts when two are compared."""
    return replace(one, meta=replace(one.meta, origin=_NOWHERE, resource_version=""))


def _cluster(objects: Sequence[AnyObject]) -> Cluster:
    return Cluster(
        services=_sorted(objects, Service),
        slices=_sorted(objects, EndpointSlice),
        endpoints=_sorted(objects, Endpoints),
        nodes=_sorted(objects, Node),
        pods=_sorted(objects, Pod),
        namespaces=_sorted(objects, Namespace),
        local_redirects=_sorted(objects, LocalRedirectPolicy),
        balancings=_sorted(objects, BalancingPolicy),
    )


def _sorted(objects: Sequence[AnyObject], kind: type[_Object]) -> tuple[_Object, ...]:
    return tuple(sorted((one for one in objects if isinstance(one, kind)), key=lambda one: one.meta.key))
