"""The data plane's answer for one destination."""

from __future__ import annotations

import pytest
from builders import endpoint, node, port, service, slice_

from balancer.desired.lookup import Outcome, resolve

from .asking import REFUSED, UNREACHABLE, UNTOUCHED, Desired, answer, desired, place

WEB = service(lb="203.0.113.100", external_ips="198.51.100.1", ports=[port(80, "http", node_port=30080)])
PODS = slice_("10.244.1.5", ports=[])


def reason(state: Desired, text: str, *, in_host_netns: bool = True) -> str:
    return resolve(state, *place(text), in_host_netns=in_host_netns).reason


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        ("10.96.0.10:81", REFUSED),
        ("10.96.0.10:80/UDP", REFUSED),
        ("203.0.113.100:22", UNTOUCHED),
        ("198.51.100.1:22", UNTOUCHED),
        ("192.168.0.1:22", UNTOUCHED),
        ("127.0.0.1:22", UNTOUCHED),
        ("192.0.2.200:80", UNTOUCHED),
    ],
)
def test_ports_that_an_address_does_not_have(to: str, outcome: str) -> None:
    """Kubernetes: an unknown port of a ClusterIP is refused; that of a possible machine is left alone."""
    assert answer(desired(WEB, PODS), to) == outcome


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("192.0.2.200:80", "no frontend: not a service address"),
        ("10.96.0.10:81", "address belongs to Service default/web but has no port 81/TCP"),
        ("10.96.0.10:80", "port http of Service default/web has no usable backend"),
        (
            "198.51.100.1:22",
            "no frontend: external address of Service default/web without port 22/TCP, left alone",
        ),
        ("192.168.0.1:22", "no frontend: a node's address without a node port 22/TCP"),
        ("10.96.0.10:80/SCTP", "SCTP is not answered"),
    ],
)
def test_reasons_are_in_words(to: str, words: str) -> None:
    """An operator reads why a connection was left alone or refused."""
    assert reason(desired(WEB, PODS), to) == words


def test_reason_for_loopback_in_a_pod() -> None:
    """In a pod's network namespace 127.0.0.1 is the pod's own."""
    words = reason(desired(WEB), "127.0.0.1:30080", in_host_netns=False)
    assert words == "no frontend: loopback outside of the host's network namespace"


def test_forwarding_names_the_frontend() -> None:
    """The answer carries the entry that decided, and how many backends it has."""
    found = resolve(desired(service(), slice_("10.244.1.5")), *place("10.96.0.10:80"))
    assert found.outcome is Outcome.FORWARD
    assert found.frontend is not None
    assert found.reason == "port 80 of Service default/web has 1 backend"


def test_unreachable_says_that_the_policy_asks_for_a_node() -> None:
    """A Local policy without local endpoints gives EHOSTUNREACH, and the reason says so."""
    state = desired(service(internal="Local"), slice_(endpoint("10.244.2.5", node="n2")))
    assert answer(state, "10.96.0.10:80") == UNREACHABLE
    assert "none on the node that its Local policy asks for" in reason(state, "10.96.0.10:80")


def test_an_exact_entry_goes_before_the_node_port() -> None:
    """An external IP on a node's address wins over the node port of the same number there."""
    grabber = service("x", cluster_ips="10.96.0.11", external_ips="192.168.0.2", ports=[30080])
    state = desired(WEB, grabber, slice_("10.244.9.9", service="x"), node("n2", "192.168.0.2"))
    assert answer(state, "192.168.0.2:30080") == ["10.244.9.9:8080"]
