"""Free slots and counters, taken and given back in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from balancer.plan.free import FreeCounters, FreeSlots

SIZE = 24
STEPS = st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=40)


@given(STEPS)
def test_no_slot_is_given_out_twice_and_none_is_lost(steps: list[tuple[bool, int]]) -> None:
    slots, taken = FreeSlots([(0, SIZE)]), dict[int, int]()
    for take, length in steps:
        if take:
            base = slots.take(length)
            if base is not None:
                assert base + length <= SIZE
                taken[base] = length
        elif taken:
            base = sorted(taken)[length % len(taken)]
            slots.give(base, taken.pop(base))
        used = [
            slot for base, length in (*taken.items(), *slots.runs()) for slot in range(base, base + length)
        ]
        assert sorted(used) == list(range(SIZE))


@given(STEPS)
def test_runs_side_by_side_are_one(steps: list[tuple[bool, int]]) -> None:
    """So that as long a list fits as there is room for."""
    slots, taken = FreeSlots([(0, SIZE)]), list[tuple[int, int]]()
    for _, length in steps:
        base = slots.take(length)
        taken += [(base, length)] if base is not None else []
    for base, length in taken:
        slots.give(base, length)
    assert slots.runs() == [(0, SIZE)]


def test_the_shortest_run_that_fits_is_taken() -> None:
    slots = FreeSlots([(0, 3), (10, 2), (20, 5)])
    assert [slots.take(2), slots.take(4), slots.take(4), slots.take(3)] == [10, 20, None, 0]


@given(st.sets(st.integers(2, 40)), st.lists(st.booleans(), max_size=40))
def test_the_lowest_counter_is_taken_and_none_twice(taken: set[int], steps: list[bool]) -> None:
    counters, used = FreeCounters(taken), set(taken)
    for take in steps:
        if take:
            number = counters.take()
            assert number == min(set(range(2, 100)) - used)
            used.add(number)
        elif used:
            counters.give(number := max(used))
            used.remove(number)


def test_a_counter_far_out_costs_nothing() -> None:
    """What stands in a damaged map is no reason to count up to it."""
    counters = FreeCounters([1 << 31, 2])
    assert [counters.take(), counters.take()] == [3, 4]
