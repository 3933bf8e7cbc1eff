"""Files that are replaced as a whole, and what becomes of one that cannot be trusted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from balancer import durable
from balancer.errors import HostError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "lib" / "state.json"
    durable.write(made, 3, "first\ntext")
    return made


def test_what_was_written_is_read(path: Path) -> None:
    assert durable.read(path, 3) == "first\ntext"
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_text(tmp_path: Path) -> None:
    assert durable.read(tmp_path / "none", 3) is None


@pytest.mark.parametrize("at", [0, 20, -20, -2])
def test_a_flipped_bit_is_damage(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(durable.Damaged):
        durable.read(path, 3)


def test_every_shorter_file_is_damage(path: Path) -> None:
    """A write that was torn by a power failure; only the last newline may be missing."""
    raw = path.read_bytes()
    for length in range(len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(durable.Damaged):
            durable.read(path, 3)


def test_another_version_is_not_read(path: Path) -> None:
    with pytest.raises(durable.Damaged, match="of version 3, expected 4"):
        durable.read(path, 4)


@pytest.mark.parametrize("call", ["fsync", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_write_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(HostError, match=os.strerror(number)):
        durable.write(path, 3, "second")
    monkeypatch.undo()
    assert durable.read(path, 3) == "first\ntext"
    assert [item.name for item in path.parent.iterdir()] == ["state.json"]


def test_set_aside_it_is_kept_under_another_name(path: Path) -> None:
    raw = path.read_bytes()
    aside = durable.set_aside(path)
    assert (aside.name, aside.read_bytes()) == ("state.json.aside", raw)
    assert not path.exists()
