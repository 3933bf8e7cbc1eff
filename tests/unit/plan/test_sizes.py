"""How large maps are made."""

from __future__ import annotations

import pytest

from balancer.errors import CapacityExceeded
from balancer.plan.entries import MapName
from balancer.plan.sizes import DEFAULT_SIZES, choose_sizes


def test_small_needs_get_the_default_sizes() -> None:
    assert choose_sizes({MapName.FRONTENDS: 10}, {}, {}) == dict(DEFAULT_SIZES)


def test_a_need_gets_twice_its_room() -> None:
    assert choose_sizes({MapName.SLOTS: 20_000}, {}, {})[MapName.SLOTS] == 65_536


def test_live_maps_stay_as_they_are_while_they_fit() -> None:
    """Equal sizes mean an equal build id, and so that nothing is compiled or swapped."""
    live = {**DEFAULT_SIZES, MapName.SLOTS: 32_768}
    assert choose_sizes({MapName.SLOTS: 32_768}, live, {}) == live


def test_only_the_map_that_is_too_small_grows() -> None:
    live = dict(DEFAULT_SIZES)
    grown = choose_sizes({MapName.MEMBERS: 5_000}, live, {})
    assert grown == {**live, MapName.MEMBERS: 16_384}


def test_growth_stops_at_the_limit() -> None:
    assert (
        choose_sizes({MapName.FRONTENDS: 5_000}, {}, {MapName.FRONTENDS: 6_000})[MapName.FRONTENDS] == 6_000
    )


def test_a_need_above_the_limit_is_refused() -> None:
    with pytest.raises(CapacityExceeded, match="map frontends needs 101 entries, the limit is 100"):
        choose_sizes({MapName.FRONTENDS: 101}, {}, {MapName.FRONTENDS: 100})
