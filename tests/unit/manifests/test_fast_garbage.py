"""Collecting garbage seldom, and as before afterwards."""

from __future__ import annotations

import gc

import pytest

from balancer.manifests import seldom_collected


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
