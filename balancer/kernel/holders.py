"""Which process holds a socket, and a copy of its descriptor.

What a map of socket storage holds for a socket can be asked only with a descriptor of that socket, and
NETLINK_SOCK_DIAG does not tell it for UDP. So the descriptor is borrowed from a process that has it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from balancer.kernel.libbpf import failed

_PIDFD_GETFD = 438  # the same number on every architecture; Linux 5.6
_PREFIX = "socket:["


def holders_of(inodes: Collection[int]) -> dict[int, tuple[int, int]]:
    """(process, descriptor) by socket inode, one of each; processes that end meanwhile are passed over."""
    found: dict[int, tuple[int, int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                for number, inode in _sockets(process / "fd"):
                    if inode in inodes:
                        found.setdefault(inode, (int(process.name), number))
    return found


def _sockets(directory: Path) -> Iterator[tuple[int, int]]:
    for entry in directory.iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith(_PREFIX):
                yield int(entry.name), int(target[len(_PREFIX) : -1])


@contextmanager
def borrowed(process: int, descriptor: int) -> Iterator[int]:
    """A copy of another process's descriptor. Raises OSError or KernelCallFailed; needs CAP_SYS_PTRACE."""
    handle = os.pidfd_open(process)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, handle, descriptor, 0)
        if copy < 0:
            raise failed(f"borrow a socket of process {process}", ctypes.get_errno())
    finally:
        os.close(handle)
    try:
        yield copy
    finally:
        os.close(copy)
