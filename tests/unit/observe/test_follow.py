"""Following: sampling, limits, losses, renewal, and names that are read again."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from event_records import POD_CGROUP, FakeFinder, FakeSource, raw

from balancer import state
from balancer.desired.types import FrontendKind
from balancer.errors import NotLoaded
from balancer.kernel.reasons import Reason
from balancer.kernel.ring import RawEvent
from balancer.model.service import Protocol
from balancer.observe.event import Wanted
from balancer.observe.follow import LOOK_AT_NAMES_SECONDS, Follower, Limits, NamesFile
from balancer.observe.follow_switch import KeptOn
from balancer.observe.names import Names
from balancer.state import Label, State
from balancer.views_event import Event, Lost, Summary


class Time:
    """A clock that only sleeping moves; `ends` is when the follower is told to stop."""

    def __init__(self, ends: float) -> None:
        self.seconds = 0.0
        self.ends = ends

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def stopped(self) -> bool:
        return self.seconds >= self.ends


def _follower(source: FakeSource, wanted: Wanted, clock: Time, limits: Limits) -> Follower:
    return Follower(
        source=source,
        finder=FakeFinder(),
        command=lambda _pid, thread, _time: thread,
        names=lambda: Names(State()),
        wanted=wanted,
        limits=limits,
        stopped=clock.stopped,
        clock=lambda: clock.seconds,
        sleep=clock.sleep,
    )


def _follow(
    source: FakeSource, wanted: Wanted | None = None, *, ends: float = 1.0, **limits: float
) -> list[Event | Lost | Summary]:
    follower = _follower(source, wanted or Wanted(), Time(ends), Limits(**limits))  # type: ignore[arg-type]
    return [item for items in follower.run() for item in items]


def _summary(items: list[Event | Lost | Summary]) -> Summary:
    assert isinstance(items[-1], Summary)
    return items[-1]


def test_events_and_a_summary() -> None:
    items = _follow(FakeSource([raw(), raw(cgroup=12)], [raw(reason=Reason.REFUSED)]))
    assert [type(item) for item in items] == [Event, Event, Event, Summary]
    assert (_summary(items).seen, _summary(items).shown) == (3, 3)


def test_what_comes_with_the_end_is_still_shown() -> None:
    assert len(_follow(FakeSource([raw()]), ends=0)) == 2


def test_one_of_a_sample_is_shown_and_all_are_counted() -> None:
    items = _follow(FakeSource([raw()] * 7), sample=3)
    assert len(items) == 4
    assert (_summary(items).matched, _summary(items).shown) == (7, 3)


def test_it_ends_after_so_many() -> None:
    items = _follow(FakeSource([raw()] * 5, [raw()] * 5), ends=60, count=3)
    assert (len(items), _summary(items).seconds) == (4, 0)


def test_it_ends_after_so_long() -> None:
    assert _summary(_follow(FakeSource(), ends=60, seconds=2.0)).seconds == pytest.approx(2.0)


def test_what_does_not_match_is_seen_and_not_counted() -> None:
    summary = _summary(_follow(FakeSource([raw(), raw(comm="wget")]), Wanted(commands=("wget",))))
    assert (summary.seen, summary.matched) == (2, 1)


def test_losses_are_told_when_they_happen_and_at_the_end() -> None:
    """At once the first time, then once a second, and nothing is left untold."""
    source = FakeSource(losses=[0, 5, 6, 7, 7, 9])
    lost = [item for item in _follow(source, ends=0.2) if isinstance(item, Lost)]
    assert [(item.lost, item.total) for item in lost] == [(5, 5), (2, 7)]


def test_seconds_in_which_nothing_was_told_are_told() -> None:
    source = FakeSource([raw()])
    source.unheard = 4.5
    _, lost, summary = _follow(source, ends=0.1)
    assert isinstance(lost, Lost)
    assert (lost.lost, lost.unheard_seconds) == (0, 4.5)
    assert isinstance(summary, Summary)
    assert summary.unheard_seconds == 4.5


def test_programs_that_go_end_it_with_a_summary() -> None:
    class Going(FakeSource):
        def drain(self) -> Sequence[RawEvent]:
            if not self.batches:
                raise NotLoaded("nothing is attached any more")
            return super().drain()

    items: list[Event | Lost | Summary] = []
    follower = _follower(Going([raw()]), Wanted(), Time(60), Limits())
    with pytest.raises(NotLoaded):  # noqa: PT012 - what came before it counts
        for part in follower.run():
            items += part
    assert [type(item) for item in items] == [Event, Summary]


class Listening:
    """A listener that notes its renewals; `failure` is what they raise."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.renewed = 0
        self.failure = failure
        self.lost = 0

    def drain(self) -> Sequence[RawEvent]:
        return [raw()]

    def renew(self) -> None:
        self.renewed += 1
        if self.failure:
            raise self.failure


def test_the_switch_is_renewed_while_nobody_looks() -> None:
    """Whoever reads the output may take long; the switch must not run out meanwhile."""
    listening = Listening()
    with KeptOn(listening, every=0.001):
        deadline = time.monotonic() + 60
        while listening.renewed < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
    assert listening.renewed >= 3


def test_what_a_renewal_raises_is_raised_where_it_is_read() -> None:
    source = KeptOn(Listening(NotLoaded("gone")))
    assert len(source.drain()) == 1
    source.renew()
    with pytest.raises(NotLoaded):
        source.drain()


def test_a_late_renewal_says_how_long_nothing_was_told() -> None:
    """A process that was stopped renews late; the switch had run out."""
    clock = Time(60)
    source = KeptOn(Listening(), clock=lambda: clock.seconds)
    for seconds in (1.0, 3.0, 3.5, 10.0):
        clock.seconds += seconds
        source.renew()
    assert source.unheard == pytest.approx(0.5 + 7.0)


def _save(path: Path, name: str) -> None:
    label = Label(FrontendKind.CLUSTER_IP, f"Service default/{name}", "", "a.yaml:1", "g")
    state.save(path, State(labels={"10.96.0.1:80/TCP": label}))


def _object(names: Names) -> str:
    from ipaddress import ip_address

    return names.decider(ip_address("10.96.0.1"), 80, Protocol.TCP, Reason.FORWARDED).object


def test_names_follow_the_state_file(tmp_path: Path) -> None:
    clock = Time(60)
    path = tmp_path / "state.json"
    file = NamesFile(path, clock=lambda: clock.seconds)
    assert _object(file.names()) == ""
    for name in ("web", "api"):
        _save(path, name)
        clock.seconds += LOOK_AT_NAMES_SECONDS
        assert _object(file.names()) == f"Service default/{name}"


def test_names_are_read_only_when_they_changed(tmp_path: Path) -> None:
    clock = Time(60)
    path = tmp_path / "state.json"
    _save(path, "web")
    file = NamesFile(path, clock=lambda: clock.seconds)
    first = file.names()
    clock.seconds += 10
    os.utime(path)  # the outcome of an idle pass
    assert file.names() is first


def test_a_damaged_state_file_costs_names_only(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.names_path(path).write_text("{")
    file = NamesFile(path)
    assert (_object(file.names()), "damaged" in file.warning) == ("", True)


def test_a_process_nobody_can_find_is_unknown() -> None:
    (event, _) = _follow(FakeSource([raw(cgroup=POD_CGROUP + 100)]))
    assert isinstance(event, Event)
    assert event.client.where == "unknown"
