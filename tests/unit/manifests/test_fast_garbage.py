"""Collecting garbage seldom, and as before afterwards."""

from __future__ import annotations

import gc
import weakref

import pytest

from balancer.manifests import seldom_collected, set_aside


def test_collected_seldom_inside_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with seldom_collected(), seldom_collected():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > 10 * before[0]
    assert gc.get_threshold() == before


def test_a_failure_inside_leaves_nothing_changed() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), seldom_collected():
        raise KeyError
    assert gc.get_threshold() == before


def test_cycles_are_still_collected_inside() -> None:
    """The reference readers leave some behind for each document."""
    gc.collect()
    alive = len(gc.get_objects())
    with seldom_collected():
        for _ in range(300_000):
            cycle: list[object] = []
            cycle.append(cycle)
        assert len(gc.get_objects()) - alive < 250_000


def test_what_was_set_aside_is_searched_at_the_next_call_only() -> None:
    class Loop:
        def __init__(self) -> None:
            self.itself = self

    left = weakref.ref(kept := Loop())
    try:
        set_aside()
        assert gc.get_freeze_count() > 0
        del kept
        gc.collect()
        assert left() is not None
        set_aside()
        assert left() is None
    finally:
        gc.unfreeze()
