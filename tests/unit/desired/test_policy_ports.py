"""Joining the ports of a policy's frontend to those of its backends."""

from __future__ import annotations

import pytest
from builders import address_frontend, local_redirect, pod, policy_port, port, service, service_frontend

from balancer.desired.policy_ports import join

from .asking import answer, at, desired, messages

DNS = [port(53, "dns", "UDP"), port(53, "dns-tcp"), port(9153, "metrics")]
POD = pod(labels={"app": "web"})


def test_name_and_protocol_join_the_two_sides() -> None:
    """balancing.elf.io/v1beta1: "name + protocol joins a frontend port to a backend port"."""
    fronts = [policy_port(53, "dns", "UDP"), policy_port(53, "dns", "TCP"), policy_port(80, "web")]
    backs = [policy_port(8080, "web"), policy_port(5354, "dns", "TCP"), policy_port(5353, "dns", "UDP")]
    assert [(pair.port, pair.protocol, pair.to) for pair in join(fronts, backs)] == [
        (53, "UDP", 5353),
        (53, "TCP", 5354),
        (80, "TCP", 8080),
    ]


@pytest.mark.parametrize(
    ("front", "back", "joined"),
    [("", "", True), ("a", "", True), ("", "b", True), ("a", "a", True), ("a", "b", False)],
)
def test_a_single_pair_may_be_unnamed(front: str, back: str, joined: bool) -> None:
    """balancing.elf.io/v1beta1: one pair needs no names, but two names have to match."""
    found = join([policy_port(80, front)], [policy_port(8080, back)])
    assert [pair.to for pair in found] == ([8080] if joined else [])


def test_protocols_never_mix() -> None:
    """balancing.elf.io/v1beta1: protocol is part of what joins ports."""
    assert join([policy_port(53, protocol="UDP")], [policy_port(53, protocol="TCP")]) == ()


def test_a_port_without_a_partner_is_left_out() -> None:
    """One of two named ports is no single pair: the unnamed item is nobody's."""
    assert join([policy_port(80, "a"), policy_port(81, "b")], [policy_port(8080)]) == ()


def test_a_repeated_port_counts_once() -> None:
    """A destination has one answer; the first item gives it."""
    fronts = [policy_port(80, "a"), policy_port(80, "b")]
    assert [pair.to for pair in join(fronts, [policy_port(1, "a"), policy_port(2, "b")])] == [1]


def test_a_service_without_to_ports_means_all_its_ports() -> None:
    """balancing.elf.io/v1beta1: joined by the service's port names; others stay the service's."""
    backs = [policy_port(5353, "dns", "UDP"), policy_port(5354, "dns-tcp")]
    state = desired(service(ports=DNS), POD, local_redirect(ports=backs))
    assert answer(state, "10.96.0.10:53/UDP") == ["10.244.1.5:5353"]
    assert answer(state, "10.96.0.10:53/TCP") == ["10.244.1.5:5354"]
    assert at(state, "10.96.0.10:9153").source == "service"  # type: ignore[union-attr]
    assert at(state, "10.96.0.10:53/UDP").port_name == "dns"  # type: ignore[union-attr]
    assert "port 9153/TCP of Service default/web, so it is not redirected" in messages(state)[0]


def test_an_unnamed_backend_port_joins_the_only_port_of_its_protocol() -> None:
    """balancing.elf.io/v1beta1: a single backend port needs no name if only one port can be meant."""
    state = desired(service(ports=DNS[:2]), POD, local_redirect(ports=[policy_port(5353, "", "UDP")]))
    assert answer(state, "10.96.0.10:53/UDP") == ["10.244.1.5:5353"]
    assert at(state, "10.96.0.10:53/TCP").source == "service"  # type: ignore[union-attr]


def test_to_ports_of_a_service_pick_some_of_its_ports() -> None:
    """balancing.elf.io/v1beta1: toPorts name service ports by number and protocol, under names of their own."""
    frontend = service_frontend(ports=[policy_port(53, "q", "UDP")])
    state = desired(
        service(ports=DNS), POD, local_redirect("r", frontend, ports=[policy_port(53, "q", "UDP")])
    )
    assert answer(state, "10.96.0.10:53/UDP") == ["10.244.1.5:53"]
    assert at(state, "10.96.0.10:53/UDP").port_name == "q"  # type: ignore[union-attr]
    assert at(state, "10.96.0.10:53/TCP").source == "service"  # type: ignore[union-attr]
    assert state.problems == ()


def test_a_port_that_the_service_does_not_have_is_not_served() -> None:
    """Number and protocol have to be the service's; a warning names the item."""
    frontend = service_frontend(ports=[policy_port(80, "a"), policy_port(81, "b")])
    redirect = local_redirect("r", frontend, ports=[policy_port(1, "a"), policy_port(2, "b")])
    state = desired(service(), POD, redirect)
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:1"]
    assert at(state, "10.96.0.10:81") is None
    assert messages(state) == [
        "r.yaml:1 LocalRedirectPolicy r $.spec.frontend.serviceMatcher.toPorts[1].port: "
        "Service default/web has no port 81/TCP, so it is not redirected"
    ]


def test_only_ports_that_the_service_lacks_leave_nothing_to_do() -> None:
    """The policy has no destination, and says why."""
    state = desired(service(), POD, local_redirect("r", service_frontend(ports=[81])))
    assert [(item.applies, item.reason) for item in state.policies] == [
        (False, "no port of Service default/web has a partner")
    ]


def test_a_backend_port_that_no_service_port_has_is_a_warning() -> None:
    """Two names that differ do not join, not even as the only ones."""
    redirect = local_redirect(ports=[policy_port(8080, "wbe")])
    state = desired(service(ports=[port(80, "web")]), POD, redirect)
    assert at(state, "10.96.0.10:80").source == "service"  # type: ignore[union-attr]
    assert [text.split(" $")[1].split(":")[0] for text in messages(state)] == [
        ".spec.backend.toPorts",
        ".spec.backend.toPorts[0]",
    ]
    assert state.policies[0].reason == "no port of Service default/web has a partner"


def test_sctp_ports_of_a_service_are_nobodys() -> None:
    """SCTP is not answered, so an SCTP port neither joins nor needs a partner."""
    web = service(ports=[port(80, "web"), port(81, "sig", "SCTP")])
    state = desired(web, POD, local_redirect(ports=[policy_port(8080, "web")]))
    assert [text for text in messages(state) if "LocalRedirectPolicy" in text] == []


def test_ports_of_an_address() -> None:
    """balancing.elf.io/v1beta1: addressMatcher with several ports of both protocols."""
    ports = [policy_port(53, "dns", "UDP"), policy_port(53, "dns", "TCP")]
    state = desired(POD, local_redirect("r", address_frontend(ports=ports), ports=ports))
    assert answer(state, "169.254.20.10:53/UDP") == ["10.244.1.5:53"]
    assert answer(state, "169.254.20.10:53/TCP") == ["10.244.1.5:53"]
