"""What is gone by the time it is looked at: no failure, since it has taken its sockets with it."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from balancer.errors import KernelCallFailed
from balancer.kernel import netns
from balancer.kernel.holders import borrowed, holders_of
from balancer.kernel.stale import _reported


def test_a_socket_that_was_closed_meanwhile() -> None:
    """pidfd_getfd(2) says EBADF for a descriptor that is closed."""
    high = 900  # so that no descriptor opened after it is closed gets its number
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        os.dup2(made.fileno(), high)
        inode = os.fstat(high).st_ino
    process, descriptor = holders_of({inode})[inode]
    os.close(high)
    failures: list[str] = []
    with _reported(Path("/proc/self"), failures), borrowed(process, descriptor):
        pytest.fail("a closed descriptor was borrowed")
    assert failures == []


def test_another_error_is_told() -> None:
    failures: list[str] = []
    with _reported(Path("/proc/self"), failures):
        raise KernelCallFailed("look", errno.EPERM)
    assert len(failures) == 1


def test_a_name_without_a_namespace_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ip netns add` makes an empty file first and mounts the namespace on it then."""
    (tmp_path / "being-made").touch()
    monkeypatch.setattr(netns, "_NAMED", (tmp_path,))
    found = list(netns.namespaces())
    assert Path("/proc/self/ns/net") in found
    assert tmp_path / "being-made" not in found
