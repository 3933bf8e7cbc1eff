"""What decides the outcome of a pass besides the contents of the files: one short text that stands for all of it.

Two passes over equal files with an equal basis want the same maps and find the same problems. Whatever is
not certain to be without effect belongs in here: a text that differs costs time, one that is equal and
should not be would be an error.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from balancer import __version__
from balancer.config import Settings
from balancer.kernel.source import source_dir
from balancer.manifests.choice import ENVIRONMENT
from balancer.manifests.resources import schema_dir
from balancer.model.meta import IPAddress
from balancer.model.problem import Problem

_LIBRARIES = ("site-packages", "dist-packages")


def installed() -> str:
    """Stands for this version and every file of it, by what the file system says of them: a file cannot be
    replaced, edited or restored with the same inode and change time. To be asked before the work begins, so that
    an upgrade in the middle of it shows.
    """
    digest = hashlib.sha256(f"{__version__}\0{sys.version}\0".encode())
    for root in (Path(__file__).parents[1], schema_dir(), source_dir()):
        for line in _stamps(str(root)):
            digest.update(line.encode(errors="surrogateescape"))
    for place in sys.path:  # a library that comes, goes or is replaced changes its directory
        if os.path.basename(place) in _LIBRARIES and os.path.isdir(place):  # noqa: PTH112, PTH119 - texts
            digest.update(_stamp(place, os.stat(place)).encode())  # noqa: PTH116 - likewise
    return digest.hexdigest()


def _stamps(directory: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _stamps(entry.path)
        else:
            yield _stamp(entry.path, entry.stat())


def _stamp(path: str, found: os.stat_result) -> str:
    return f"{path}\0{found.st_ino}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\0"


def basis(
    settings: Settings,
    paths: Sequence[Path],
    *,
    addresses: Sequence[IPAddress],
    passed_over: Sequence[Problem],
    package: str,
) -> str:
    """The text for a pass over `paths` on a host with these addresses, where looking for files found the
    problems `passed_over`; `package` is what `installed` gave.
    """
    parts = (
        package,
        os.environ.get(ENVIRONMENT),
        settings.node,
        settings.cgroup,
        settings.bpffs,
        settings.rules,
        sorted(settings.map_limits.items()),
        settings.close_stale_tcp,
        [str(path) for path in paths],  # as they were typed: messages repeat them
        Path.cwd(),
        [str(address) for address in addresses],
        list(passed_over),
    )
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()
