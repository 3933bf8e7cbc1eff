"""Every network namespace of this host, and sockets opened inside them."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from balancer.kernel.libbpf import failed

_CLONE_NEWNET = 0x40000000
_OWN = Path("/proc/self/ns/net")
_NAMED = (Path("/run/netns"), Path("/run/docker/netns"))


def namespaces() -> Iterator[Path]:
    """A path for each namespace once: of a process in it, or of the file that keeps it."""
    seen: set[tuple[int, int]] = set()
    device = _OWN.stat().st_dev  # that of the file system all namespaces are files of
    for path in _candidates():
        try:
            status = path.stat()
        except OSError:  # the process has ended, or is not ours to see
            continue
        if status.st_dev != device:  # the name of a namespace that is not mounted there yet, or no longer
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield path


def _candidates() -> Iterator[Path]:
    yield _OWN
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            yield process / "ns/net"
    for directory in _NAMED:
        with contextlib.suppress(OSError):
            yield from directory.iterdir()


def socket_in(namespace: Path, family: int, kind: int, protocol: int) -> socket.socket:
    """A socket that belongs to `namespace`. Raises KernelCallFailed or OSError.

    Only a short-lived thread enters the namespace: a socket stays in the one it was made in.
    """
    made: list[socket.socket | Exception] = []

    def make() -> None:
        try:
            _enter(namespace)
            made.append(socket.socket(family, kind, protocol))
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


def _enter(namespace: Path) -> None:
    with namespace.open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise failed(f"enter the network namespace {namespace}", ctypes.get_errno())
