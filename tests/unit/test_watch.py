"""Noticing changes: real files, real events, and the ways a sync tool swaps directories."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from balancer.manifests import listing, notices
from balancer.manifests.inotify import Event, flags
from balancer.manifests.notices import IDLE_SECONDS, Notices
from balancer.manifests.spots import Spot, find_spots
from balancer.manifests.watch import ENOUGH_WAITING, SECOND_TRY_SECONDS, Inbox, Wake, Watcher

PATIENCE_SECONDS = 10.0
QUIET_SECONDS = 0.15


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

    def heard(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    def silent(self) -> bool:
        return not self.heard(QUIET_SECONDS)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Listings that need no seconds."""
    monkeypatch.setattr(listing, "LISTING_SECONDS", 0.1)
    monkeypatch.setattr(notices, "TICK_SECONDS", 0.1)


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


def test_a_file_open_for_writing_is_not_read_before_it_is_closed(tmp_path, watch, bell):
    """Its first half may well be a valid manifest with fewer objects."""
    file = tmp_path / "a.yaml"
    file.write_text("old")
    watcher = watch(tmp_path)
    read = watcher.whole(Path.read_bytes)
    with file.open("w") as stream:
        stream.write("half")
        stream.flush()
        assert bell.silent()
        with pytest.raises(OSError, match="written to"):
            read(file)
        (tmp_path / "b.yaml").write_text("other")
        assert bell.rung()
        assert read(tmp_path / "b.yaml") == b"other"
        stream.write(" whole")
    assert bell.rung()
    assert read(file) == b"half whole"


def test_a_file_that_is_open_is_known_by_any_of_its_names(tmp_path, watch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    file = tmp_path / "link" / "a.yaml"
    watcher = watch(tmp_path / "link", file)
    with file.open("w") as stream:
        stream.write("half")
        stream.flush()
        time.sleep(QUIET_SECONDS)
        with pytest.raises(OSError, match="written to"):
            watcher.whole(Path.read_bytes)(file)


def test_it_is_busy_while_a_temporary_is_written_and_wakes_when_that_ends(tmp_path, watch, bell):
    watcher = watch(tmp_path)
    assert not watcher.is_busy()
    with (tmp_path / ".a.yaml.x1").open("w") as stream:
        stream.write("half")
        stream.flush()
        bell.settle()
        assert watcher.is_busy()
        watcher.look_again()
        assert bell.silent()
    assert bell.rung()
    assert not watcher.is_busy()


def test_links_of_both_kinds_are_no_files_being_written(tmp_path, watch, bell):
    """They are made at once, and no closing follows."""
    (tmp_path / "a.yaml").write_text("a")
    watcher = watch(tmp_path)
    (tmp_path / "soft").symlink_to("a.yaml")
    (tmp_path / "hard").hardlink_to(tmp_path / "a.yaml")
    assert bell.rung()
    assert not watcher.is_busy()


def test_asking_to_look_again_when_it_is_quiet_wakes(tmp_path, watch, bell):
    watch(tmp_path).look_again()
    assert bell.rung()


@pytest.fixture
def listing_of(tmp_path, monkeypatch):
    """A listing of tmp_path that a test makes step by step."""
    monkeypatch.setattr(listing, "LISTING_SECONDS", 0)
    return listing.Listing([tmp_path])


def test_a_listing_waits_until_a_file_is_left_alone(tmp_path, listing_of):
    file = tmp_path / "a.yaml"
    for part in ("a", "ab", "abc"):
        file.write_text(part)
        assert not listing_of.wait()
        assert listing_of.is_written(file)
    assert listing_of.wait()
    assert not listing_of.is_written(file)
    assert not listing_of.wait()


def test_a_file_without_rest_does_not_hide_the_others_in_a_listing(tmp_path, listing_of):
    woken = []
    (tmp_path / "b.yaml").write_text("b")
    for number in range(listing.LONGEST_WAIT_LISTINGS):
        (tmp_path / "a.yaml").write_text("x" * number)
        woken.append(listing_of.wait())
    assert woken[-1]
    assert (listing_of.is_written(tmp_path / "a.yaml"), listing_of.is_written(tmp_path / "b.yaml")) == (
        True,
        False,
    )


@pytest.fixture
def log(caplog):
    """What the watcher logs."""
    caplog.set_level(logging.INFO, "balancer.watch")
    logging.getLogger("balancer").propagate = True
    return caplog


@pytest.fixture
def full(monkeypatch):
    """An errno that every new watch fails with while it is set."""
    errors: list[int] = []
    add = notices.INotify.add_watch

    def add_watch(self, path, mask):
        if errors:
            raise OSError(errors[0], os.strerror(errors[0]))
        return add(self, path, mask)

    monkeypatch.setattr(notices.INotify, "add_watch", add_watch)
    return errors


@pytest.mark.parametrize("when", ["start", "later"])
def test_too_many_watches_fall_back_to_listing_and_back(tmp_path, bell, log, full, when):
    clock = Ticker()
    full += [errno.ENOSPC] if when == "start" else []
    watcher = Watcher([tmp_path], bell, clock=clock)
    watcher.start()
    (tmp_path / "deep").mkdir()
    assert bell.rung()
    full[:] = [errno.ENOSPC]
    watcher.refresh()
    (tmp_path / "deep" / "a.yaml").write_text("a")
    assert bell.rung()
    assert [record.levelname for record in log.records] == ["WARNING"]
    assert "max_user_watches" in log.text
    full.clear()
    clock.now = SECOND_TRY_SECONDS
    watcher.refresh()
    assert "by events again" in log.text
    bell.settle()
    (tmp_path / "deep" / "a.yaml").write_text("b")
    assert bell.rung()
    watcher.stop()


def test_no_inotify_instance_falls_back_too(tmp_path, watch, bell, log, monkeypatch):
    def none_left():
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(notices, "INotify", none_left)
    watch(tmp_path)
    (tmp_path / "a.yaml").write_text("a")
    assert bell.rung()
    assert "max_user_instances" in log.text


class Told:
    """An inotify instance that says what a test tells it to. `numbers` are the watches by path."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._events: list[Event] = []

    def add_watch(self, path: str, _mask: int) -> int:
        return self.numbers.setdefault(path, len(self.numbers) + 1)

    def tell(self, number: int, mask: int, name: str = "") -> None:
        self._events.append(Event(number, mask, name))

    def read(self, **_timeout: int) -> list[Event]:
        events, self._events = self._events, []
        return events


@pytest.fixture
def told(monkeypatch):
    made = Told()
    monkeypatch.setattr(notices, "INotify", lambda: made)
    return made


def test_lost_events_count_as_a_change_and_directories_are_looked_for_again(tmp_path, told):
    """inotify(7): after IN_Q_OVERFLOW nothing is known of what happened."""
    source = Notices([tmp_path], clock=Ticker())
    (tmp_path / "deep").mkdir()
    source.refresh()
    assert str(tmp_path / "deep") not in told.numbers
    told.tell(-1, flags.Q_OVERFLOW)
    assert source.wait()
    source.refresh()
    assert str(tmp_path / "deep") in told.numbers


@pytest.fixture
def half_written(tmp_path, told):
    """A source that was told of a file being written to, long ago, and the file and the clock."""
    file, clock = tmp_path / "a.yaml", Ticker()
    file.touch()
    source = Notices([tmp_path], clock=clock)
    told.tell(told.numbers[str(tmp_path)], flags.MODIFY, file.name)
    assert not source.wait()
    assert source.is_written(file)
    clock.now += IDLE_SECONDS + 1
    return source, file, clock


def test_a_writer_that_stalls_is_waited_for_while_it_has_the_file_open(half_written):
    source, file, clock = half_written
    with file.open("a"):
        assert not source.wait()
        assert source.is_written(file)
    clock.now += IDLE_SECONDS + 1
    assert source.wait()
    assert not source.is_written(file)


def test_a_file_that_was_cut_without_being_opened_is_free_after_a_while(half_written):
    """truncate(2) is a change that no closing follows."""
    source, file, _clock = half_written
    assert source.wait()
    assert not source.is_written(file)


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


def test_a_flood_takes_bounded_memory_and_signals_still_come_through():
    inbox = inbox_of(*[Wake.CHANGE] * (ENOUGH_WAITING + 5), Wake.STOP)
    taken = 0
    while inbox.get(0.0) is Wake.CHANGE:
        taken += 1
    assert taken == ENOUGH_WAITING


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
