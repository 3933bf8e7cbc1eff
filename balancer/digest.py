"""One short text for a set of files and their contents, cheap to bring up to date when one of them changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from itertools import compress
from operator import is_not
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balancer.manifests.objects import FileObjects

_BYTES = 64
_MODULUS = 1 << 8 * _BYTES


def absolute(paths: Iterable[Path]) -> tuple[str, ...]:
    """The same for every way to say it from any directory; links stay, since they may be switched."""
    return tuple(os.path.abspath(path) for path in paths)  # noqa: PTH100 - resolve() would follow links


def digest_of(files: Iterable[FileObjects]) -> str:
    """Stands for the files and their contents: equal for equal names and bytes, in any order."""
    return digest_of_contents((item.path, item.sha256) for item in files)


def digest_of_contents(contents: Iterable[tuple[str, str]]) -> str:
    """The same of (path, hex SHA-256 of the bytes)."""
    return _text(sum(_number(path, content) for path, content in contents))


class Digest:
    """`digest_of` of the files it was last shown.

    A file that is the very same object as before costs nothing but a look: twenty thousand of which one was read
    anew are compared in about a millisecond.
    """

    def __init__(self) -> None:
        self._files: tuple[FileObjects, ...] = ()
        self._sum = 0

    def of(self, files: tuple[FileObjects, ...]) -> str:
        if len(files) == len(self._files):
            other = list(map(is_not, self._files, files))
            gone, come = list(compress(self._files, other)), list(compress(files, other))
        else:
            gone, come = _missing(self._files, files), _missing(files, self._files)
        self._sum += sum(_number(file.path, file.sha256) for file in come)
        self._sum -= sum(_number(file.path, file.sha256) for file in gone)
        self._files = files
        return _text(self._sum)


def _missing(files: tuple[FileObjects, ...], others: tuple[FileObjects, ...]) -> list[FileObjects]:
    """Those that are not among the others. Both are held, so that no two of them have one id."""
    known = set(map(id, others))
    return list(compress(files, (number not in known for number in map(id, files))))


def _number(path: str, content: str) -> int:
    # os.path.abspath for 10,000 names would cost more than everything else here together.
    name = path if path.startswith("/") else os.path.abspath(path)  # noqa: PTH100 - see absolute
    line = os.fsencode(f"{name}\0{content}")
    return int.from_bytes(hashlib.blake2b(line, digest_size=_BYTES).digest(), "little")


def _text(total: int) -> str:
    """A sum of random numbers does not tell its terms, and equal sums mean equal terms."""
    return hashlib.sha256((total % _MODULUS).to_bytes(_BYTES, "little")).hexdigest()
