"""Where to look for changes: the directories that paths lead through, and those below them.

Looks at names and links only. Knows nothing of events; `notices` and `listing` use it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_LINKS = 40  # as many as the kernel follows
NEVER_MANIFESTS = ".git"
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A directory to watch. `names` are the entries that matter, None for all. `identity` (device and
    inode) tells a directory from another one that took its place. `writes`: it also matters what is
    written to the entries, not only which there are.
    """

    directory: str
    identity: Identity
    recursive: bool = False
    names: frozenset[str] | None = None
    writes: bool = False


def identify(path: str | Path) -> Identity | None:
    """Device and inode of what the path leads to, None if that is nothing."""
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of strings
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def subdirectories(directory: str) -> Iterator[str]:
    """Every directory below, not through links. What git keeps in .git is never a manifest."""
    waiting = [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = [entry.path for entry in entries if _is_directory(entry)]
        except OSError:
            continue
        yield from found
        waiting += found


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.name != NEVER_MANIFESTS and entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def find_spots(paths: Iterable[Path]) -> frozenset[Spot]:
    """Every directory in which a change can change what the paths lead to: the directories themselves,
    their parents (for a name that is replaced), and the same for each symbolic link on the way. Links
    inside a directory need none: they are only read where they lead to a place within it.
    """
    found: set[Spot] = set()
    seen: set[str] = set()
    for path in paths:
        _follow(Path(os.path.abspath(path)), found, seen)  # noqa: PTH100 - resolve() would lose the links
    return frozenset(found)


def _follow(path: Path, found: set[Spot], seen: set[str]) -> None:
    if str(path) in seen or len(seen) > MAX_LINKS:
        return
    seen.add(str(path))
    for prefix in (path, *path.parents):
        if os.path.islink(prefix):  # noqa: PTH114 - never raises
            _add(found, prefix.parent, name=prefix.name)
            _follow(_target(prefix), found, seen)
    real = Path(os.path.realpath(path))
    _add_name(found, real)
    if _is_there(real):
        _add(found, real)


def _is_there(directory: Path) -> bool:
    """Path.is_dir() raises where a parent may not be searched."""
    return os.path.isdir(directory)  # noqa: PTH112


def _target(link: Path) -> Path:
    """Where a link points, one step, without resolving the links on the way."""
    try:
        return Path(os.path.normpath(link.parent / link.readlink()))
    except OSError:
        return link


def _add_name(found: set[Spot], path: Path) -> None:
    """Watch for the path itself, or for the first part of it that is missing, to come or be replaced."""
    while path != path.parent and not _is_there(path.parent):
        path = path.parent
    if path != path.parent:
        _add(found, path.parent, name=path.name, writes=not _is_there(path))


def _add(found: set[Spot], directory: Path, name: str | None = None, *, writes: bool = False) -> None:
    identity = identify(directory)
    if identity is None:
        return
    names = None if name is None else frozenset({name})
    whole = name is None
    found.add(
        Spot(
            directory=str(directory),
            identity=identity,
            recursive=whole,
            names=names,
            writes=writes or whole,
        )
    )
