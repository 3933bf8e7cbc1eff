"""What the kernel tells of, played by a test: events that were lost, and closings that never come."""

from __future__ import annotations

import pytest
from watch_parts import Ticker

from balancer.manifests import notices
from balancer.manifests.heard import EVERYTHING, Heard
from balancer.manifests.inotify import Event, flags
from balancer.manifests.notices import IDLE_SECONDS, Notices


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
    assert source.wait() == EVERYTHING
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
    assert source.wait() == Heard(files=frozenset({str(file)}))
    assert not source.is_written(file)
