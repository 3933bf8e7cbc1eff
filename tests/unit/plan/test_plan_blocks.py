"""Placing lists of backends in slots."""

from __future__ import annotations

import pytest
from plan_builders import live

from balancer.errors import CapacityExceeded
from balancer.plan.actual import Actual
from balancer.plan.blocks import free_ranges, place


def block(letter: str, length: int) -> tuple[bytes, ...]:
    return tuple(f"{letter}{number}".encode() for number in range(length))


def actual_with(**blocks: tuple[int, int]) -> Actual:
    """Live blocks by letter as (first slot, length)."""
    return Actual(blocks={run: block(letter, run[1]) for letter, run in blocks.items()})


def test_free_ranges_lie_between_live_blocks() -> None:
    actual = actual_with(a=(2, 3), b=(8, 1))
    assert free_ranges(actual, 10) == [(0, 2), (5, 3), (9, 1)]


def test_nothing_live_leaves_the_whole_map() -> None:
    assert free_ranges(Actual(), 10) == [(0, 10)]
    assert free_ranges(live(), 10) == [(0, 10)]


def test_overlapping_ranges_count_once() -> None:
    assert free_ranges(actual_with(a=(0, 6), b=(2, 2), c=(4, 4)), 10) == [(8, 2)]


def test_first_free_run_that_fits_is_taken() -> None:
    actual = actual_with(a=(2, 3), b=(8, 1))
    wanted = block("x", 3)
    assert place([wanted], actual, 20).base_of[wanted] == 5


def test_longer_lists_are_placed_first_in_any_order_given() -> None:
    small, large = block("s", 1), block("l", 4)
    there = place([small, large], Actual(), 20)
    assert there == place([large, small], Actual(), 20)
    assert there.new == ((0, large), (4, small))


def test_smaller_lists_fill_gaps_that_larger_ones_left() -> None:
    actual = actual_with(a=(1, 2))
    placed = place([block("l", 2), block("s", 1)], actual, 20)
    assert placed.new == ((0, block("s", 1)), (3, block("l", 2)))


def test_list_that_is_live_is_shared_and_not_written() -> None:
    placed = place([block("a", 3)], actual_with(a=(2, 3)), 20)
    assert placed.base_of[block("a", 3)] == 2
    assert placed.new == ()


def test_empty_list_takes_no_slots() -> None:
    placed = place([()], Actual(), 0)
    assert (placed.base_of[()], placed.new) == (0, ())


def test_old_and_new_blocks_have_to_fit_side_by_side() -> None:
    actual = actual_with(a=(0, 6))
    with pytest.raises(CapacityExceeded) as caught:
        place([block("x", 5)], actual, 10)
    assert (caught.value.map_name, caught.value.need, caught.value.limit) == ("slots", 11, 10)


def test_fragmented_slots_name_the_size_that_would_do() -> None:
    """Three slots are free but not in one piece."""
    actual = actual_with(a=(1, 1), b=(3, 1))
    with pytest.raises(CapacityExceeded) as caught:
        place([block("x", 2)], actual, 5)
    assert caught.value.need == 6
    assert place([block("x", 2)], actual, 6).new == ((4, block("x", 2)),)
