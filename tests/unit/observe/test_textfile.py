"""The file for node_exporter: whole, readable by everybody, and nothing left beside it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from balancer.errors import HostError
from balancer.observe.textfile import write_textfile


def test_everybody_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "balancer.prom"
    before = os.umask(0o077)
    try:
        write_textfile(path, b"a 1\n")
    finally:
        os.umask(before)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"a 1\n", 0o644)
    assert [item.name for item in tmp_path.iterdir()] == ["balancer.prom"]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "balancer.prom"
    contents = [bytes([letter]) * 500_000 for letter in b"ab"]
    write_textfile(path, contents[0])
    seen: set[bytes] = set()
    over = threading.Event()

    def read() -> None:
        seen.add(path.read_bytes())
        while not over.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(100):
        write_textfile(path, contents[turn % 2])
    over.set()
    reader.join()
    assert seen
    assert seen <= set(contents)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    """And what one that still writes has there stays."""
    gone, here = tmp_path / ".balancer.prom.4194305", tmp_path / ".balancer.prom.1"
    gone.touch()
    here.touch()
    write_textfile(tmp_path / "balancer.prom", b"")
    assert (gone.exists(), here.exists()) == (False, True)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file or directory") as caught:
        write_textfile(tmp_path / "missing" / "balancer.prom", b"")
    assert "--collector.textfile.directory" in caught.value.hint


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / "balancer.prom").mkdir()
    with pytest.raises(HostError, match="Is a directory"):
        write_textfile(tmp_path / "balancer.prom", b"")
    assert [item.name for item in tmp_path.iterdir()] == ["balancer.prom"]
