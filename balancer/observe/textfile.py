"""A file for node_exporter's textfile collector, which reads every `*.prom` of one directory.

A reader sees the file before or the file after, never a part: it is written beside, under a name that the
collector does not read, and renamed. node_exporter seldom runs as root, so everybody may read it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from balancer.errors import HostError

SUFFIX = ".prom"
_MODE = 0o644


def write_textfile(path: Path, content: bytes) -> None:
    """Replaces `path`, whose directory must be there. Raises HostError, and then nothing has changed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _remove_leftovers(path)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)  # whatever the umask is
            file.write(content)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise HostError(
            f"cannot write {path}: {error.strerror or error}",
            hint="name a file in the directory that node_exporter reads (--collector.textfile.directory)",
        ) from None


def _remove_leftovers(path: Path) -> None:
    """What processes that were killed while they wrote left beside the file."""
    for left in path.parent.glob(f".{path.name}.*"):
        process = left.name.rpartition(".")[2]
        if process.isdigit() and not Path("/proc", process).exists():
            left.unlink(missing_ok=True)
