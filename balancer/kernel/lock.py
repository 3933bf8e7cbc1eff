"""One reconciler at a time for one set of pinned maps.

The lock is flock(2) on the bpffs directory itself, so that it is as many as there are sets of maps, and
the kernel drops it with its holder.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from balancer.errors import HostUnfit, LockHeld

_STEP = 0.05  # seconds between two tries


@contextmanager
def exclusive(
    directory: Path, *, timeout: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Holds the lock of `directory`; waits up to `timeout` seconds, then `LockHeld` names the holder."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        steps_left = round(timeout / _STEP)
        while not _try_lock(fd):
            if steps_left == 0:
                raise LockHeld(
                    f"another reconciler holds {directory}: {holder(directory) or 'it has just gone'}",
                    hint="stop it, or let it do the work; --bpffs names another set of maps",
                )
            sleep(_STEP)
            steps_left -= 1
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise HostUnfit(
            f"cannot lock the bpffs directory: {error.strerror}", hint="run the command again"
        ) from None
    return True


def holder(directory: Path) -> str:
    """Who holds the lock: "process 123 (balancer watch ...)", "" when nobody does."""
    try:
        wanted = directory.stat()
    except OSError:
        return ""
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if len(fields) < 6 or fields[1] != "FLOCK":
            continue
        inode = fields[5].rsplit(":", 1)
        device = f"{os.major(wanted.st_dev):02x}:{os.minor(wanted.st_dev):02x}"
        if inode == [device, str(wanted.st_ino)]:
            return _describe(fields[4])
    return ""


def _describe(pid: str) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({' '.join(words).strip()})"
