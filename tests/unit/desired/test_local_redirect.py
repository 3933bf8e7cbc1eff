"""LocalRedirectPolicy: to the pods of this node."""

from __future__ import annotations

import pytest
from builders import (
    address_frontend,
    host,
    local_redirect,
    node,
    pod,
    port,
    selector,
    service,
    service_frontend,
    slice_,
)

from balancer.desired.types import AddressFlags, FrontendKind, Rules, Source

from .asking import REFUSED, answer, at, desired

APP = {"app": "web"}
HERE = pod("here", "10.244.1.5", labels=APP)
THERE = pod("there", "10.244.2.5", labels=APP, node="n2")
WEB = service(), slice_("10.244.9.9")
NORMAL, REDIRECTED = ["10.244.9.9:8080"], ["10.244.1.5:8080"]
VIP = address_frontend("169.254.20.10", [80])


def test_backends_are_the_pods_of_this_node() -> None:
    """balancing.elf.io/v1beta1: backends are the selected pods of the client's own node."""
    assert answer(desired(*WEB, HERE, THERE, local_redirect()), "10.96.0.10:80") == REDIRECTED


def test_pods_of_any_namespace_count() -> None:
    """balancing.elf.io/v1beta1: endpointSelector looks into all namespaces."""
    other = pod("dns", "10.244.1.6", namespace="kube-system", labels=APP)
    state = desired(*WEB, HERE, other, local_redirect())
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080", "10.244.1.6:8080"]


@pytest.mark.parametrize(
    "lost",
    [
        pod("here", labels=APP, ready=False),
        pod("here", labels=APP, terminating=True),
        pod("here", labels={"app": "other"}),
        pod("here", labels=APP, node="n2"),
        pod("here", "", labels=APP),
    ],
)
def test_the_last_pod_leaves_the_service_as_it_is(lost) -> None:  # type: ignore[no-untyped-def]
    """balancing.elf.io/v1beta1: without a ready, non-terminating local pod the service resolves normally."""
    state = desired(*WEB, lost, local_redirect())
    assert answer(state, "10.96.0.10:80") == NORMAL
    assert state.frontends == desired(*WEB).frontends


def test_an_address_without_a_pod_refuses() -> None:
    """balancing.elf.io/v1beta1: nothing stands beneath a virtual address, and it stays ours."""
    state = desired(THERE, local_redirect("r", VIP))
    assert answer(state, "169.254.20.10:80") == REFUSED
    assert at(state, "169.254.20.10:80").source is Source.LOCAL_REDIRECT  # type: ignore[union-attr]
    assert state.addresses[VIP.address] is AddressFlags.VIP


def test_an_address_answers_on_its_ports_and_refuses_on_others() -> None:
    """Kubernetes: a port that a virtual address does not have is refused."""
    state = desired(HERE, local_redirect("r", VIP))
    assert answer(state, "169.254.20.10:80") == REDIRECTED
    assert answer(state, "169.254.20.10:81") == REFUSED
    assert at(state, "169.254.20.10:80").kind is FrontendKind.VIP  # type: ignore[union-attr]


def test_families_go_separately() -> None:
    """Dual stack: each ClusterIP gets the pod addresses of its family, or stays the service's."""
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::a"])
    slices = slice_("10.244.9.9"), slice_("fd00::9")
    both = desired(dual, *slices, pod(ip=["10.244.1.5", "fd00::5"], labels=APP), local_redirect())
    assert answer(both, "10.96.0.10:80") == REDIRECTED
    assert answer(both, "[fd00:96::a]:80") == ["fd00::5:8080"]
    assert answer(desired(dual, *slices, HERE, local_redirect()), "[fd00:96::a]:80") == ["fd00::9:8080"]


def test_only_cluster_ips_are_redirected() -> None:
    """balancing.elf.io/v1beta1: a serviceMatcher means ClusterIPs, not load balancer, external or node addresses."""
    web = service(ports=[port(80, node_port=30080)], lb="203.0.113.100", external_ips="198.51.100.1")
    state = desired(web, slice_("10.244.9.9"), HERE, local_redirect())
    assert answer(state, "10.96.0.10:80") == REDIRECTED
    for to in ("203.0.113.100:80", "198.51.100.1:80", "192.168.0.1:30080"):
        assert answer(state, to) == NORMAL


def test_all_match_expressions_have_to_hold() -> None:
    """Kubernetes: matchLabels and matchExpressions are one conjunction."""
    chosen = selector(APP, ("tier", "In", ["a", "b"]), ("old", "DoesNotExist", ""))
    pods = [
        pod("p1", "10.244.1.1", labels=APP | {"tier": "a"}),
        pod("p2", "10.244.1.2", labels=APP | {"tier": "c"}),
        pod("p3", "10.244.1.3", labels=APP | {"tier": "b", "old": ""}),
    ]
    state = desired(*WEB, *pods, local_redirect(select=chosen))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.1:8080"]


def test_affinity_is_the_services() -> None:
    """Kubernetes: sessionAffinity is the service's promise to its clients, whoever answers."""
    state = desired(service(affinity=60), HERE, local_redirect(), local_redirect("v", VIP))
    assert at(state, "10.96.0.10:80").affinity_seconds == 60  # type: ignore[union-attr]
    assert at(state, "169.254.20.10:80").affinity_seconds == 0  # type: ignore[union-attr]


def test_the_group_is_not_the_services() -> None:
    """A client kept on a service's endpoint must not be kept there by the policy."""
    frontend = at(desired(*WEB, HERE, local_redirect()), "10.96.0.10:80")
    assert frontend is not None
    assert frontend.beneath is not None
    assert frontend.group == "LocalRedirectPolicy redirect:80/TCP/4/local"
    assert frontend.group != frontend.beneath.group


@pytest.mark.parametrize(("own", "rate"), [(None, 100), (7, 7), (0, 0)])
def test_the_rate_of_a_policy_goes_before_the_setting(own: int | None, rate: int) -> None:
    """balancing.elf.io/v1beta1: annotation redirectQosLimit of one policy, else the config's."""
    state = desired(*WEB, HERE, local_redirect(rate=own), under=Rules(redirect_qos_limit=100))
    assert at(state, "10.96.0.10:80").rate == rate  # type: ignore[union-attr]


def test_a_frontend_without_a_redirect_has_no_rate() -> None:
    """The limit is for redirected connections only."""
    state = desired(*WEB, local_redirect("v", VIP), under=Rules(redirect_qos_limit=100))
    assert [frontend.rate for frontend in state.frontends] == [0, 0]


def test_pods_behind_a_redirect_are_known() -> None:
    """balancing.elf.io/v1beta1: a redirect's own backend gets the fallback, never itself."""
    pods = HERE, THERE, pod("late", "10.244.1.7", labels=APP, ready=False)
    state = desired(*WEB, *pods, local_redirect(), local_redirect("v", VIP))
    assert [(item.name, item.uid) for item in state.redirect_pods] == [("here", HERE.meta.uid)]
    assert state.redirect_pods[0].groups == (
        "LocalRedirectPolicy redirect:80/TCP/4/local",
        "LocalRedirectPolicy v:80/TCP/4/local",
    )


def test_a_pod_is_behind_the_frontends_of_its_families_only() -> None:
    """Dual stack: an IPv4 pod is no backend of the IPv6 address."""
    vips = service(cluster_ips=["10.96.0.10", "fd00:96::a"])
    both = pod("both", ["10.244.1.6", "fd00::6"], labels=APP)
    state = desired(vips, HERE, both, local_redirect())
    assert {item.name: len(item.groups) for item in state.redirect_pods} == {"here": 1, "both": 2}


def test_the_host_is_known_by_its_name() -> None:
    """A host without a Node object still has pods if they name it."""
    state = desired(*WEB, pod(labels=APP, node="edge-7"), local_redirect(), on=host("edge-7", "192.0.2.1"))
    assert answer(state, "10.96.0.10:80") == REDIRECTED


def test_traffic_policies_of_the_service_do_not_matter() -> None:
    """internalTrafficPolicy is about the service's endpoints, which a redirect replaces."""
    web = service(internal="Local"), slice_("10.244.9.9")
    strict = Rules(local_policy_applies_to_all_access=True)
    assert answer(desired(*web, HERE, local_redirect(), under=strict), "10.96.0.10:80") == REDIRECTED


def test_a_service_that_answers_nothing_may_be_redirected() -> None:
    """Without endpoints of its own the service is still one, and the policy answers for it."""
    state = desired(service(), HERE, local_redirect(), node())
    assert answer(state, "10.96.0.10:80") == REDIRECTED
    assert at(state, "10.96.0.10:80").fallback == ()  # type: ignore[union-attr]


def test_a_service_in_another_namespace_is_another_service() -> None:
    """balancing.elf.io/v1beta1: serviceMatcher names namespace and service."""
    state = desired(*WEB, HERE, local_redirect("r", service_frontend("web", "prod")))
    assert answer(state, "10.96.0.10:80") == NORMAL
