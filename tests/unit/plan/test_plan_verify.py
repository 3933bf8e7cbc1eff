"""Reading back and naming every difference."""

from __future__ import annotations

from plan_builders import frontend, live, wanted

from balancer.plan.actual import Actual
from balancer.plan.encode import Wanted
from balancer.plan.entries import CGROUP_ID
from balancer.plan.verify import verify

WEB = frontend("10.96.0.1:80", "10.0.0.1:80", "10.0.0.2:80")


def test_equal_states_have_no_differences() -> None:
    assert verify(wanted(WEB), live(WEB)) == ()


def test_missing_and_superfluous_frontends_are_named() -> None:
    found = verify(wanted(WEB), live(frontend("fd00::1:53", protocol="UDP")))
    assert found == (
        "frontend 10.96.0.1:80/TCP is missing",
        "frontend [fd00::1]:53/UDP should not be there",
        "address 10.96.0.1 is missing",
        "address fd00::1 should not be there",
    )


def test_every_field_that_differs_has_a_line() -> None:
    found = verify(wanted(WEB), live(frontend("10.96.0.1:80", fallback=["10.0.0.2:80"])))
    assert found == (
        "frontend 10.96.0.1:80/TCP: action is refuse, wanted forward",
        "frontend 10.96.0.1:80/TCP: backends is none, wanted 10.0.0.1:80, 10.0.0.2:80",
        "frontend 10.96.0.1:80/TCP: fallback is 10.0.0.2:80, wanted none",
        "frontend 10.96.0.1:80/TCP: fallback_action is forward, wanted refuse",
    )


def test_members_are_named_by_backend_and_group() -> None:
    sticky = frontend("10.96.0.1:80", "10.0.0.1:80", affinity=60)
    target = wanted(sticky)
    found = verify(Wanted(frontends=target.frontends, addresses=target.addresses), live(sticky))
    assert len(found) == 1
    assert found[0].startswith("member 10.0.0.1:80 of group ")
    assert found[0].endswith(" should not be there")


def test_values_that_differ_are_shown() -> None:
    address = next(iter(wanted(WEB).addresses))
    cgroup = CGROUP_ID.pack(7)
    left = Wanted(addresses={address: 1}, cgroups={cgroup: b"\1\0\0\0"})
    right = Actual(addresses={address: 5}, cgroups={cgroup: b"\0\0\0\0"})
    assert verify(left, right) == (
        "address 10.96.0.1 is 5, wanted 1",
        "cgroup 7 is 00000000, wanted 01000000",
    )
