"""The bytes of one file, read so that no file can hang or flood the reader."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from balancer.manifests.finding import SyntaxFault
from balancer.manifests.limits import Limits


def read_bytes(path: Path, limits: Limits) -> bytes:
    """The content of a regular file. Raises OSError, and `SyntaxFault` past `max_file_bytes`.

    Opened without blocking: a FIFO put in a file's place since it was found must not hang the pass.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        raw = file.read(limits.max_file_bytes + 1)
    if len(raw) > limits.max_file_bytes:
        raise SyntaxFault(0, f"the file is too large: expected at most {limits.max_file_bytes} bytes")
    return raw
