"""The bytes of one file: one state of it, read so that no file can hang or flood the reader.

Sync tools and editors write while we read. What is returned is what the file held at one moment, or
there is an error that says so: never the beginning of one version with the end of another.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from balancer.manifests.finding import SyntaxFault
from balancer.manifests.limits import Limits

_ATTEMPTS = 4
_CHUNK = 1 << 16  # bytes; larger ones cost a small file more than they save a large one
# File times come from a clock that moves in steps of up to 10 ms: a write in the step of the last one
# leaves no trace in them, so that a file this young is compared with itself.
_YOUNG = 50_000_000  # nanoseconds


def read_bytes(path: Path, limits: Limits) -> bytes:
    """The content of a regular file. Raises OSError, and `SyntaxFault` past `max_file_bytes`.

    Opened without blocking: a FIFO put in a file's place since it was found must not hang the pass.
    A file that is too large by its size is refused before any of it is read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        for _ in range(_ATTEMPTS):
            raw = _snapshot(descriptor, limits)
            if raw is not None:
                return raw
    finally:
        os.close(descriptor)
    raise OSError("it changed each time while it was read")


def _snapshot(descriptor: int, limits: Limits) -> bytes | None:
    """The content, None when it changed meanwhile."""
    before = os.fstat(descriptor)
    if before.st_size > limits.max_file_bytes:
        raise _too_large(limits)
    raw = _read_from_start(descriptor, limits.max_file_bytes)
    is_young = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) < _YOUNG
    if is_young and _read_from_start(descriptor, limits.max_file_bytes) != raw:
        return None
    if _identity(os.fstat(descriptor)) != _identity(before):
        return None
    if len(raw) > limits.max_file_bytes:
        raise _too_large(limits)
    return raw


def _read_from_start(descriptor: int, most: int) -> bytes:
    """At most one byte more than `most`."""
    raw = bytearray()
    while len(raw) <= most:
        chunk = os.pread(descriptor, min(_CHUNK, most + 1 - len(raw)), len(raw))
        if not chunk:
            break
        raw += chunk
    return bytes(raw)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _too_large(limits: Limits) -> SyntaxFault:
    return SyntaxFault(0, f"the file is too large: expected at most {limits.max_file_bytes} bytes")
