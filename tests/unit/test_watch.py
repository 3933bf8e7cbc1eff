"""Noticing changes: real files, real events, and the ways a sync tool swaps directories."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from balancer.errors import HostUnfit
from balancer.manifests.watch import Inbox, Spot, Wake, Watcher, find_spots

PATIENCE_SECONDS = 10.0
QUIET_SECONDS = 0.3


class Bell:
    """Counts wake-ups; `rung()` waits for one, `silent()` tells that none comes."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.set()

    def rung(self) -> bool:
        found = self._event.wait(PATIENCE_SECONDS)
        self.settle()
        return found

    def settle(self) -> None:
        """Let late events of what was done so far pass."""
        time.sleep(QUIET_SECONDS)
        self._event.clear()

    def silent(self) -> bool:
        return not self._event.wait(QUIET_SECONDS)


@pytest.fixture
def bell():
    return Bell()


@pytest.fixture
def watch(bell):
    """Starts a watcher over the paths; every one is stopped at the end."""
    started: list[Watcher] = []

    def start(*paths: Path, poll: bool = False) -> Watcher:
        watcher = Watcher(paths, bell, poll=poll)
        watcher.start()
        started.append(watcher)
        bell.settle()
        return watcher

    yield start
    for watcher in started:
        watcher.stop()


def swap(link: Path, target: Path) -> None:
    """Point a symbolic link elsewhere in one step, as git-sync and ConfigMap mounts do."""
    new = link.with_name(link.name + ".new")
    new.symlink_to(target)
    new.rename(link)


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


def test_a_kernel_limit_names_the_way_out(tmp_path, monkeypatch):
    watcher = Watcher([tmp_path], lambda: None)

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watcher._observer, "schedule", full)
    with pytest.raises(HostUnfit) as caught:
        watcher.start()
    assert "max_user_watches" in caught.value.hint
    watcher.stop()


class Ticker:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def inbox_of(*wakes: Wake, quiet: float = 0.0) -> Inbox:
    inbox = Inbox(clock=Ticker(), quiet_seconds=quiet)
    for wake in wakes:
        inbox.put(wake)
    return inbox


@pytest.mark.parametrize(
    ("wakes", "first"),
    [
        ([], Wake.TIMER),
        ([Wake.CHANGE] * 500, Wake.CHANGE),
        ([Wake.CHANGE, Wake.RELOAD, Wake.CHANGE], Wake.RELOAD),
        ([Wake.CHANGE, Wake.STOP, Wake.CHANGE], Wake.STOP),
    ],
)
def test_a_burst_is_one_wake_up(wakes, first):
    assert inbox_of(*wakes).next(0.0) is first


def test_the_loop_waits_until_it_is_quiet():
    inbox = Inbox(clock=time.monotonic, quiet_seconds=0.2)
    inbox.put(Wake.CHANGE)
    later = threading.Timer(0.1, inbox.put, [Wake.CHANGE])
    later.start()
    began = time.monotonic()
    assert inbox.next(5.0) is Wake.CHANGE
    assert time.monotonic() - began >= 0.28
    assert inbox.next(0.0) is Wake.TIMER


def test_changes_without_end_do_not_hold_a_pass_back():
    clock = Ticker()
    inbox = Inbox(clock=clock, quiet_seconds=0.1)
    get = inbox.get

    def busy(seconds: float) -> Wake | None:
        clock.now += 0.05
        inbox.put(Wake.CHANGE)
        return get(seconds)

    inbox.get = busy  # type: ignore[method-assign]
    assert inbox.next(5.0) is Wake.CHANGE
    assert clock.now <= 1.0


def test_nothing_is_watched_outside_the_paths(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    recursive = {spot.directory for spot in find_spots([tmp_path / "in"]) if spot.recursive}
    assert recursive == {os.path.realpath(tmp_path / "in")}
