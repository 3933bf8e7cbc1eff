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


def test_ids_start_at_one_by_rising_key() -> None:
    """Entry 0 counts what has no frontend."""
    assert assign_counters([b"b", b"a"], Actual(), 10) == {b"a": 1, b"b": 2}


def test_lowest_free_ids_are_taken_first() -> None:
    assert assign_counters([b"a", b"b", b"c"], actual_with(1, 3), 10) == {b"a": 2, b"b": 4, b"c": 5}


def test_id_outside_the_map_is_refused() -> None:
    with pytest.raises(CapacityExceeded) as caught:
        assign_counters([b"a"], actual_with(1, 2), 3)
    assert (caught.value.map_name, caught.value.need, caught.value.limit) == ("counters", 4, 3)
