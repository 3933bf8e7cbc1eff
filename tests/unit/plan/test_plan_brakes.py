"""The brake against mass deletion."""

from __future__ import annotations

import pytest
from plan_builders import converged, frontend, plan_for, wanted

from balancer.desired.types import Frontend
from balancer.errors import BrakeEngaged, Exit
from balancer.plan.actual import read_actual
from balancer.plan.brakes import check_brake


def frontends(count: int) -> list[Frontend]:
    return [frontend(f"10.96.0.1:{port}", "10.0.0.1:80") for port in range(1, count + 1)]


def brake(before: int, after: int, *, allow: bool = False) -> None:
    store = converged(wanted(*frontends(before)))
    plan = plan_for(wanted(*frontends(after)), store)
    check_brake(plan, read_actual(store), allow_mass_delete=allow)


@pytest.mark.parametrize(("before", "after"), [(22, 11), (10, 0), (100, 50), (40, 40), (0, 40)])
def test_half_or_ten_may_go(before: int, after: int) -> None:
    """Refused are only deletions of more than half of the frontends and of more than ten."""
    brake(before, after)


@pytest.mark.parametrize(("before", "after"), [(11, 0), (21, 10), (100, 49)])
def test_more_is_refused_with_numbers_and_the_way_out(before: int, after: int) -> None:
    with pytest.raises(BrakeEngaged, match=f"{before - after} of {before}") as caught:
        brake(before, after)
    assert "--allow-mass-delete" in caught.value.hint
    assert caught.value.exit_code is Exit.BRAKE


def test_permission_releases_the_brake() -> None:
    brake(100, 0, allow=True)


def test_change_of_every_frontend_is_no_deletion() -> None:
    store = converged(wanted(*frontends(30)))
    plan = plan_for(wanted(*[frontend(f"10.96.0.1:{port}") for port in range(1, 31)]), store)
    assert len(plan.changes) == 30
    check_brake(plan, read_actual(store), allow_mass_delete=False)
