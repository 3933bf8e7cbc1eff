"""Which files are manifests. Looks at names and links, never into a file.

Directories are filled by git-sync, rsync, Syncthing, editors and ConfigMap mounts while they are
read, so that hidden names and temporaries are passed over, and a file that several links show is
taken once. Nothing outside of the directories given is ever read.
"""

from __future__ import annotations

import enum
import os
import stat
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import NamedTuple

from balancer.errors import PathUnreadable
from balancer.manifests.placing import whole_file
from balancer.manifests.sight import Sight, sight_of
from balancer.manifests.writable import Writable
from balancer.model.problem import Problem, Severity

SUFFIXES = (".yaml", ".yml", ".json")
_TEMPORARY_PREFIXES = (".", "~syncthing~", "#")
_TEMPORARY_SUFFIXES = ("~", ".tmp", ".swp", ".swx", ".swo", ".part")
_FILESYSTEM_NAMES = ("lost+found",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`files` is in stable order, each real file once. `problems` names what was passed over and why.

    `sights` are of the files, in their order; empty where they are not known. `root` is the real path of the one
    path given if what becomes of a file at or below it depends on that file alone (`glance`), else "".
    """

    files: tuple[Path, ...]
    problems: tuple[Problem, ...] = ()
    sights: tuple[Sight, ...] = ()
    root: str = ""


class Glance(enum.Enum):
    """What `scan` would make of one file. UNCLEAR: only `scan` can tell."""

    FILE = "file"
    NOTHING = "nothing"
    UNCLEAR = "unclear"


def discover(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The manifest files of directories and files. Raises `PathUnreadable`."""
    return scan(paths).files


def scan(paths: Sequence[Path]) -> Found:
    """The same with the problems: entries that look like manifests and are not read.

    A file that is named itself is taken whatever its name. Raises `PathUnreadable` for a path that
    is missing, unreadable, or neither a directory nor a regular file.
    """
    return Scanner().scan(paths)


def how_much(paths: Sequence[Path]) -> int:
    """Bytes in the files that `scan` finds, as it finds them. Raises `PathUnreadable`."""
    return sum(sight[2] for sight in scan(paths).sights)


class Scanner:
    """For whoever scans the same paths again and again: `Path`s of files that stay are the same objects then, which
    saves making and comparing them.
    """

    def __init__(self) -> None:
        self._known: dict[Path, _Paths] = {}

    def scan(self, paths: Sequence[Path]) -> Found:
        """As `scan`."""
        return _joined([_scan(path, self._known.setdefault(path, _Paths())) for path in paths])


class _Paths:
    """Those of the last scan of a path, by their real paths, and those of this one."""

    def __init__(self) -> None:
        self._before: dict[str, Path] = {}
        self._now: dict[str, Path] = {}

    def begin(self) -> None:
        self._before, self._now = self._now, {}

    def below(self, directory: Path, name: str, real: str) -> Path:
        path = self._now[real] = self._before.get(real) or directory / name
        return path


def _joined(scans: Sequence[tuple[Found, Sequence[str]]]) -> Found:
    if len(scans) == 1:
        return scans[0][0]
    taken: dict[str, tuple[Path, Sight]] = {}
    for found, identities in scans:
        for file, sight, identity in zip(found.files, found.sights, identities, strict=True):
            taken.setdefault(identity, (file, sight))
    return Found(
        files=tuple(file for file, _ in taken.values()),
        problems=tuple(problem for found, _ in scans for problem in found.problems),
        sights=tuple(sight for _, sight in taken.values()),
    )


def glance(path: Path, file: Path) -> Glance:
    """What becomes of this file when `path` is scanned, given that its last scan had a `root` and that nothing but
    files changed since. Raises nothing.
    """
    try:
        status = file.lstat()
    except FileNotFoundError:
        there = os.path.isdir(file.parent) and os.path.isdir(path)  # noqa: PTH112 - Path.is_dir() may raise
        return Glance.NOTHING if there else Glance.UNCLEAR
    except OSError:
        return Glance.UNCLEAR
    if not _is_alone(status) or status.st_mode & stat.S_IWOTH or _has_other_case(file):
        return Glance.UNCLEAR
    below = file.parts[len(path.parts) :]
    if any(map(_is_passed_over, below)) or (below and not is_manifest_name(below[-1])):
        return Glance.NOTHING
    return Glance.FILE


def _has_other_case(file: Path) -> bool:
    """Whether the name is there with other cases, too: perhaps the directory knows the file by that one."""
    other = file.name.swapcase()
    return other != file.name and os.path.lexists(file.with_name(other))


def _is_alone(status: os.stat_result) -> bool:
    """Whether what the file holds can only be changed by its own name."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _scan(path: Path, known: _Paths) -> tuple[Found, list[str]]:
    """One path, and the real paths of its files."""
    known.begin()
    status = _status(path)
    writable = Writable()
    writable.look_at(path, status)
    real = os.path.realpath(path)
    if stat.S_ISDIR(status.st_mode):
        walk = _Walk(real, writable, known)
        walk.run(path)
        problems, met = walk.problems, walk.in_order()
        # A directory or file that is mounted in two places is told of by one of its names.
        alone = walk.alone and len({sight[:2] for _, _, sight in met}) == len(met)
    else:
        problems, met, alone = [], [(path, real, sight_of(status))], _is_alone(status)
    problems += writable.problems(path)
    found = Found(
        files=tuple(file for file, _, _ in met),
        problems=tuple(problems),
        sights=tuple(sight for _, _, sight in met),
        root=real if alone and not problems else "",
    )
    return found, [identity for _, identity, _ in met]


def is_manifest_name(name: str) -> bool:
    """Whether a file of this name inside a directory is read."""
    return name.endswith(SUFFIXES) and not _is_passed_over(name)


def _is_passed_over(name: str) -> bool:
    return (
        name.startswith(_TEMPORARY_PREFIXES)
        or name.endswith(_TEMPORARY_SUFFIXES)
        or name in _FILESYSTEM_NAMES
    )


def _status(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        hint = "check the path; nothing was changed"
        raise PathUnreadable(f"cannot read {path}: {error.strerror or error}", hint=hint) from error
    directory = stat.S_ISDIR(status.st_mode)
    if not directory and not stat.S_ISREG(status.st_mode):
        hint = "name a directory or a regular file; save the output of a command to a file first"
        raise PathUnreadable(f"cannot read {path}: it is neither a directory nor a regular file", hint=hint)
    if not os.access(path, os.R_OK | (os.X_OK if directory else 0)):
        hint = f"allow this user to read {path}"
        raise PathUnreadable(f"cannot read {path}: {os.strerror(13)}", hint=hint)
    return status


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    """The entries that are not passed over, in order. Raises OSError."""
    with os.scandir(directory) as entries:
        return sorted((one for one in entries if not _is_passed_over(one.name)), key=attrgetter("name"))


class _Directory(NamedTuple):
    path: Path
    real: str
    behind_link: bool


_Met = tuple[Path, str, Sight]
"""A file, its real path, and how it was seen."""


@dataclass(slots=True)
class _Walk:
    """One directory tree. Links are followed after everything real, so that a real path names a file."""

    root: str
    writable: Writable
    known: _Paths
    real: list[_Met] = field(default_factory=list)
    linked: list[_Met] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    alone: bool = True
    _directories: list[_Directory] = field(default_factory=list)
    _links: deque[Path] = field(default_factory=deque)
    _seen: set[str] = field(default_factory=set)

    def run(self, top: Path) -> None:
        """Raises PathUnreadable for a top that is gone by now: that is an error, not an empty directory."""
        self._seen.add(self.root)
        first = _Directory(top, self.root, behind_link=False)
        try:
            entries = _entries(top)
        except OSError as error:
            hint = "check the path; nothing was changed"
            raise PathUnreadable(f"cannot read {top}: {error.strerror or error}", hint=hint) from error
        self._look_at_all(entries, first)
        while self._directories or self._links:
            if self._directories:
                directory = self._directories.pop()
            else:
                path = self._links.popleft()
                directory = _Directory(path, os.path.realpath(path), behind_link=True)
            if directory.real not in self._seen:
                self._seen.add(directory.real)
                self._enter(directory)

    def in_order(self) -> list[_Met]:
        """The files in the order of their names; none that links show is listed twice."""
        if not self.linked:
            return sorted(self.real, key=itemgetter(0))
        shown = {met[1]: met for met in (*sorted(self.linked, reverse=True), *self.real)}
        return sorted(shown.values())

    def _enter(self, directory: _Directory) -> None:
        path = directory.path
        try:
            entries = _entries(path)
        except FileNotFoundError:
            return  # gone since it was listed
        except OSError as error:
            self._note(path, f"the directory cannot be read: {error.strerror or error}", Severity.ERROR)
            return
        self._look_at_all(entries, directory)

    def _look_at_all(self, entries: Iterable[os.DirEntry[str]], directory: _Directory) -> None:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone since it was listed
            except OSError as error:
                message = f"cannot be read: {error.strerror or error}"
                self._note(directory.path / entry.name, message, Severity.ERROR)
                continue
            if stat.S_ISLNK(status.st_mode):
                self._follow(directory.path / entry.name)
            elif stat.S_ISDIR(status.st_mode):
                path = directory.path / entry.name
                self.writable.look_at(path, status)
                real = f"{directory.real}/{entry.name}"
                self._directories.append(_Directory(path, real, directory.behind_link))
            elif entry.name.endswith(SUFFIXES):
                real = f"{directory.real}/{entry.name}"
                if directory.behind_link:
                    self._take(directory.path / entry.name, real, status, linked=True)
                else:
                    path = self.known.below(directory.path, entry.name, real)
                    self._take(path, real, status, linked=False)

    def _follow(self, link: Path) -> None:
        self.alone = False
        try:
            status = link.stat()
        except FileNotFoundError:
            # Either the link has no target, or it is gone since it was listed.
            if os.path.islink(link):  # noqa: PTH114 - Path.is_symlink may raise
                self._note(link, "the link leads nowhere: expected a file or directory", Severity.ERROR)
            return
        except OSError as error:
            self._note(link, f"cannot be read: {error.strerror or error}", Severity.ERROR)
            return
        real = os.path.realpath(link)
        if not Path(real).is_relative_to(self.root):
            if stat.S_ISDIR(status.st_mode) or is_manifest_name(link.name):
                self._note(link, f"the link leads out of {self.root} and is not followed", Severity.WARNING)
        elif stat.S_ISDIR(status.st_mode):
            self.writable.look_at(link, status)
            self._links.append(link)
        elif is_manifest_name(link.name):
            self._take(link, real, status, linked=True)

    def _take(self, path: Path, real: str, status: os.stat_result, *, linked: bool) -> None:
        """A file with a manifest's name."""
        self.alone = self.alone and _is_alone(status)
        if stat.S_ISREG(status.st_mode):
            self.writable.look_at(path, status)
            (self.linked if linked else self.real).append((path, real, sight_of(status)))
        else:
            self._note(path, "is no regular file and is not read", Severity.WARNING)

    def _note(self, path: Path, message: str, severity: Severity) -> None:
        self.problems.append(whole_file(str(path), message, severity=severity))
