"""From real paths, as changes are told of, to the names that files are known by: the path given and the rest.

Only for paths of which every file can be looked at on its own. Looks at no file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

Named = tuple[Path, Path]
"""One of the paths given, and a file at or below it."""


class Roots:
    """The real paths that the paths given lead to, as far as they are known."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        self._nested = False

    def begin(self) -> None:
        """Nothing is known."""
        self._paths = {}

    def add(self, path: Path, root: str) -> None:
        self._paths[root] = path

    def finish(self) -> None:
        """All that can be known is."""
        self._nested = _are_nested(self._paths)

    def cover(self, paths: Collection[Path]) -> bool:
        """Whether every one of these is known, and no file is below two of them."""
        return not self._nested and len(self._paths) == len(paths) and set(self._paths.values()) == set(paths)

    def targets(self, names: Iterable[str], files: Iterable[Path]) -> Sequence[Named] | None:
        """The files of these real paths, and these `files`, in order. None if a real path is below no root."""
        found = set()
        for name in names:
            root = next((place for place in _upwards(name) if place in self._paths), None)
            if root is None:
                return None
            path = self._paths[root]
            found.add((path, path / name[len(root) + 1 :]))
        for file in files:
            found.update((path, file) for path in self._paths.values() if file.is_relative_to(path))
        return sorted(found)


def _upwards(name: str) -> Iterator[str]:
    """The path, and every directory above it but the topmost."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _are_nested(roots: Iterable[str]) -> bool:
    """Whether one of the real paths is below another: then a file may be found by both."""
    ordered = sorted(f"{root.rstrip('/')}/" for root in roots)
    return any(other.startswith(one) for one, other in pairwise(ordered))
