"""The merge of a set of files, kept up to date: work in proportion to the files that were replaced.

Gives what `merge` gives for the same files, and says what became different. Whole sets of files or objects are only
copied and compared by identity, in C; a loop over them is for the first time and for large changes alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress, count
from operator import is_not, itemgetter, not_
from typing import Any, Generic, TypeVar

from balancer.manifests.limits import DEFAULT_LIMITS, Limits
from balancer.manifests.locate import locate
from balancer.manifests.merge import order, settle
from balancer.manifests.objects import AnyObject, FileObjects, Manifests
from balancer.model.cluster import Cluster
from balancer.model.edit import Edit, ObjectKey
from balancer.model.endpoints import Endpoints, EndpointSlice
from balancer.model.node import Namespace, Node, Pod
from balancer.model.policy import BalancingPolicy, LocalRedirectPolicy
from balancer.model.problem import Problem
from balancer.model.service import Service

_FIELDS: dict[type, str] = {
    Service: "services",
    EndpointSlice: "slices",
    Endpoints: "endpoints",
    Node: "nodes",
    Pod: "pods",
    Namespace: "namespaces",
    LocalRedirectPolicy: "local_redirects",
    BalancingPolicy: "balancings",
}
_MANY = 500
"""More at once are sorted together instead of being put in their places one by one."""

_Item = TypeVar("_Item")
_Places = dict[ObjectKey, list[AnyObject]]


class Merged:
    """Begins without files. `manifests` is of the last `update`, and equal to what `merge` makes of its files."""

    def __init__(self, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.manifests = Manifests(cluster=Cluster(), limits=limits)
        self._file_at: dict[str, FileObjects] = {}
        self._objects: dict[ObjectKey, AnyObject] = {}
        self._contested: _Places = {}
        self._disputes: dict[ObjectKey, tuple[Problem, ...]] = {}
        self._ignored: Counter[str] = Counter()
        self._problems: _Sorted[Problem] = _Sorted(order)
        self._kinds: dict[type, _Sorted[AnyObject]] = {kind: _Sorted(_name) for kind in _FIELDS}

    def update(self, files: Sequence[FileObjects]) -> Edit:
        """Takes these files, each path once, in place of those before, and says what differs.

        Which files changed is found by identity: whatever is another object than before is looked at.
        """
        now = tuple(files)
        gone, come = _replaced(self.manifests.files, now)
        if not gone and not come:
            return Edit()
        for file in gone:
            self._file_at.pop(file.path, None)
            self._ignored.subtract(file.ignored)
        for file in come:
            self._file_at[file.path] = file
            self._ignored.update(file.ignored)
        edit, solved, new = self._settle(self._moved(gone, come))
        solved += [problem for file in gone for problem in file.problems]
        new += [problem for file in come for problem in file.problems]
        self._problems.change(solved, new)
        self.manifests = replace(
            self.manifests,
            cluster=self._cluster(edit),
            problems=tuple(self._problems.items),
            files=now,
            ignored=dict(sorted((+self._ignored).items())),
        )
        return edit

    def file(self, path: str) -> FileObjects | None:
        return self._file_at.get(path)

    def locate(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """As `Manifests.locate`, without a look at the files that the problems are not of."""
        later = [problem for problem in problems if not self._is_of_reading(problem)]
        concerned = {problem.origin.file for problem in later} & self._file_at.keys()
        digests = {path: self._file_at[path].sha256 for path in concerned}
        placed = iter(locate(later, digests, self.manifests.limits))
        return tuple(problem if self._is_of_reading(problem) else next(placed) for problem in problems)

    def _is_of_reading(self, problem: Problem) -> bool:
        file = self._file_at.get(problem.origin.file)
        return file is not None and problem in file.problems

    def _moved(self, gone: Iterable[FileObjects], come: Iterable[FileObjects]) -> _Places:
        """The places that every object of these files has now."""
        found: _Places = {}
        for file in gone:
            for one in file.objects:
                key = _key(one)
                if key not in found:
                    found[key] = self._places(key)
                _remove(found[key], one)
        for file in come:
            for one in file.objects:
                key = _key(one)
                if key not in found:
                    found[key] = self._places(key)
                found[key].append(one)
        return found

    def _places(self, key: ObjectKey) -> list[AnyObject]:
        """A new list of them."""
        if key in self._contested:
            return list(self._contested[key])
        return [self._objects[key]] if key in self._objects else []

    def _settle(
        self, moved: Mapping[ObjectKey, list[AnyObject]]
    ) -> tuple[Edit, list[Problem], list[Problem]]:
        """What became of the objects, the disputes that ended, and those that began."""
        before: dict[ObjectKey, AnyObject] = {}
        after: dict[ObjectKey, AnyObject] = {}
        solved: list[Problem] = []
        new: list[Problem] = []
        for key, places in moved.items():
            was, now = self._objects.pop(key, None), None
            self._contested.pop(key, None)
            solved += self._disputes.pop(key, ())
            if len(places) > 1:
                places.sort(key=lambda one: one.meta.origin)
                now, disputes = settle(places)
                self._contested[key] = places
                self._disputes[key] = disputes
                new += disputes
            elif places:
                now = places[0]
            if now is not None:
                self._objects[key] = now
            if was == now:
                continue
            if was is not None:
                before[key] = was
            if now is not None:
                after[key] = now
        return Edit(before=before, after=after), solved, new

    def _cluster(self, edit: Edit) -> Cluster:
        """The kinds without a change stay as they are."""
        gone: dict[type, list[AnyObject]] = {}
        come: dict[type, list[AnyObject]] = {}
        for objects, kinds in ((edit.before, gone), (edit.after, come)):
            for one in objects.values():
                kinds.setdefault(type(one), []).append(one)
        changed: dict[str, Any] = {}
        for kind in gone.keys() | come.keys():
            self._kinds[kind].change(gone.get(kind, ()), come.get(kind, ()))
            changed[_FIELDS[kind]] = tuple(self._kinds[kind].items)
        return replace(self.manifests.cluster, **changed)


class _Sorted(Generic[_Item]):
    """Items in the order of a key; those with equal keys are equal."""

    def __init__(self, key: Callable[[_Item], tuple[Any, ...]]) -> None:
        self.items: list[_Item] = []
        self._key = key
        self._keys: list[tuple[Any, ...]] = []

    def change(self, gone: Collection[_Item], come: Collection[_Item]) -> None:
        """Every item that is gone must be there."""
        if len(gone) + len(come) > _MANY:
            self._change_many(gone, come)
            return
        for item in gone:
            place = bisect_left(self._keys, self._key(item))
            del self._keys[place], self.items[place]
        for item in come:
            key = self._key(item)
            place = bisect_left(self._keys, key)
            self._keys.insert(place, key)
            self.items.insert(place, item)

    def _change_many(self, gone: Iterable[_Item], come: Iterable[_Item]) -> None:
        left = Counter(map(self._key, gone))
        pairs = []
        for key, item in zip(self._keys, self.items, strict=True):
            if left[key]:
                left[key] -= 1
            else:
                pairs.append((key, item))
        pairs += ((self._key(item), item) for item in come)
        pairs.sort(key=itemgetter(0))
        self._keys = [key for key, _ in pairs]
        self.items = [item for _, item in pairs]


def _replaced(
    before: Sequence[FileObjects], now: Sequence[FileObjects]
) -> tuple[list[FileObjects], list[FileObjects]]:
    """Those that are not there any more, and those that were not there: by identity."""
    if len(before) == len(now):
        differs = list(map(is_not, before, now))
        gone, come = list(compress(before, differs)), list(compress(now, differs))
    else:
        shorter = min(len(before), len(now))
        first = next(compress(count(), map(is_not, before, now)), shorter)
        last = next(compress(count(), map(is_not, reversed(before), reversed(now))), shorter)
        last = min(last, shorter - first)
        gone, come = list(before[first : len(before) - last]), list(now[first : len(now) - last])
    return _missing_in(come, gone), _missing_in(gone, come)


def _missing_in(others: Sequence[FileObjects], files: Sequence[FileObjects]) -> list[FileObjects]:
    known = set(map(id, others))
    return list(compress(files, map(not_, map(known.__contains__, map(id, files)))))


def _remove(places: list[AnyObject], one: AnyObject) -> None:
    """Finds it by identity, as files are."""
    for index, other in enumerate(places):
        if other is one:
            del places[index]
            return


def _key(one: AnyObject) -> ObjectKey:
    return (one.meta.kind, one.meta.namespace, one.meta.name)


def _name(one: AnyObject) -> tuple[str, str]:
    return one.meta.key
