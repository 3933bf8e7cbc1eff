"""One reconciler at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from balancer.errors import LockHeld
from balancer.kernel import lock


def test_the_second_waits_and_then_names_the_holder(tmp_path: Path) -> None:
    waits: list[float] = []
    with lock.exclusive(tmp_path, timeout=0), pytest.raises(LockHeld, match=f"process {os.getpid()}"):
        lock.exclusive(tmp_path, timeout=0.2, sleep=waits.append).__enter__()
    assert sum(waits) == pytest.approx(0.2)


def test_released_at_the_end(tmp_path: Path) -> None:
    with lock.exclusive(tmp_path, timeout=0):
        assert lock.holder(tmp_path).startswith(f"process {os.getpid()} (")
    assert lock.holder(tmp_path) == ""
    with lock.exclusive(tmp_path, timeout=0):
        pass


def test_other_directories_are_other_locks(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with lock.exclusive(tmp_path, timeout=0), lock.exclusive(tmp_path / "other", timeout=0):
        pass
