"""default/kubernetes does not lose its last endpoint."""

from __future__ import annotations

from plan_builders import backends, desired, frontend, live

from balancer.desired.types import Action
from balancer.model.problem import Severity
from balancer.plan.keep import KUBERNETES, keep_kubernetes

API = frontend("10.96.0.1:443", "192.168.0.1:6443", "192.168.0.2:6443", name=KUBERNETES)
NO_API = frontend("10.96.0.1:443", name=KUBERNETES)


def test_last_endpoints_are_kept_with_a_warning() -> None:
    kept = keep_kubernetes(desired(NO_API), live(API))
    assert kept.frontends[0].action is Action.FORWARD
    assert kept.frontends[0].backends == backends("192.168.0.1:6443", "192.168.0.2:6443")
    problem = kept.problems[0]
    assert problem.severity is Severity.WARNING
    assert (problem.object, problem.origin) == (KUBERNETES, NO_API.origin)
    assert "192.168.0.1:6443, 192.168.0.2:6443" in problem.message


def test_they_stay_for_as_long_as_there_is_none() -> None:
    kept = keep_kubernetes(desired(NO_API), live(API))
    assert keep_kubernetes(desired(NO_API), live(*kept.frontends)) == kept


def test_fewer_endpoints_are_followed() -> None:
    target = desired(frontend("10.96.0.1:443", "192.168.0.2:6443", name=KUBERNETES))
    assert keep_kubernetes(target, live(API)) is target


def test_deleted_service_is_gone() -> None:
    target = desired()
    assert keep_kubernetes(target, live(API)) is target


def test_nothing_is_made_up_where_nothing_was_live() -> None:
    target = desired(NO_API)
    assert keep_kubernetes(target, live()) is target
    assert keep_kubernetes(target, live(NO_API)) is target


def test_other_services_lose_their_endpoints() -> None:
    target = desired(frontend("10.96.0.1:443", name="Service other/kubernetes"))
    before = live(frontend("10.96.0.1:443", "10.0.0.1:443", name="Service other/kubernetes"))
    assert keep_kubernetes(target, before) is target
