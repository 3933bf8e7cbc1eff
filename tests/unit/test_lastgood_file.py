"""The file of last good contents: whole, checked, and nobody else's business."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from balancer.durable import Damaged
from balancer.errors import HostError
from balancer.lastgood.database import Content, Key, LastGoodFile

A, B = Key("/etc/manifests", "a.yaml"), Key("/etc/manifests", "sub/b.yaml")
ONE, TWO = Content.of(b"kind: List\n" * 100), Content.of(b"\xff not text")


@pytest.fixture
def kept(tmp_path: Path) -> LastGoodFile:
    """Two contents are in it."""
    made = LastGoodFile(tmp_path / "lib" / "state.json.lastgood")
    made.save({A: ONE.sha256, B: TWO.sha256}, {A: ONE, B: TWO})
    return made


def execute(kept: LastGoodFile, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(kept.path)) as database, database:
        database.execute(statement, values)


def test_contents_come_back_byte_by_byte(kept: LastGoodFile) -> None:
    found = kept.load()
    assert {key: content.unpack() for key, content in found.items()} == {A: ONE.unpack(), B: b"\xff not text"}


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert LastGoodFile(tmp_path / "none").load() == {}
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_wanted_any_more_is_removed(kept: LastGoodFile) -> None:
    kept.save({B: TWO.sha256}, {})
    assert kept.load() == {B: TWO}


def test_a_change_touches_what_it_names_alone(kept: LastGoodFile) -> None:
    other = Key("/etc/manifests", "c.yaml")
    kept.change({other: TWO, B: ONE}, [A], {A: ONE.sha256, B: TWO.sha256})
    assert kept.load() == {B: ONE, other: TWO}


@pytest.mark.parametrize(
    ("statement", "put", "gone"),
    [
        ("DELETE FROM files WHERE name = CAST('a.yaml' AS BLOB)", {B: ONE}, []),
        ("UPDATE files SET sha256 = 'x' WHERE name = CAST('a.yaml' AS BLOB)", {}, [A]),
        ("UPDATE files SET sha256 = 'x' WHERE name = CAST('a.yaml' AS BLOB)", {A: TWO}, []),
        ("INSERT INTO files VALUES (x'00', x'00', '', '', '')", {B: ONE}, []),
        ("DROP TABLE files", {B: ONE}, []),
    ],
)
def test_a_change_of_something_else_than_what_was_written_is_refused(
    kept: LastGoodFile, statement: str, put: dict[Key, Content], gone: list[Key]
) -> None:
    execute(kept, statement)
    before = kept.path.read_bytes()
    with pytest.raises(Damaged):
        kept.change(put, gone, {A: ONE.sha256, B: TWO.sha256})
    assert kept.path.read_bytes() == before


def test_only_the_owner_may_read_it(kept: LastGoodFile) -> None:
    """Exports of a whole namespace may hold Secrets, which nothing else here ever reads."""
    assert kept.path.stat().st_mode & 0o777 == 0o600


def test_names_need_not_be_text(kept: LastGoodFile) -> None:
    odd = Key("/etc/manifests", os.fsdecode(b"\xff.yaml"))
    kept.save({odd: ONE.sha256}, {odd: ONE})
    assert kept.load() == {odd: ONE}


@pytest.mark.parametrize("part", ["root", "name", "content", "seal"])
def test_a_changed_byte_anywhere_in_a_row_is_noticed(kept: LastGoodFile, part: str) -> None:
    execute(kept, f"UPDATE files SET {part} = ? WHERE name = ?", b"other", b"a.yaml")
    with pytest.raises(Damaged, match="checksum"):
        kept.load()


@pytest.mark.parametrize(
    "raw", [b"garbage" * 1000, b"SQLite format 3\0" + b"\0" * 4080], ids=["garbage", "header alone"]
)
def test_a_file_that_is_none_of_ours_is_damaged(kept: LastGoodFile, raw: bytes) -> None:
    kept.path.write_bytes(raw)
    with pytest.raises(Damaged):
        kept.load()


def test_a_torn_file_is_damaged(kept: LastGoodFile) -> None:
    kept.path.write_bytes(kept.path.read_bytes()[:-4096])
    with pytest.raises(Damaged):
        kept.load()


def test_damage_where_no_content_is_counts_too(kept: LastGoodFile) -> None:
    """The next change would spread it."""
    with closing(sqlite3.connect(kept.path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE type = 'index'").fetchone()
    raw = bytearray(kept.path.read_bytes())
    raw[(page - 1) * 4096 : page * 4096] = bytes(4096)
    kept.path.write_bytes(raw)
    with pytest.raises(Damaged):
        kept.load()


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 9", "DROP TABLE files"])
def test_another_version_is_not_used(kept: LastGoodFile, statement: str) -> None:
    execute(kept, statement)
    with pytest.raises(Damaged):
        kept.load()
    with pytest.raises(Damaged):
        kept.save({A: TWO.sha256}, {A: TWO})


def test_contents_that_are_missing_are_noticed(kept: LastGoodFile) -> None:
    """Else a directory that is away later would come back in part."""
    execute(kept, "DELETE FROM files WHERE name = ?", b"a.yaml")
    with pytest.raises(Damaged, match="missing"):
        kept.save({A: ONE.sha256, B: ONE.sha256}, {B: ONE})
    assert kept.load() == {B: TWO}


def test_set_aside_it_is_kept_and_a_new_one_begins(kept: LastGoodFile) -> None:
    raw = kept.path.read_bytes()
    aside = kept.set_aside()
    assert aside.read_bytes() == raw
    kept.save({A: TWO.sha256}, {A: TWO})
    assert kept.load() == {A: TWO}


def test_a_change_in_the_middle_of_which_the_process_died_is_undone(kept: LastGoodFile) -> None:
    """The journal of the change is still there, and the next reader goes back by it."""
    pid = os.fork()
    if pid == 0:
        database = sqlite3.connect(kept.path, isolation_level=None)
        database.execute("PRAGMA cache_size = 1")  # so that pages are written before the end
        database.execute("BEGIN")
        for number in range(2000):
            values = (b"r", b"%d" % number, "", bytes(1000), b"")
            database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", values)
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert kept.path.with_name(kept.path.name + "-journal").stat().st_size > 0
    assert kept.load() == {A: ONE, B: TWO}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot write the last good content") as caught:
        LastGoodFile(tmp_path / "file" / "x").save({A: ONE.sha256}, {A: ONE})
    assert not isinstance(caught.value, Damaged)


def test_one_that_somebody_else_holds_is_an_error_and_not_damage(
    kept: LastGoodFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balancer.lastgood.database._LOCK_SECONDS", 0.01)
    with closing(sqlite3.connect(kept.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(HostError, match="locked") as caught:
            kept.load()
    assert not isinstance(caught.value, Damaged)
