"""Wake-ups: many are one, signals win, and a pass waits until it is quiet but not for ever."""

from __future__ import annotations

import pytest
from watch_parts import Ticker

from balancer.manifests.watch import ENOUGH_WAITING, Inbox, Wake


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
    """After each change for the quiet time, which begins anew with the next one."""
    clock, waits = Ticker(), []
    inbox = Inbox(clock=clock, quiet_seconds=0.2)
    come = iter([Wake.CHANGE, Wake.CHANGE, None])

    def get(seconds: float) -> Wake | None:
        waits.append(seconds)
        wake = next(come)
        clock.now += 0.1 if wake else seconds
        return wake

    inbox.get = get  # type: ignore[method-assign]
    assert inbox.next(5.0) is Wake.CHANGE
    assert waits == [5.0, 0.2, 0.2]


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
