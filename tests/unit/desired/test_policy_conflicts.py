"""Two policies of one kind on one destination, and addresses that are somebody else's."""

from __future__ import annotations

import pytest
from builders import (
    address_frontend,
    balancing,
    host,
    local_redirect,
    node,
    pod,
    policy_port,
    port,
    service,
    service_frontend,
    slice_,
)

from balancer.model.problem import Severity

from .asking import answer, desired, messages

APP = {"app": "web"}
WEB = service(), slice_("10.244.9.9")
VIP = address_frontend("198.18.0.1")
OLD = balancing("z-old", age=9, addresses="203.0.113.1", file="a.yaml", line=4)
YOUNG = balancing("young", age=1, addresses="203.0.113.2", file="b.yaml", line=7)


def test_the_older_policy_stays() -> None:
    """balancing.elf.io/v1beta1: one policy of a kind per service; the error names both places."""
    state = desired(*WEB, OLD, YOUNG)
    assert answer(state, "10.96.0.10:80") == ["203.0.113.1:8080"]
    assert [problem.severity for problem in state.problems] == [Severity.ERROR]
    assert messages(state) == [
        "b.yaml:7 BalancingPolicy young $.spec.frontend: 10.96.0.10:80/TCP already belongs to "
        "BalancingPolicy z-old (a.yaml:4), which is older; this policy does not apply"
    ]


def test_without_timestamps_the_name_decides() -> None:
    """Files written by hand have no creationTimestamp."""
    state = desired(local_redirect("b", VIP), local_redirect("a", VIP), pod(labels=APP))
    assert [(item.name, item.applies) for item in state.policies] == [("a", True), ("b", False)]
    assert "LocalRedirectPolicy a (a.yaml:1), whose name sorts first" in messages(state)[0]


def test_the_younger_one_does_not_apply_anywhere() -> None:
    """A policy that shares one destination loses the others too: half a policy is nobody's wish."""
    pairs = [policy_port(80, "a"), policy_port(81, "b")]
    wide = balancing("wide", address_frontend("198.18.0.1", pairs), addresses="203.0.113.2", ports=pairs)
    narrow = balancing("narrow", VIP, age=1, addresses="203.0.113.1")
    state = desired(wide, narrow)
    assert [str(frontend.port) for frontend in state.frontends] == ["80"]
    assert answer(state, "198.18.0.1:81") == "refuse"


def test_a_loser_is_in_nobodys_way() -> None:
    """The third policy conflicts only with the second, which does not apply."""
    first = balancing("p1", service_frontend(ports=[policy_port(80)]), age=3, addresses="203.0.113.1")
    second = balancing("p2", age=2, addresses="203.0.113.2", ports=[policy_port(1, "a"), policy_port(2, "b")])
    third = balancing("p3", service_frontend(ports=[policy_port(81)]), age=1, addresses="203.0.113.3")
    state = desired(service(ports=[port(80, "a"), port(81, "b")]), first, second, third)
    assert answer(state, "10.96.0.10:80") == ["203.0.113.1:8080"]
    assert answer(state, "10.96.0.10:81") == ["203.0.113.3:8080"]
    assert [item.applies for item in state.policies] == [True, False, True]


def test_a_policy_without_backends_keeps_its_place() -> None:
    """Destinations must not change hands when a pod comes and goes."""
    empty = local_redirect("old", age=9, labels={"app": "gone"})
    state = desired(*WEB, pod(labels=APP), empty, local_redirect("young", age=1))
    assert answer(state, "10.96.0.10:80") == ["10.244.9.9:8080"]


def test_different_ports_are_no_conflict() -> None:
    """The destination is address, port and protocol."""
    web = service(ports=[port(80, "a"), port(81, "b")])
    both = [
        balancing(f"p{number}", service_frontend(ports=[number]), addresses="203.0.113.1")
        for number in (80, 81)
    ]
    assert desired(web, *both).problems == ()


@pytest.mark.parametrize("change", [{"enabled": False}, {"nodes": {"role": "db"}}])
def test_only_policies_that_apply_here_conflict(change) -> None:  # type: ignore[no-untyped-def]
    """Two policies for different nodes may name the same destination."""
    other = balancing("old", age=9, addresses="203.0.113.1", **change)
    state = desired(*WEB, node("n1"), other, YOUNG)
    assert answer(state, "10.96.0.10:80") == ["203.0.113.2:8080"]
    assert state.problems == ()


def test_the_younger_one_takes_over_when_the_older_is_deleted() -> None:
    """The state is that of a cluster which never had the other policy."""
    assert answer(desired(*WEB, YOUNG), "10.96.0.10:80") == ["203.0.113.2:8080"]


def test_a_policy_on_a_service_that_lost_its_address_waits() -> None:
    """Two services on one ClusterIP: the older one is served, and only its policy counts."""
    winner, loser = service("a", age=2), service("b", age=1)
    frontends = service_frontend("a"), service_frontend("b")
    policies = [
        balancing(f"for-{item.name}", item, addresses=f"203.0.113.{number}")
        for number, item in enumerate(frontends, 1)
    ]
    state = desired(winner, loser, *policies)
    assert answer(state, "10.96.0.10:80") == ["203.0.113.1:8080"]
    assert state.policies[1].reason == "the ClusterIP of Service default/b is served for another one"
    assert [problem.severity for problem in state.problems] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.96.0.10", "the ClusterIP of Service default/web (web.yaml:1)"),
        ("203.0.113.100", "the load balancer IP of Service default/web (web.yaml:1)"),
        ("198.51.100.1", "the external IP of Service default/web (web.yaml:1)"),
        ("192.168.0.2", "an address of Node n2 (n2.yaml:1)"),
        ("192.0.2.7", "an address of this host"),
        ("127.0.0.9", "an unspecified, loopback or multicast address"),
    ],
)
def test_an_address_that_somebody_has_is_an_error(address: str, words: str) -> None:
    """A virtual address refuses unknown ports, which would cut off a service or a machine."""
    web = service(lb="203.0.113.100", external_ips="198.51.100.1")
    policy = balancing("v", address_frontend(address, [4242]), addresses="203.0.113.9")
    others = web, node("n2", "192.168.0.2")
    state = desired(*others, policy, on=host("n1", "192.0.2.7"))
    without = desired(*others, on=host("n1", "192.0.2.7"))
    assert (state.frontends, state.addresses) == (without.frontends, without.addresses)
    assert [(item.severity, item.path) for item in state.problems] == [
        (Severity.ERROR, "$.spec.frontend.addressMatcher.ip")
    ]
    assert f"{address} is {words}, which no policy can take" in messages(state)[0]
    assert state.policies[0].reason == f"{address} is {words}"


def test_an_address_of_this_host_is_no_fault_of_a_policy_for_others() -> None:
    """Only the hosts that a policy is meant for can have its address."""
    policy = balancing("v", address_frontend("192.0.2.7"), addresses="203.0.113.9", outside=False)
    assert desired(policy, on=host("vm", "192.0.2.7")).problems == ()
