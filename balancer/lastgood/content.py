"""Which content of each file is in force: what is on disk, or what was there when it was last good.

A file that cannot be used keeps the objects it had when it last could, and a path that is missing,
unreadable or suddenly empty keeps all of its files. What was in force is kept on disk too, so that it also
comes back when the agent starts and the directory does not. Nothing here decides what objects mean.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress, repeat
from operator import ne
from pathlib import Path
from typing import TYPE_CHECKING

from balancer.errors import PathUnreadable
from balancer.lastgood.database import Content, Key
from balancer.lastgood.keeper import Keeper, Kept
from balancer.lastgood.roots import Roots
from balancer.manifests import FileObjects
from balancer.manifests.discover import Glance, glance
from balancer.manifests.finding import SyntaxFault
from balancer.manifests.heard import EVERYTHING, Heard
from balancer.manifests.sight import Sight, is_settled
from balancer.manifests.spots import identify
from balancer.model.problem import Origin, Problem, Severity

if TYPE_CHECKING:
    from balancer.manifests import Found

SHOWN_NAMES = 3
_IN_FORCE = "its last known manifests stay in force"
_NOT_YET = "nothing is changed until it is there"
_EMPTY_PATH = "no manifests here"
_WAY_OUT = " (a file with an empty List in it removes them)"
_EMPTY_FILE = "the file is empty: its last good objects stay in force until it is filled or deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files that are in force now. `stale` are those, and paths as a whole, whose content on disk is
    not what is in force; `restored` are those of them that have not been good since the agent started.

    `problems` are those of stale files and of paths. `complete` is false while some path has never shown
    the content of a manifest: then what it holds is unknown, and a pass would remove what it may ask for.
    `changed` names the files that are new, different or gone since the snapshot before, `parsed` counts those
    that were taken apart for it.
    """

    files: tuple[FileObjects, ...]
    stale: tuple[str, ...]
    restored: tuple[str, ...]
    problems: tuple[Problem, ...]
    complete: bool
    changed: tuple[str, ...]
    parsed: int = 0


class LastGood:
    """Reads what changed, by content, and keeps for each file the last content without errors.

    `read` gives the bytes of a file and raises OSError or SyntaxFault, `parse` its objects; `glance` tells what `scan`
    would make of one file alone. `clock` is in nanoseconds since 1970, as file times are.
    """

    def __init__(
        self,
        *,
        scan: Callable[[Sequence[Path]], Found],
        read: Callable[[Path], bytes],
        parse: Callable[[str, bytes], FileObjects],
        kept: Kept,
        glance: Callable[[Path, Path], Glance] = glance,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._scan = scan
        self._glance = glance
        self._read = read
        self._parse = parse
        self._clock = clock
        self._keeper = Keeper(kept)
        self._listings: dict[Path, list[Path]] = {}
        self._digests: dict[Path, str] = {}
        self._sights: dict[Path, Sight] = {}
        self._good: dict[Path, FileObjects] = {}
        self._broken: dict[Path, FileObjects] = {}
        self._unreadable: dict[Path, Problem] = {}
        self._held: set[Path] = set()
        self._restored: dict[Path, Content] = {}
        self._roots = Roots()
        self._in_force: dict[Path, list[FileObjects | None]] = {}
        self._digests_before: dict[Path, str | None] = {}
        self._parsed = 0
        self._finished = False

    def restore(self, paths: Sequence[Path]) -> None:
        """Begin with what was in force when the agent last ran. Raises HostError, then begins with nothing;
        a file that is damaged is set aside.
        """
        contents = self._keeper.load()
        for path in paths:
            root = _root(path)
            found = {path / key.name: content for key, content in contents.items() if key.root == root}
            if found:
                self._listings[path] = sorted(found)
                self._restored |= found

    def refresh(self, paths: Sequence[Path], heard: Heard = EVERYTHING) -> Snapshot:
        """Look again at every file that can have changed, by what was `heard` since the last time. Never raises for
        what is on disk.
        """
        paths = tuple(dict.fromkeys(paths))
        self._parsed = 0
        self._digests_before = {}
        if not self._finished:  # the last look ended with a fault of ours
            heard = EVERYTHING
        self._finished = False
        found = None if heard.elsewhere else self._look_at_these(paths, heard.files)
        if found is None:
            found = self._look_at_all(paths, heard)
        self._finished = True
        return found

    def keep(self, paths: Sequence[Path]) -> None:
        """Keep on disk what is in force now; writes only what differs. Raises HostError."""
        self._keeper.save(lambda: self._keys(paths), self._good, self._restored)

    def _keys(self, paths: Sequence[Path]) -> Iterator[tuple[Key, Path]]:
        for path in paths:
            for file in self._listings.get(path, ()):
                yield _key(path, file), file

    def _look_at_all(self, paths: Sequence[Path], heard: Heard) -> Snapshot:
        """Finds the files anew, and reads those that can be other ones than before."""
        problems: list[Problem] = []
        self._held = set()
        self._roots.begin()
        trusts = not (heard.lost or self._keeper.wants_all)
        named = frozenset(filter(None, map(identify, heard.files))) if trusts else None
        for path in paths:
            self._visit(path, problems, named)
        self._keeper.wants_all = False
        listed = dict.fromkeys(file for path in paths for file in self._listings.get(path, ()))
        known = self._digests.keys() | self._good.keys() | self._unreadable.keys() | self._restored.keys()
        self._forget(known - listed.keys())
        self._in_force = {path: self._contents(self._listings.get(path, [])) for path in paths}
        self._roots.finish()
        contents: Iterable[FileObjects | None] = chain.from_iterable(self._in_force.values())
        if sum(map(len, self._in_force.values())) != len(listed):
            contents = map(self._content, listed)
        return self._snapshot(paths, contents, problems)

    def _look_at_these(self, paths: Sequence[Path], names: Iterable[str]) -> Snapshot | None:
        """The same where no other file changed. None where only a look at all can tell."""
        if self._held or self._restored or self._keeper.wants_all or not self._roots.cover(paths):
            return None
        targets = self._roots.targets(names, self._unreadable)
        if targets is None:
            return None
        seen = [(path, file, self._glance(path, file)) for path, file in targets]
        if any(glimpse is Glance.UNCLEAR for _, _, glimpse in seen):
            return None
        gone = Counter(
            path for path, file, glimpse in seen if glimpse is Glance.NOTHING and self._lists(path, file)
        )
        if any(gone[path] == len(self._listings[path]) for path in gone):
            return None  # perhaps the last ones: a path that is empty suddenly keeps them all
        files = [(path, file) for path, file, glimpse in seen if glimpse is Glance.FILE]
        if not all(self._look(path, file, None, 0) for path, file in files):
            return None  # gone this very moment, and others may be, too
        for path, file, glimpse in seen:
            self._place(path, file, there=glimpse is Glance.FILE)
        return self._snapshot(paths, chain.from_iterable(map(self._in_force.__getitem__, paths)), [])

    def _lists(self, path: Path, file: Path) -> bool:
        """Only for a path all of whose files can be looked at alone: they are in order."""
        listing = self._listings[path]
        index = bisect_left(listing, file)
        return index < len(listing) and listing[index] == file

    def _place(self, path: Path, file: Path, *, there: bool) -> None:
        """Lists the file, or no more."""
        listing, contents = self._listings[path], self._in_force[path]
        index, known = bisect_left(listing, file), self._lists(path, file)
        if known and not there:
            del listing[index], contents[index]
            self._forget((file,))
        elif there and not known:
            listing.insert(index, file)
            contents.insert(index, self._content(file))
        elif known:
            contents[index] = self._content(file)
        if known != there:
            self._keeper.touch(_key(path, file), file if there else None)

    def _visit(self, path: Path, problems: list[Problem], named: frozenset[tuple[int, int]] | None) -> None:
        """Finds the files of one path, and what of it stays because it cannot be seen now. `named` are the files,
        by device and inode, that are read whatever they look like; None for all.
        """
        before, now = self._listings.get(path, []), self._clock()
        try:
            found = self._scan([path])
        except (PathUnreadable, OSError) as error:
            self._hold(path, str(error), problems)
            return
        problems += found.problems
        hidden = tuple(_hidden(before, found))
        self._held.update(hidden)
        lost = {file for file, sight in self._to_read(found, named) if not self._look(path, file, sight, now)}
        present = [file for file in found.files if file not in lost] if lost else list(found.files)
        present += hidden
        if not present:
            self._hold(path, _EMPTY_PATH, problems)
            return
        if found.root and len(present) == len(found.files):
            self._roots.add(path, found.root)
        self._listings[path] = present
        for file in set(before).difference(present):
            self._keeper.touch(_key(path, file), None)
        for file in set(present).difference(before):
            self._keeper.touch(_key(path, file), file)

    def _to_read(
        self, found: Found, named: frozenset[tuple[int, int]] | None
    ) -> Iterable[tuple[Path, Sight | None]]:
        """The files that may have changed, as they were seen. Most of the time there is none: no loop over all."""
        files, sights = found.files, found.sights
        if named is None or not sights:
            return list(zip(files, sights or repeat(None), strict=False))
        differs = list(map(ne, map(self._sights.get, files), sights))
        if named:
            differs = [one or sight[:2] in named for one, sight in zip(differs, sights, strict=True)]
        return list(compress(zip(files, sights, strict=True), differs))

    def _hold(self, path: Path, why: str, problems: list[Problem]) -> None:
        self._held.add(path)
        known = self._is_known(path)
        result = _IN_FORCE if known else _NOT_YET
        way_out = _WAY_OUT if known and why is _EMPTY_PATH else ""
        problems.append(_problem(path, f"{why}: {result}{way_out}"))

    def _is_known(self, path: Path) -> bool:
        """Whether the content of any file of the path was seen, in this run or in the one before."""
        files = self._listings.get(path, ())
        return any(file in self._digests or file in self._restored for file in files)

    def _look(self, path: Path, file: Path, sight: Sight | None, now: int) -> bool:
        """Reads the file; takes it apart if its content is new. False if it is gone. It was seen like this after `now`."""
        self._sights.pop(file, None)
        try:
            raw = self._read(file)
        except FileNotFoundError:
            return False
        except OSError as error:
            passing = error.errno == errno.ETXTBSY  # somebody is at it, and it will be looked at again
            severity = Severity.WARNING if passing else Severity.ERROR
            self._unreadable[file] = _problem(file, f"cannot be read: {error.strerror or error}", severity)
            return True
        except SyntaxFault as fault:
            self._unreadable[file] = _problem(file, fault.message)
            return True
        self._unreadable.pop(file, None)
        if sight is not None and is_settled(sight, now):
            self._sights[file] = sight
        digest = hashlib.sha256(raw).hexdigest()
        is_new = self._digests.get(file) != digest
        if is_new:
            self._digests_before.setdefault(file, self._digests.get(file))
            self._digests[file] = digest
            self._take(file, self._objects(file, raw))
        if (is_new or self._keeper.wants_all) and file not in self._broken:
            self._keeper.note(_key(path, file), file, raw, digest)
        return True

    def _objects(self, file: Path, raw: bytes) -> FileObjects:
        self._parsed += 1
        try:
            content = self._parse(str(file), raw)
        except Exception as error:  # noqa: BLE001 - a fault of the reader may cost a file, never the agent
            fault = f"reading it failed, which is a fault of balancer: {type(error).__name__}: {error}"
            return FileObjects(path=str(file), sha256="", problems=(_problem(file, fault),))
        if not raw.strip() and (good := self._good_of(file)) is not None and good.objects:
            # Truncated to be written again, or lost in a crash. Whoever means it deletes the file.
            return replace(content, problems=(*content.problems, _problem(file, _EMPTY_FILE)))
        return content

    def _take(self, file: Path, content: FileObjects) -> None:
        if any(problem.is_error for problem in content.problems):
            self._broken[file] = content
        else:
            self._good[file] = content
            self._broken.pop(file, None)
            self._restored.pop(file, None)

    def _good_of(self, file: Path) -> FileObjects | None:
        """What was good last, in this run or else in the one before."""
        content = self._restored.get(file)
        if file not in self._good and content is not None:
            self._good[file] = self._parse(str(file), content.unpack())
        return self._good.get(file)

    def _content(self, file: Path) -> FileObjects | None:
        """What is in force of it."""
        return self._good_of(file) or self._broken.get(file)

    def _contents(self, files: Sequence[Path]) -> list[FileObjects | None]:
        if self._restored or self._broken:
            return list(map(self._content, files))
        return list(map(self._good.get, files))

    def _forget(self, files: Iterable[Path]) -> None:
        for file in files:
            if file in self._digests:
                self._digests_before.setdefault(file, self._digests[file])
            memories = (
                self._digests,
                self._sights,
                self._good,
                self._broken,
                self._unreadable,
                self._restored,
            )
            for memory in memories:
                memory.pop(file, None)

    def _snapshot(
        self, paths: Sequence[Path], contents: Iterable[FileObjects | None], problems: list[Problem]
    ) -> Snapshot:
        spoilt = self._broken.keys() & self._good.keys()
        problems += [problem for file in sorted(spoilt) for problem in self._broken[file].problems]
        problems += self._unreadable.values()
        restored = tuple(sorted(map(str, self._restored)))
        if restored:
            problems.append(_restored_problem(self._keeper.path, restored))
        stale = {*self._held, *self._unreadable, *spoilt}
        changed = [file for file, was in self._digests_before.items() if was != self._digests.get(file)]
        return Snapshot(
            files=tuple(filter(None, contents)),
            stale=tuple(sorted(map(str, stale))),
            restored=restored,
            problems=tuple(problems),
            complete=all(map(self._is_known, paths)),
            changed=tuple(sorted(map(str, changed))),
            parsed=self._parsed,
        )


def shorten(names: Sequence[str]) -> str:
    """`a.yaml, b.yaml, c.yaml and 4 more`."""
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _hidden(before: Sequence[Path], found: Found) -> Iterator[Path]:
    """Files known from before that are at or below something that cannot be looked into now."""
    blocked = {Path(problem.origin.file) for problem in found.problems if problem.is_error}
    if not blocked:
        return
    there = frozenset(found.files)
    for file in before:
        if file not in there and blocked & {file, *file.parents}:
            yield file


def _root(path: Path) -> str:
    """The same for every way to say it from any directory; links stay, since they may be switched."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links


def _key(path: Path, file: Path) -> Key:
    return Key(_root(path), "" if file == path else str(file.relative_to(path)))


def _problem(path: Path, message: str, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(origin=Origin(file=str(path), line=1), message=message, severity=severity)


def _restored_problem(path: Path, restored: Sequence[str]) -> Problem:
    message = f"what was in force before the agent started is still used for {shorten(restored)}"
    return _problem(path, message, Severity.WARNING)
