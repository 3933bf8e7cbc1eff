"""What the maps have to hold."""

from __future__ import annotations

import pytest
from memory_store import MemoryStore
from plan_builders import converged, frontend, plan_for, wanted

from balancer.errors import CapacityExceeded
from balancer.plan.capacity import needs
from balancer.plan.entries import MapName


def test_needs_counts_every_map() -> None:
    target = wanted(
        frontend("10.96.0.1:80", "10.0.0.1:80", "10.0.0.2:80", affinity=60),
        frontend("10.96.0.1:81", "10.0.0.1:80", fallback=["10.0.0.3:80"]),
        skipped_cgroups=[1, 2, 3],
        owner_cgroups=[("g", 1)],
    )
    assert needs(target) == {
        MapName.ADDRESSES: 1,
        MapName.FRONTENDS: 2,
        MapName.SLOTS: 4,
        MapName.MEMBERS: 2,
        MapName.CGROUPS: 3,
        MapName.OWNERS: 1,
        MapName.RATES: 4,
        MapName.COUNTERS: 4,
    }


def test_equal_lists_need_slots_once() -> None:
    target = wanted(
        frontend("10.96.0.1:80", "10.0.0.1:80", fallback=["10.0.0.2:80"]),
        frontend("10.96.0.2:80", "10.0.0.2:80", fallback=["10.0.0.1:80"]),
    )
    assert needs(target)[MapName.SLOTS] == 2


@pytest.mark.parametrize("name", ["addresses", "frontends", "slots", "members", "cgroups", "counters"])
def test_need_above_the_limit_names_the_map(name: str) -> None:
    target = wanted(
        frontend("10.96.0.1:80", "10.0.0.1:80", affinity=1),
        frontend("10.96.0.2:80", "10.0.0.2:80", affinity=1),
        skipped_cgroups=[1, 2],
    )
    with pytest.raises(CapacityExceeded) as caught:
        plan_for(target, MemoryStore({MapName(name): 1}))
    assert (caught.value.map_name, caught.value.limit) == (name, 1)
    assert caught.value.need == needs(target)[MapName(name)]


def test_state_that_just_fits_is_planned() -> None:
    target = wanted(frontend("10.96.0.1:80", "10.0.0.1:80", affinity=60), skipped_cgroups=[1])
    limits = {str(name): need for name, need in needs(target).items()}
    assert plan_for(target, converged(target, **limits)).empty


@pytest.mark.parametrize("name", ["addresses", "frontends", "members", "cgroups"])
def test_old_and_new_entries_have_to_fit_together(name: str) -> None:
    """New entries are written before old ones go, so a full map cannot exchange its content."""
    old = wanted(frontend("10.96.0.1:80", "10.0.0.1:80", affinity=60), skipped_cgroups=[1])
    new = wanted(frontend("10.96.0.2:80", "10.0.0.2:80", affinity=60), skipped_cgroups=[2])
    store = converged(old, **{name: 1})
    with pytest.raises(CapacityExceeded) as caught:
        plan_for(new, store)
    assert (caught.value.map_name, caught.value.need, caught.value.limit) == (name, 2, 1)
