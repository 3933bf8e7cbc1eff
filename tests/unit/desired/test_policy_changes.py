"""Policies that come, change and go: the state is a function of what is there now."""

from __future__ import annotations

import pytest
from builders import address_frontend, balancing, local_redirect, node, pod, policy_port, service, slice_

from .asking import answer, at, desired

APP = {"app": "web"}
BASE = service(affinity=60), slice_("10.244.9.9"), pod(labels=APP), node()
VIP = address_frontend("198.18.0.1")
EVERY = [
    local_redirect(),
    local_redirect("v", VIP),
    balancing(addresses="203.0.113.9"),
    balancing("v", VIP, mode="hostPort"),
]


@pytest.mark.parametrize("policy", EVERY)
def test_deleting_a_policy_restores_what_was_there(policy) -> None:  # type: ignore[no-untyped-def]
    """balancing.elf.io/v1beta1: without its policy a destination is as if there had been none."""
    before, during, after = desired(*BASE), desired(*BASE, policy), desired(*BASE)
    assert during.frontends != before.frontends
    assert after == before


@pytest.mark.parametrize("policy", EVERY)
def test_a_policy_may_be_made_again_under_its_name(policy) -> None:  # type: ignore[no-untyped-def]
    """The second time gives what the first time gave, groups included."""
    first = desired(*BASE, policy)
    desired(*BASE)
    assert desired(*BASE, policy) == first


def test_an_edited_backend_port_is_followed() -> None:
    """Policies may be edited in place."""
    old, new = (desired(*BASE, local_redirect(ports=[number])) for number in (8080, 9090))
    assert answer(old, "10.96.0.10:80") == ["10.244.1.5:8080"]
    assert answer(new, "10.96.0.10:80") == ["10.244.1.5:9090"]


def test_an_edited_frontend_moves() -> None:
    """The old address is no longer ours, and the new one is."""
    moved = desired(*BASE, local_redirect("v", address_frontend("198.18.0.2", [policy_port(81)])))
    assert answer(moved, "198.18.0.2:81") == ["10.244.1.5:8080"]
    assert answer(moved, "198.18.0.1:80") == "pass"
    assert VIP.address not in moved.addresses


def test_an_edited_selector_is_followed() -> None:
    """Another selector selects other pods, in the same group."""
    other = pod("other", "10.244.1.6", labels={"app": "other"})
    old = at(desired(*BASE, other, local_redirect()), "10.96.0.10:80")
    new = at(desired(*BASE, other, local_redirect(labels={"app": "other"})), "10.96.0.10:80")
    assert old is not None
    assert new is not None
    assert [str(item.address) for item in new.backends] == ["10.244.1.6"]
    assert old.group == new.group


def test_a_pod_that_comes_back_is_redirected_to_again() -> None:
    """Ready, not ready, ready: the service answers in between."""
    gone = pod(labels=APP, ready=False)
    states = [desired(*BASE[:2], item, local_redirect()) for item in (BASE[2], gone, BASE[2])]
    assert [answer(state, "10.96.0.10:80") for state in states] == [
        ["10.244.1.5:8080"],
        ["10.244.9.9:8080"],
        ["10.244.1.5:8080"],
    ]
    assert states[0] == states[2]


def test_a_service_that_comes_later_is_redirected() -> None:
    """The policy waits; nothing but the status is there until then."""
    waiting = desired(BASE[2], local_redirect())
    assert (waiting.frontends, waiting.redirect_pods) == ((), ())
    assert answer(desired(*BASE, local_redirect()), "10.96.0.10:80") == ["10.244.1.5:8080"]
