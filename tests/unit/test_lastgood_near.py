"""Which files are read, by what was heard and by what their directory says of them."""

from __future__ import annotations

import errno
import time
from dataclasses import replace
from pathlib import Path

import pytest
from watch_world import Reader, contents

from balancer.lastgood.content import LastGood
from balancer.lastgood.database import LastGoodFile
from balancer.manifests import scan
from balancer.manifests.heard import ELSEWHERE, EVERYTHING, MOST_FILES, NOTHING, Heard, joined
from balancer.manifests.sight import SETTLED_NANOSECONDS


class World:
    """Two files in a directory, and what was read and scanned in the last look; `now` is the clock."""

    def __init__(self, place: Path) -> None:
        self.top = place / "manifests"
        self.top.mkdir()
        for name in "ab":
            (self.top / f"{name}.yaml").write_text(name)
        self.paths = [self.top]
        self.now = time.time_ns() + 2 * SETTLED_NANOSECONDS
        self.errors: list[OSError] = []
        self.seen = None
        self.files = LastGood(
            scan=self.scan,
            read=self.read,
            parse=Reader(),
            kept=LastGoodFile(place / "kept"),
            clock=lambda: self.now,
        )

    def scan(self, paths):
        self.scans += 1
        found = scan(paths)
        return replace(found, sights=self.seen) if self.seen else found

    def read(self, file: Path) -> bytes:
        self.reads.append(file.name)
        if self.errors:
            raise self.errors.pop()
        return file.read_bytes()

    def look(self, heard: Heard):
        self.scans, self.reads = 0, []
        return self.files.refresh(self.paths, heard)

    def named(self, *names: str) -> Heard:
        return Heard(files=frozenset(str(self.top / name) for name in names))


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.look(EVERYTHING)
    return made


def test_a_named_file_is_read_and_nothing_is_scanned(world):
    (world.top / "b.yaml").write_text("other")
    assert contents(world.look(world.named("b.yaml")).files) == {"a.yaml": "a", "b.yaml": "other"}
    assert (world.scans, world.reads) == (0, ["b.yaml"])


def test_files_that_come_and_go_need_no_scan(world):
    (world.top / "sub").mkdir()
    (world.top / "sub/c.yaml").write_text("c")
    (world.top / "a.yaml").unlink()
    snapshot = world.look(world.named("a.yaml", "sub/c.yaml", ".c.yaml.tmp"))
    assert contents(snapshot.files) == {"b.yaml": "b", "c.yaml": "c"}
    assert snapshot.changed == (str(world.top / "a.yaml"), str(world.top / "sub/c.yaml"))
    assert (world.scans, world.reads) == (0, ["c.yaml"])


def test_elsewhere_means_every_file_that_looks_different(world):
    (world.top / "b.yaml").write_text("other")
    assert contents(world.look(ELSEWHERE).files) == {"a.yaml": "a", "b.yaml": "other"}
    assert (world.scans, world.reads) == (1, ["b.yaml"])
    world.look(ELSEWHERE)
    assert world.reads == []


def test_a_file_that_was_just_written_is_read_again_although_it_looks_the_same(world):
    """A write in the same step of the file system's clock leaves the same times."""
    (world.top / "b.yaml").write_text("other")
    world.now = (world.top / "b.yaml").stat().st_ctime_ns + SETTLED_NANOSECONDS
    world.look(ELSEWHERE)
    world.look(ELSEWHERE)
    assert world.reads == ["b.yaml"]


def test_a_named_file_is_read_although_it_looks_the_same(world):
    """What is written through a mapping of the file may leave its times as they are."""
    world.look(world.named("b.yaml") | ELSEWHERE)
    assert (world.scans, world.reads) == (1, ["b.yaml"])


def test_what_may_have_been_lost_is_read_whatever_it_looks_like(world):
    world.look(EVERYTHING)
    assert world.reads == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize("heard", [NOTHING, ELSEWHERE])
def test_a_file_that_could_not_be_read_is_tried_at_every_look(world, heard):
    world.errors = [PermissionError(errno.EACCES, "Permission denied")]
    assert world.look(world.named("b.yaml")).stale == (str(world.top / "b.yaml"),)
    assert world.look(heard).stale == ()
    assert world.reads == ["b.yaml"]


@pytest.mark.parametrize("name", ["/elsewhere/a.yaml", "/"])
def test_a_name_that_belongs_to_no_path_is_a_reason_to_look_at_all(world, name):
    world.look(Heard(files=frozenset({name})))
    assert world.scans == 1


def test_paths_that_share_files_are_always_scanned(world):
    world.paths = [world.top, world.top.parent]
    world.look(EVERYTHING)
    world.look(world.named("a.yaml"))
    assert world.scans == 2


def test_a_file_given_itself_is_looked_at_by_its_name(world):
    world.paths = [world.top / "a.yaml"]
    world.look(EVERYTHING)
    (world.top / "a.yaml").write_text("other")
    assert contents(world.look(world.named("a.yaml")).files) == {"a.yaml": "other"}
    assert world.scans == 0


def test_after_a_look_that_ended_with_a_fault_everything_is_read(world):
    world.errors = [ValueError("odd")]  # type: ignore[list-item]
    with pytest.raises(ValueError, match="odd"):
        world.look(world.named("b.yaml"))
    world.look(NOTHING)
    assert (world.scans, world.reads) == (1, ["a.yaml", "b.yaml"])


def test_the_last_file_of_a_path_does_not_go(world):
    """A path that is empty all of a sudden keeps what it had."""
    for file in world.top.iterdir():
        file.unlink()
    snapshot = world.look(world.named("a.yaml", "b.yaml"))
    assert contents(snapshot.files) == {"a.yaml": "a", "b.yaml": "b"}
    assert snapshot.stale == (str(world.top),)


def test_only_what_was_touched_is_saved(world, monkeypatch):
    world.files.keep(world.paths)
    saved = []
    monkeypatch.setattr(LastGoodFile, "change", lambda _, put, gone, known: saved.append((put, gone, known)))
    (world.top / "b.yaml").write_text("other")
    (world.top / "a.yaml").unlink()
    world.look(world.named("a.yaml", "b.yaml"))
    world.files.keep(world.paths)
    world.files.keep(world.paths)
    ((put, gone, _),) = saved
    assert ([key.name for key in put], [key.name for key in gone]) == (["b.yaml"], ["a.yaml"])


def test_what_could_not_be_saved_is_saved_the_next_time(world, monkeypatch):
    world.files.keep(world.paths)
    (world.top / "b.yaml").write_text("other")
    world.look(world.named("b.yaml"))
    with monkeypatch.context() as patch:
        patch.setattr(LastGoodFile, "_create", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "I/O")))
        with pytest.raises(OSError, match="I/O"):
            world.files.keep(world.paths)
    world.look(NOTHING)
    world.files.keep(world.paths)
    kept = LastGoodFile(world.top.parent / "kept").load()
    assert {key.name: content.unpack() for key, content in kept.items()} == {
        "a.yaml": b"a",
        "b.yaml": b"other",
    }


def test_too_many_names_are_no_names():
    parts = [Heard(files=frozenset({str(number)})) for number in range(MOST_FILES)]
    assert len(joined(parts).files) == MOST_FILES
    assert joined([*parts, Heard(files=frozenset({"x"}))]) == EVERYTHING
    assert not NOTHING
    assert ELSEWHERE
