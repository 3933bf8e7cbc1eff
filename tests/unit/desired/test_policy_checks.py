"""Warnings about policies, and what `get policies` shows of each."""

from __future__ import annotations

import pytest
from builders import address_frontend, balancing, local_redirect, node, pod, service, slice_

from balancer.model.problem import Severity

from .asking import answer, desired, messages

APP = {"app": "web"}
READY = pod(labels=APP)
VIP = address_frontend("198.18.0.1")
HEADLESS = service(cluster_ips="")


def test_a_missing_service_is_a_warning() -> None:
    """balancing.elf.io/v1beta1: a policy may come before its service."""
    state = desired(READY, local_redirect())
    assert state.frontends == ()
    assert messages(state) == [
        "redirect.yaml:1 LocalRedirectPolicy redirect $.spec.frontend.serviceMatcher.serviceName: "
        "Service default/web does not exist: the policy begins to work when that changes"
    ]
    assert state.problems[0].severity is Severity.WARNING
    assert state.policies[0].reason == "waits for Service default/web"


def test_the_policy_works_as_soon_as_the_service_is_there() -> None:
    """balancing.elf.io/v1beta1: it starts to work when the service arrives."""
    assert answer(desired(service(), READY, local_redirect()), "10.96.0.10:80") == ["10.244.1.5:8080"]


@pytest.mark.parametrize(
    "unserved",
    [
        HEADLESS,
        service(type="ExternalName"),
        service(labels={"service.kubernetes.io/service-proxy-name": "x"}),
    ],
)
def test_a_service_that_is_not_served_is_a_warning(unserved) -> None:  # type: ignore[no-untyped-def]
    """Kubernetes: headless, ExternalName and other proxies' services have no ClusterIP to redirect."""
    state = desired(unserved, READY, local_redirect())
    assert state.frontends == ()
    assert "Service default/web has no ClusterIP that is served" in messages(state)[0]


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (local_redirect(labels={"app": "wbe"}), "$.spec.backend.endpointSelector"),
        (balancing(labels={"app": "wbe"}), "$.spec.backend.serviceEndpoint.endpointSelector"),
    ],
)
def test_a_selector_that_matches_nothing_is_a_warning(policy, path: str) -> None:  # type: ignore[no-untyped-def]
    """Usually a typing error, but pods may also come later."""
    state = desired(service(), READY, policy)
    assert [text.split(": ")[1] for text in messages(state) if path in text] == [
        "selects no pod of any namespace"
    ]


def test_no_pod_on_this_node_is_no_warning() -> None:
    """A local redirect is for the nodes that have a pod; the others are as usual."""
    state = desired(service(), pod(labels=APP, node="n2"), local_redirect())
    assert state.problems == ()
    assert state.policies[0].applies
    assert state.policies[0].reason == "no ready pod of this node in IPv4 for 10.96.0.10:80/TCP"


def test_a_disabled_policy_is_not_looked_at() -> None:
    """What is switched off cannot be in the way."""
    off = local_redirect(enabled=False), balancing("b", address_frontend("192.168.0.1"), enabled=False)
    assert desired(node(), *off).problems == ()


def test_what_is_wrong_with_the_files_is_told_on_every_host() -> None:
    """Checking the files anywhere finds what would be wrong on the nodes they are for."""
    elsewhere = local_redirect(labels={"app": "wbe"}, nodes={"role": "db"})
    assert len(desired(node(), elsewhere).problems) == 2


def test_the_status_of_a_policy_in_force() -> None:
    """Every destination and every backend, both as addresses sort."""
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::a"])
    pods = READY, pod("b", ["10.244.1.40", "fd00::5"], labels=APP)
    status = desired(dual, *pods, local_redirect(line=3)).policies[0]
    assert (status.kind, status.name, str(status.origin)) == (
        "LocalRedirectPolicy",
        "redirect",
        "redirect.yaml:3",
    )
    assert status.frontends == ("10.96.0.10:80/TCP", "[fd00:96::a]:80/TCP")
    assert status.backends == ("10.244.1.5:8080", "10.244.1.40:8080", "[fd00::5]:8080")
    assert (status.applies, status.reason) == (True, "")


def test_the_status_says_which_family_lacks_backends() -> None:
    """Half a dual-stack policy is in force; the other half is as without it."""
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::a"])
    status = desired(dual, READY, local_redirect()).policies[0]
    assert status.frontends == ("10.96.0.10:80/TCP",)
    assert status.reason == "no ready pod of this node in IPv6 for [fd00:96::a]:80/TCP"


def test_the_status_of_a_policy_beneath_another() -> None:
    """It decides nothing now, and says who does."""
    state = desired(service(), slice_(), READY, local_redirect(), balancing(addresses="203.0.113.9"))
    status = state.policies[0]
    assert (status.name, status.applies, status.frontends, status.backends) == ("balance", True, (), ())
    assert status.reason == "LocalRedirectPolicy redirect goes first for 10.96.0.10:80/TCP"


def test_a_refusing_address_is_decided_by_its_policy() -> None:
    """Nobody else answers there."""
    status = desired(balancing("v", VIP, addresses="2001:db8::9")).policies[0]
    assert (status.applies, status.frontends, status.backends) == (True, ("198.18.0.1:80/TCP",), ())
    assert status.reason == "no usable backend in IPv4 for 198.18.0.1:80/TCP"


def test_every_policy_has_a_status() -> None:
    """Sorted by kind, then name."""
    many = local_redirect("b"), local_redirect("a", enabled=False), balancing("z"), balancing("y")
    assert [(item.kind[0], item.name) for item in desired(*many).policies] == [
        ("B", "y"),
        ("B", "z"),
        ("L", "a"),
        ("L", "b"),
    ]
