"""Giving out entries of the counters map."""

from __future__ import annotations

import pytest

from balancer.errors import CapacityExceeded
from balancer.plan.actual import Actual
from balancer.plan.counters import assign_counters
from balancer.plan.entries import FrontendEntry


def actual_with(*counters: int) -> Actual:
    return Actual(
        frontends={
            f"live{number}".encode(): FrontendEntry(0, 0, 0, 0, 0, 0, 0, number, 0, 0, 0, 0)
            for number in counters
        }
    )


def test_ids_start_after_the_reserved_ones_by_rising_key() -> None:
    """Entry 0 counts what has no frontend, entry 1 keeps what was counted for frontends that went."""
    assert assign_counters([b"b", b"a"], Actual(), 10) == {b"a": 2, b"b": 3}


def test_lowest_free_ids_are_taken_first() -> None:
    assert assign_counters([b"a", b"b", b"c"], actual_with(2, 4), 10) == {b"a": 3, b"b": 5, b"c": 6}


def test_id_outside_the_map_is_refused() -> None:
    with pytest.raises(CapacityExceeded) as caught:
        assign_counters([b"a"], actual_with(2, 3), 4)
    assert (caught.value.map_name, caught.value.need, caught.value.limit) == ("counters", 5, 4)
