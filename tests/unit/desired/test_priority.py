"""localRedirect > balancing > service for one destination."""

from __future__ import annotations

from builders import address_frontend, balancing, local_redirect, pod, policy_port, port, service, slice_

from balancer.desired.lookup import resolve
from balancer.desired.priority import chain, stack
from balancer.desired.types import Action, Source
from balancer.model.problem import Severity

from .asking import REFUSED, Desired, answer, at, desired, messages, place

APP = {"app": "web"}
WEB = service(), slice_("10.244.9.9")
LOCAL, READY = local_redirect(), pod(labels=APP)
FIXED = balancing(addresses="203.0.113.9")
VIP = address_frontend("198.18.0.1")


def sources(state: Desired, to: str = "10.96.0.10:80") -> list[str]:
    """Who answers, and then who stands beneath."""
    frontend = at(state, to)
    assert frontend is not None
    return [str(item.source) for item in (frontend, *chain(frontend))]


def test_the_local_redirect_goes_first() -> None:
    """balancing.elf.io/v1beta1: localRedirect > balancing > service."""
    state = desired(*WEB, READY, LOCAL, FIXED)
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]
    assert sources(state) == ["localRedirect", "balancing", "service"]


def test_the_balancing_policy_goes_before_the_service() -> None:
    """balancing.elf.io/v1beta1: balancing > service."""
    assert sources(desired(*WEB, READY, FIXED)) == ["balancing", "service"]


def test_a_redirect_without_pods_leaves_it_to_the_balancing_policy() -> None:
    """balancing.elf.io/v1beta1: the next priority takes over in the same pass."""
    state = desired(*WEB, LOCAL, FIXED)
    assert answer(state, "10.96.0.10:80") == ["203.0.113.9:8080"]
    assert sources(state) == ["balancing", "service"]


def test_both_without_backends_leave_it_to_the_service() -> None:
    """Two priorities may fall through at once."""
    state = desired(*WEB, LOCAL, balancing(addresses="2001:db8::9"))
    assert answer(state, "10.96.0.10:80") == ["10.244.9.9:8080"]
    assert sources(state) == ["service"]


def test_a_balancing_policy_without_backends_is_not_in_the_chain() -> None:
    """What stands beneath is what would answer, not every policy that names the destination."""
    state = desired(*WEB, READY, LOCAL, balancing(addresses="2001:db8::9"))
    assert sources(state) == ["localRedirect", "service"]


def test_an_address_falls_back_to_the_balancing_policy() -> None:
    """Virtual addresses have priorities too."""
    policies = local_redirect("r", VIP), balancing("b", VIP, addresses="203.0.113.9")
    assert sources(desired(READY, *policies), "198.18.0.1:80") == ["localRedirect", "balancing"]
    assert answer(desired(*policies), "198.18.0.1:80") == ["203.0.113.9:8080"]


def test_an_address_that_nobody_serves_is_refused_by_the_lowest() -> None:
    """Without any backend the answer is what it would be without the higher policy."""
    state = desired(local_redirect("r", VIP), balancing("b", VIP, addresses="2001:db8::9"))
    assert answer(state, "198.18.0.1:80") == REFUSED
    assert sources(state, "198.18.0.1:80") == ["balancing"]


def test_beneath_is_the_services_own_answer() -> None:
    """The fallback is what a host without policies has, refusals included."""
    for objects in (WEB, (service(),), (service(internal="Local"), slice_("10.244.9.9"))):
        frontend = at(desired(*objects, READY, LOCAL), "10.96.0.10:80")
        assert frontend is not None
        assert frontend.beneath == at(desired(*objects), "10.96.0.10:80")


def test_a_redirect_over_a_refusal_still_redirects() -> None:
    """The service's missing endpoints do not matter while there is a local pod."""
    frontend = at(desired(service(), READY, LOCAL), "10.96.0.10:80")
    assert frontend is not None
    assert frontend.action is Action.FORWARD
    assert frontend.beneath is not None
    assert frontend.beneath.action is Action.REFUSE


def test_different_ports_of_one_service_may_have_different_policies() -> None:
    """Priority is settled for each destination on its own."""
    web = service(ports=[port(80, "a"), port(81, "b")])
    policies = local_redirect(ports=[policy_port(1, "a")]), balancing(ports=[policy_port(2, "b")])
    state = desired(web, READY, *policies)
    assert sources(state, "10.96.0.10:80") == ["localRedirect", "service"]
    assert sources(state, "10.96.0.10:81") == ["balancing", "service"]


def test_the_order_of_offers_does_not_matter() -> None:
    """Priority is by source alone."""
    top = at(desired(*WEB, READY, LOCAL, FIXED), "10.96.0.10:80")
    assert top is not None
    balanced, plain = chain(top)
    key = (top.address, top.port, top.protocol)
    for offers in ([top, balanced], [balanced, top]):
        assert stack({key: plain}, offers) == {key: top}


def test_the_lower_policy_is_warned() -> None:
    """Both are valid, yet the author of the lower one may not know of the other."""
    state = desired(*WEB, READY, LOCAL, FIXED)
    assert [(item.severity, item.object) for item in state.problems] == [
        (Severity.WARNING, "BalancingPolicy balance")
    ]
    assert messages(state)[0].endswith(
        "$.spec.frontend: 10.96.0.10:80/TCP goes to LocalRedirectPolicy redirect (redirect.yaml:1) first, "
        "which has priority; this policy answers while that one has no backend"
    )


def test_the_warning_does_not_depend_on_pods() -> None:
    """What the files say to each other is the same whether or not a pod is ready."""
    assert messages(desired(*WEB, READY, LOCAL, FIXED)) == messages(
        desired(*WEB, pod(labels=APP, ready=False), LOCAL, FIXED)
    )


def test_the_reason_names_the_chain() -> None:
    """An operator reads who decided, and over whom."""
    state = desired(*WEB, READY, LOCAL, FIXED)
    assert resolve(state, *place("10.96.0.10:80")).reason == (
        "port 80 of LocalRedirectPolicy redirect has 1 backend; it goes before BalancingPolicy balance, "
        "then Service default/web"
    )


def test_the_reason_of_a_refusing_address_names_the_policy() -> None:
    """A virtual address without backends, and one without the port."""
    state = desired(pod(labels=APP, node="n2"), local_redirect("r", VIP))
    assert resolve(state, *place("198.18.0.1:80")).reason == (
        "port 80 of LocalRedirectPolicy r has no usable backend"
    )
    assert resolve(state, *place("198.18.0.1:81")).reason == (
        "address belongs to LocalRedirectPolicy r but has no port 81/TCP"
    )


def test_a_redirected_address_still_belongs_to_its_service() -> None:
    """A policy answers a port of the service; the address stays the service's."""
    reason = resolve(desired(*WEB, READY, LOCAL), *place("10.96.0.10:81")).reason
    assert reason == "address belongs to Service default/web but has no port 81/TCP"
    assert at(desired(*WEB, READY, LOCAL), "10.96.0.10:80").source is Source.LOCAL_REDIRECT  # type: ignore[union-attr]
