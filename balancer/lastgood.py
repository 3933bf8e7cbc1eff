"""Which content of each file is in force: what is on disk, or what was there when it was last good.

A file that cannot be used keeps the objects it had when it last could, and a path that is missing,
unreadable or suddenly empty keeps all of its files. What was in force is kept on disk too, so that it also
comes back when the agent starts and the directory does not. Nothing here decides what objects mean.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from balancer.durable import Damaged
from balancer.errors import HostError, PathUnreadable
from balancer.lastgood_file import Content, Key
from balancer.manifests import FileObjects
from balancer.manifests.finding import SyntaxFault
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


class Kept(Protocol):
    """The contents on disk, as `LastGoodFile` has them."""

    path: Path

    def load(self) -> dict[Key, Content]: ...

    def save(self, wanted: Mapping[Key, str], contents: Mapping[Key, Content]) -> None: ...

    def set_aside(self) -> Path: ...


class LastGood:
    """Reads what changed, by content, and keeps for each file the last content without errors.

    `read` gives the bytes of a file and raises OSError or SyntaxFault, `parse` its objects.
    """

    def __init__(
        self,
        *,
        scan: Callable[[Sequence[Path]], Found],
        read: Callable[[Path], bytes],
        parse: Callable[[str, bytes], FileObjects],
        kept: Kept,
    ) -> None:
        self._scan = scan
        self._read = read
        self._parse = parse
        self._kept = kept
        self._listings: dict[Path, tuple[Path, ...]] = {}
        self._digests: dict[Path, str] = {}
        self._good: dict[Path, FileObjects] = {}
        self._broken: dict[Path, FileObjects] = {}
        self._unreadable: dict[Path, Problem] = {}
        self._held: set[Path] = set()
        self._restored: dict[Path, Content] = {}
        self._saved: dict[Key, str] = {}
        self._unsaved: dict[Key, Content] = {}
        self._save_all = False
        self._parsed = 0

    def restore(self, paths: Sequence[Path]) -> None:
        """Begin with what was in force when the agent last ran. Raises HostError, then begins with nothing;
        a file that is damaged is set aside.
        """
        try:
            contents = self._kept.load()
        except Damaged as error:
            raise self._set_aside(error) from None
        self._saved = {key: content.sha256 for key, content in contents.items()}
        for path in paths:
            root = _root(path)
            found = {path / key.name: content for key, content in contents.items() if key.root == root}
            if found:
                self._listings[path] = tuple(sorted(found))
                self._restored |= found

    def refresh(self, paths: Sequence[Path]) -> Snapshot:
        """Look at every file again. Never raises for what is on disk."""
        before = dict(self._digests)
        problems: list[Problem] = []
        self._held = set()
        self._parsed = 0
        for path in paths:
            self._visit(path, problems)
        self._save_all = False
        listed = dict.fromkeys(file for path in paths for file in self._listings.get(path, ()))
        self._forget(listed)
        return self._snapshot(paths, listed, problems, before)

    def keep(self, paths: Sequence[Path]) -> None:
        """Keep on disk what is in force now; writes only what differs. Raises HostError."""
        if self._saved and not self._kept.path.exists():
            self._lose()
        contents = dict(self._unsaved)
        wanted = {}
        for key, file in self._keys(paths):
            if file in self._restored:
                contents.setdefault(key, self._restored[file])
            at_hand = {self._saved.get(key), contents[key].sha256 if key in contents else None}
            if file in self._good and self._good[file].sha256 in at_hand:
                wanted[key] = self._good[file].sha256
        if wanted != self._saved:
            try:
                self._kept.save(wanted, contents)
            except Damaged as error:
                raise self._set_aside(error) from None
        self._saved = wanted
        self._unsaved.clear()

    def _keys(self, paths: Sequence[Path]) -> Iterator[tuple[Key, Path]]:
        for path in paths:
            root = _root(path)
            for file in self._listings.get(path, ()):
                yield _key(root, path, file), file

    def _set_aside(self, error: Damaged) -> HostError:
        self._lose()
        aside = self._kept.set_aside()
        return HostError(f"{error}; it was set aside as {aside}", hint="remove it when you have looked at it")

    def _lose(self) -> None:
        """What was saved is lost: whatever can be read at the next look is saved again."""
        self._saved = {}
        self._save_all = True

    def _visit(self, path: Path, problems: list[Problem]) -> None:
        """Finds the files of one path, and what of it stays because it cannot be seen now."""
        before = self._listings.get(path, ())
        try:
            found = self._scan([path])
        except (PathUnreadable, OSError) as error:
            self._hold(path, str(error), problems)
            return
        problems += found.problems
        hidden = tuple(_hidden(before, found))
        self._held.update(hidden)
        present = (*(file for file in found.files if self._look(path, file)), *hidden)
        if present:
            self._listings[path] = present
        else:
            self._hold(path, _EMPTY_PATH, problems)

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

    def _look(self, path: Path, file: Path) -> bool:
        """Reads the file; takes it apart if its content is new. False if it is gone."""
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
        digest = hashlib.sha256(raw).hexdigest()
        is_new = self._digests.get(file) != digest
        if is_new:
            self._digests[file] = digest
            self._take(file, self._objects(file, raw))
        if is_new or self._save_all:
            self._note(_key(_root(path), path, file), file, raw, digest)
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

    def _note(self, key: Key, file: Path, raw: bytes, digest: str) -> None:
        """Remembers to save the content if it is good and not what is saved."""
        if file not in self._broken:
            self._unsaved.pop(key, None)
            if self._saved.get(key) != digest:
                self._unsaved[key] = Content.of(raw)

    def _good_of(self, file: Path) -> FileObjects | None:
        """What was good last, in this run or else in the one before."""
        content = self._restored.get(file)
        if file not in self._good and content is not None:
            self._good[file] = self._parse(str(file), content.unpack())
        return self._good.get(file)

    def _forget(self, listed: Mapping[Path, None]) -> None:
        memories = (self._digests, self._good, self._broken, self._unreadable, self._restored)
        for memory in memories:
            for file in [file for file in memory if file not in listed]:
                del memory[file]

    def _snapshot(
        self,
        paths: Sequence[Path],
        listed: Mapping[Path, None],
        problems: list[Problem],
        before: Mapping[Path, str],
    ) -> Snapshot:
        contents = [self._good_of(file) or self._broken.get(file) for file in listed]
        spoilt = self._broken.keys() & self._good.keys()
        problems += [problem for file in sorted(spoilt) for problem in self._broken[file].problems]
        problems += self._unreadable.values()
        restored = tuple(sorted(map(str, self._restored)))
        if restored:
            problems.append(_restored_problem(self._kept.path, restored))
        stale = {*self._held, *self._unreadable, *spoilt}
        changed = {file for file in {*before, *self._digests} if before.get(file) != self._digests.get(file)}
        return Snapshot(
            files=tuple(content for content in contents if content is not None),
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


def _key(root: str, path: Path, file: Path) -> Key:
    return Key(root, "" if file == path else str(file.relative_to(path)))


def _problem(path: Path, message: str, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(origin=Origin(file=str(path), line=1), message=message, severity=severity)


def _restored_problem(path: Path, restored: Sequence[str]) -> Problem:
    message = f"what was in force before the agent started is still used for {shorten(restored)}"
    return _problem(path, message, Severity.WARNING)
