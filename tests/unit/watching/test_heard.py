"""What a watcher tells of where files changed: names where it knows them, and more where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness.patience import until

from balancer.manifests.heard import EVERYTHING, NOTHING, Heard
from balancer.manifests.watch import Watcher


@pytest.fixture
def quiet(watch, bell):
    """A watcher that told all it had to."""

    def start(*paths: Path, poll: bool = False) -> Watcher:
        watcher = watch(*paths, poll=poll)
        watcher.refresh()
        watcher.heard()
        bell.settle()
        return watcher

    return start


def heard(watcher: Watcher, bell) -> Heard:
    assert bell.rung()
    return watcher.heard()


def names(*paths: Path) -> Heard:
    return Heard(files=frozenset(map(str, paths)))


def test_at_first_it_is_everything_and_then_nothing(tmp_path, watch):
    watcher = watch(tmp_path)
    assert [watcher.heard(), watcher.heard()] == [EVERYTHING, NOTHING]


def test_files_are_told_by_name(tmp_path, quiet, bell):
    (tmp_path / "sub").mkdir()
    old = tmp_path / "sub/old.yaml"
    old.write_text("a")
    watcher = quiet(tmp_path)
    (tmp_path / "new.yaml").write_text("b")
    old.rename(tmp_path / "sub/moved.yaml")
    assert heard(watcher, bell) == names(tmp_path / "new.yaml", old, tmp_path / "sub/moved.yaml")
    (tmp_path / "new.yaml").unlink()
    (tmp_path / "sub/moved.yaml").chmod(0o600)
    assert heard(watcher, bell) == names(tmp_path / "new.yaml", tmp_path / "sub/moved.yaml")


def test_names_are_real_ones_behind_a_link(tmp_path, quiet, bell):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    watcher = quiet(tmp_path / "link")
    (tmp_path / "real/a.yaml").write_text("a")
    assert heard(watcher, bell) == names(tmp_path / "real/a.yaml")


def test_a_file_path_is_told_by_its_name(tmp_path, quiet, bell):
    (tmp_path / "a.yaml").write_text("a")
    watcher = quiet(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("b")
    (tmp_path / "b.yaml").replace(tmp_path / "a.yaml")
    assert heard(watcher, bell) == names(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "deed",
    [
        lambda top: (top / "more").mkdir(),
        lambda top: (top / "sub").rename(top / "other"),
        lambda top: (top / "sub").rename(top.parent / "away"),
        lambda top: (top / "sub").rmdir(),
        lambda top: (top / "sub").chmod(0o700),
        lambda top: top.rename(top.parent / "away"),
        lambda top: (top.parent / "link").rename(top.parent / "away"),
    ],
)
def test_directories_mean_that_others_may_have_changed(tmp_path, quiet, bell, deed):
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("top")
    watcher = quiet(tmp_path / "link")
    deed(top)
    told = heard(watcher, bell)
    assert told.elsewhere or str(tmp_path / "link") in told.files
    assert not told.lost


def test_what_is_being_written_is_told_as_long_as_it_is(tmp_path, quiet, bell):
    watcher = quiet(tmp_path)
    with (tmp_path / "a.yaml").open("w") as file:
        file.write("half")
        file.flush()
        until(watcher.heard, "nothing is told", pause=0.01)
        assert watcher.heard() == names(tmp_path / "a.yaml")
    assert heard(watcher, bell) == names(tmp_path / "a.yaml")
    assert watcher.heard() == NOTHING


def test_a_listing_is_no_reason_to_trust_anything(tmp_path, quiet):
    assert quiet(tmp_path, poll=True).heard() == EVERYTHING


def test_what_no_event_told_of_means_that_others_may_have_changed(tmp_path, quiet, monkeypatch):
    """A file system that is mounted on the directory shows other files, and inotify is silent."""
    watcher = quiet(tmp_path)
    stat, other = os.stat, tmp_path.parent
    monkeypatch.setattr(
        os, "stat", lambda path, **how: stat(other if str(path) == str(tmp_path) else path, **how)
    )
    watcher.refresh()
    monkeypatch.undo()
    assert watcher.heard().elsewhere


def test_a_directory_that_is_there_twice_has_no_names(tmp_path, quiet, bell, monkeypatch):
    """Of one that is mounted in two places the kernel tells once, and nobody knows by which path it was written to."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    stat = os.stat
    same = {str(tmp_path / "two"): tmp_path / "one"}
    monkeypatch.setattr(os, "stat", lambda path, **how: stat(same.get(str(path), path), **how))
    watcher = quiet(tmp_path)
    for name in ("one", "two"):  # one of which the pretended double of the other is
        (tmp_path / name / "a.yaml").write_text("a")
    assert heard(watcher, bell).elsewhere


def test_asking_to_look_again_is_about_anything(tmp_path, quiet, bell):
    watcher = quiet(tmp_path)
    watcher.look_again()
    assert heard(watcher, bell).elsewhere
