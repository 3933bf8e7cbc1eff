"""Whether a file can have changed since it was read, told by what its directory says of it.

A file that is read again because of this costs a little time; one that is not although it changed would never be
seen. So all that is known must be equal, and the last change must be long past.
"""

from __future__ import annotations

import os

Sight = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, time of the last write and of the last change of any sort, in nanoseconds."""

SETTLED_NANOSECONDS = 3_000_000_000
"""File times move in steps, of two seconds on some file systems: two writes in one step leave the same times."""


def sight_of(status: os.stat_result) -> Sight:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_settled(sight: Sight, now: int) -> bool:
    """Whether a write after `now` (nanoseconds since 1970) is sure to give other times."""
    return max(sight[3], sight[4]) < now - SETTLED_NANOSECONDS
