"""Which files are manifests. Looks at names and links, never into a file.

Directories are filled by git-sync, rsync, Syncthing, editors and ConfigMap mounts while they are
read, so that hidden names and temporaries are passed over, and a file that several links show is
taken once. Nothing outside of the directories given is ever read.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from balancer.errors import PathUnreadable
from balancer.manifests.placing import whole_file
from balancer.manifests.writable import Writable
from balancer.model.problem import Problem, Severity

SUFFIXES = (".yaml", ".yml", ".json")
_TEMPORARY_PREFIXES = (".", "~syncthing~", "#")
_TEMPORARY_SUFFIXES = ("~", ".tmp", ".swp", ".swx", ".swo", ".part")
_FILESYSTEM_NAMES = ("lost+found",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`files` is in stable order, each real file once. `problems` names what was passed over and why."""

    files: tuple[Path, ...]
    problems: tuple[Problem, ...] = ()


def discover(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The manifest files of directories and files. Raises `PathUnreadable`."""
    return scan(paths).files


def scan(paths: Sequence[Path]) -> Found:
    """The same with the problems: entries that look like manifests and are not read.

    A file that is named itself is taken whatever its name. Raises `PathUnreadable` for a path that
    is missing, unreadable, or neither a directory nor a regular file.
    """
    taken: set[str] = set()
    files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        status = _status(path)
        writable = Writable()
        writable.look_at(path, status)
        if stat.S_ISDIR(status.st_mode):
            walk = _Walk(Path(os.path.realpath(path)), writable)
            walk.run(path)
            found = walk.in_order()
            problems.extend(walk.problems)
        else:
            found = [(path, os.path.realpath(path))]
        problems.extend(writable.problems(path))
        for file, identity in found:
            if identity not in taken:
                taken.add(identity)
                files.append(file)
    return Found(files=tuple(files), problems=tuple(problems))


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


def _names(directory: Path) -> list[str]:
    """The entries that are not passed over, in order. Raises OSError."""
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries if not _is_passed_over(entry.name))


def _top_names(path: Path) -> list[str]:
    """The same of a path that was given: one that is gone by now is an error, not an empty directory."""
    try:
        return _names(path)
    except OSError as error:
        hint = "check the path; nothing was changed"
        raise PathUnreadable(f"cannot read {path}: {error.strerror or error}", hint=hint) from error


@dataclass(slots=True)
class _Walk:
    """One directory tree. Links are followed after everything real, so that a real path names a file."""

    root: Path
    writable: Writable
    real: list[Path] = field(default_factory=list)
    linked: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _directories: list[Path] = field(default_factory=list)
    _links: deque[Path] = field(default_factory=deque)
    _seen: set[str] = field(default_factory=set)

    def run(self, top: Path) -> None:
        self._seen.add(os.path.realpath(top))
        for name in _top_names(top):
            self._look_at(top / name, behind_link=self._is_linked(top, top))
        while self._directories or self._links:
            is_link = not self._directories
            path = self._links.popleft() if is_link else self._directories.pop()
            real = os.path.realpath(path)
            if real not in self._seen:
                self._seen.add(real)
                self._enter(path, behind_link=is_link or self._is_linked(path, top))

    def in_order(self) -> list[tuple[Path, str]]:
        """Files and their real paths, in the order of their names; none that links show is listed twice."""
        shown = {os.path.realpath(path): path for path in sorted(self.linked, reverse=True)}
        directories: dict[Path, str] = {}
        for path in self.real:
            if path.parent not in directories:
                directories[path.parent] = os.path.realpath(path.parent)
            shown[f"{directories[path.parent]}/{path.name}"] = path
        return sorted((path, real) for real, path in shown.items())

    def _is_linked(self, path: Path, top: Path) -> bool:
        return os.path.realpath(path) != str(self.root / path.relative_to(top))

    def _enter(self, directory: Path, *, behind_link: bool) -> None:
        try:
            names = _names(directory)
        except FileNotFoundError:
            return  # gone since it was listed
        except OSError as error:
            self._note(directory, f"the directory cannot be read: {error.strerror or error}", Severity.ERROR)
            return
        for name in names:
            self._look_at(directory / name, behind_link=behind_link)

    def _look_at(self, path: Path, *, behind_link: bool) -> None:
        is_link = False
        try:
            status = path.lstat()
            is_link = stat.S_ISLNK(status.st_mode)
            status = path.stat() if is_link else status
        except FileNotFoundError:
            # Either the link has no target, or the entry is gone since it was listed.
            if is_link and os.path.islink(path):  # noqa: PTH114 - Path.is_symlink may raise
                self._note(path, "the link leads nowhere: expected a file or directory", Severity.ERROR)
            return
        except OSError as error:
            self._note(path, f"cannot be read: {error.strerror or error}", Severity.ERROR)
            return
        if is_link and not self._is_inside(path):
            if stat.S_ISDIR(status.st_mode) or is_manifest_name(path.name):
                self._note(path, f"the link leads out of {self.root} and is not followed", Severity.WARNING)
        elif stat.S_ISDIR(status.st_mode):
            self.writable.look_at(path, status)
            (self._links if is_link else self._directories).append(path)
        elif is_manifest_name(path.name):
            if stat.S_ISREG(status.st_mode):
                self.writable.look_at(path, status)
                (self.linked if is_link or behind_link else self.real).append(path)
            else:
                self._note(path, "is no regular file and is not read", Severity.WARNING)

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self.root)

    def _note(self, path: Path, message: str, severity: Severity) -> None:
        self.problems.append(whole_file(str(path), message, severity=severity))
