"""Noticing changes: real files, real events, and the ways a sync tool swaps directories."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from watch_parts import swap

from balancer.manifests.spots import Spot, find_spots


@pytest.mark.parametrize("poll", [False, True])
def test_every_kind_of_change_wakes(tmp_path, watch, bell, poll):
    (tmp_path / "deep").mkdir()
    watch(tmp_path, poll=poll)
    file = tmp_path / "deep" / "a.yaml"
    file.write_text("a")
    assert bell.rung()
    file.write_text("bb")
    assert bell.rung()
    file.rename(tmp_path / "b.yaml")
    assert bell.rung()
    (tmp_path / "b.yaml").unlink()
    assert bell.rung()


def test_reading_does_not_wake(tmp_path, watch, bell):
    """The loop reads after each wake-up: a read that woke it would never let it rest."""
    (tmp_path / "a.yaml").write_text("a")
    watch(tmp_path)
    (tmp_path / "a.yaml").read_text()
    list(tmp_path.iterdir())
    assert bell.silent()


def test_a_file_path_is_seen_when_replaced_and_its_neighbours_are_not(tmp_path, watch, bell):
    (tmp_path / "a.yaml").write_text("a")
    watch(tmp_path / "a.yaml")
    (tmp_path / "other.yaml").write_text("x")
    assert bell.silent()
    (tmp_path / "new").write_text("b")
    (tmp_path / "new").rename(tmp_path / "a.yaml")
    assert bell.rung()


def test_a_swapped_link_wakes_and_its_new_target_is_followed(tmp_path, watch, bell):
    """git-sync: the directory given is a link that is renamed over at each commit."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "current"
    link.symlink_to("one")
    watcher = watch(link)
    swap(link, Path("two"))
    assert bell.rung()
    watcher.refresh()
    bell.settle()
    (tmp_path / "two" / "a.yaml").write_text("a")
    assert bell.rung()
    (tmp_path / "one" / "a.yaml").write_text("a")
    assert bell.silent()


def test_a_config_map_update_wakes(tmp_path, watch, bell):
    """Kubernetes: a ConfigMap mount swaps ..data, the files are links through it."""
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(name)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    watch(tmp_path)
    swap(tmp_path / "..data", Path("..2"))
    assert bell.rung()


def test_a_directory_that_comes_goes_and_comes_back(tmp_path, watch, bell):
    path = tmp_path / "late" / "manifests"
    watcher = watch(path)
    for _ in range(2):
        path.mkdir(parents=True)
        assert bell.rung()
        watcher.refresh()
        bell.settle()
        (path / "a.yaml").write_text("a")
        assert bell.rung()
        (path / "a.yaml").unlink()
        path.rmdir()
        path.parent.rmdir()
        assert bell.rung()
        watcher.refresh()
        bell.settle()


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "self").symlink_to(".")
    assert all(isinstance(spot, Spot) for spot in find_spots([tmp_path, tmp_path / "a"]))


def test_a_large_tree_is_watched_as_it_grows(tmp_path, watch, bell):
    """A directory can have content before anyone is told that it is there."""
    watcher = watch(tmp_path)
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    assert bell.rung()
    watcher.refresh()
    bell.settle()
    (deep / "a.yaml").write_text("a")
    assert bell.rung()


def test_what_git_keeps_is_not_watched(tmp_path, watch, bell):
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    watch(tmp_path)
    (tmp_path / ".git" / "objects" / "pack").write_text("x")
    assert bell.silent()


def test_nothing_is_watched_outside_the_paths(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    recursive = {spot.directory for spot in find_spots([tmp_path / "in"]) if spot.recursive}
    assert recursive == {os.path.realpath(tmp_path / "in")}
