"""The bytes of a file: one version of it, and never more than the limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from balancer.manifests import files, read_file
from balancer.manifests.finding import SyntaxFault
from balancer.manifests.limits import Limits

OLD, NEW = b"a: 1\n" * 10, b"b: 2\n" * 10


def writes_during_reads(monkeypatch: pytest.MonkeyPatch, path: Path, contents: list[bytes]) -> None:
    """Each read of the file is followed by a write of the next content, as long as there is one."""
    pread: Callable[[int, int, int], bytes] = os.pread

    def read_then_write(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, 20, offset)
        if contents:
            path.write_bytes(contents.pop(0))
        return data

    monkeypatch.setattr(os, "pread", read_then_write)


def test_a_file_that_changed_meanwhile_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(OLD)
    writes_during_reads(monkeypatch, path, [NEW])
    assert files.read_bytes(path, Limits()) == NEW


def test_a_file_that_never_rests_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(OLD)
    writes_during_reads(monkeypatch, path, [NEW, OLD] * 100)
    (problem,) = read_file(path).problems
    assert problem.message == "the file cannot be read: it changed each time while it was read"
    assert read_file(path).objects == ()


def test_a_change_that_file_times_are_too_coarse_to_show_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File times move in steps of some milliseconds: two writes within one leave the same time."""
    path = tmp_path / "a.yaml"
    path.write_bytes(OLD)
    monkeypatch.setattr(files, "_identity", lambda _: (0, 0, 0))
    writes_during_reads(monkeypatch, path, [NEW])
    assert files.read_bytes(path, Limits()) == NEW


def test_a_file_too_large_by_its_size_is_not_read_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    path.touch()
    os.truncate(path, 1 << 40)
    monkeypatch.setattr(os, "pread", lambda *_: pytest.fail("it was read"))
    with pytest.raises(SyntaxFault, match="too large"):
        files.read_bytes(path, Limits())


def test_a_file_that_says_nothing_of_its_size_is_cut_at_the_limit() -> None:
    """Files of procfs have size 0 and any length."""
    with pytest.raises(SyntaxFault, match="at most 100 bytes"):
        files.read_bytes(Path("/proc/self/smaps"), Limits(max_file_bytes=100))
