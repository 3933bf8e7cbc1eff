"""The parts of what the status page is told."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from balancer.desired.types import Action, Backend, FrontendKind, Source
from balancer.kernel.layout import COUNTER_SIZE
from balancer.kernel.libbpf import possible_cpus
from balancer.kernel.reasons import Reason
from balancer.model.problem import Origin, Problem
from balancer.model.service import Protocol
from balancer.observe.page_parts import Backends, counts_part, frontend_part, health_part, problem_part
from balancer.state import Label, State
from balancer.views import LiveFrontend, Status

ONE = Backend(address=ip_address("10.244.0.1"), port=8080, node="node1")
TWO = Backend(address=ip_address("fd00:244::2"), port=8080)
NAME = "10.96.0.1:80/TCP"


def frontend(source: Source = Source.SERVICE, **fields: object) -> LiveFrontend:
    values: dict[str, object] = {"address": ip_address("10.96.0.1"), "port": 80, "protocol": Protocol.TCP}
    values |= {
        "action": Action.FORWARD,
        "kind": FrontendKind.CLUSTER_IP,
        "source": source,
        "object": "Service a/b",
    }
    return LiveFrontend(**(values | fields))  # type: ignore[arg-type]


def label(source: Source, name: str, beneath: Label | None = None, action: Action = Action.FORWARD) -> Label:
    return Label(FrontendKind.CLUSTER_IP, name, "", f"{name}.yaml:1", "", source, action, beneath)


def counter(**counts: int) -> bytes:
    """An entry of the counters map: on each CPU as much."""
    values = [counts.get(reason.name.lower(), 0) for reason in Reason]
    return struct.pack(f"={len(Reason)}Q", *values).ljust(COUNTER_SIZE, b"\0") * possible_cpus()


def test_a_backend_of_many_frontends_is_told_once() -> None:
    backends = Backends({})
    assert [backends.numbers((ONE, TWO)), backends.numbers((TWO,))] == [[0, 1], [1]]
    assert backends.rows == [["10.244.0.1", 8080, "node1", ""], ["fd00:244::2", 8080, "", ""]]


def test_a_pod_is_known_by_address_or_by_address_and_port() -> None:
    """Pods of the host network share their node's address, and are told apart by the port."""
    backends = Backends({"10.244.0.1": "a/by-address", "[fd00:244::2]:8080": "a/by-port"})
    backends.numbers((ONE, TWO))
    assert [row[3] for row in backends.rows] == ["a/by-address", "a/by-port"]


def test_a_plain_frontend_has_no_chain() -> None:
    part = frontend_part(frontend(backends=(ONE,)), State(), Backends({}), Action.FORWARD)
    assert (part["name"], part["action"], part["backends"]) == (NAME, "forward", [0])
    assert not {"chain", "fallback", "rate", "affinity_seconds"} & set(part)


def test_a_redirect_falls_back_to_what_is_beneath_it() -> None:
    """localRedirect > balancing > service: only the priority right beneath a redirect is its fallback."""
    service = label(Source.SERVICE, "Service a/b", action=Action.REFUSE)
    beneath = label(Source.BALANCING, "BalancingPolicy p", service)
    names = State(labels={NAME: label(Source.LOCAL_REDIRECT, "LocalRedirectPolicy r", beneath)})
    top = frontend(Source.LOCAL_REDIRECT, backends=(ONE,), fallback=(TWO,), rate=5)
    part = frontend_part(top, names, Backends({}), Action.FORWARD)
    assert (part["fallback"], part["rate"]) == ([1], 5)
    assert [(link["object"], link["use"], link["action"]) for link in part["chain"]] == [
        ("BalancingPolicy p", "fallback", "forward"),
        ("Service a/b", "unused", "refuse"),
    ]


def test_what_is_beneath_a_balancing_policy_waits() -> None:
    names = State(labels={NAME: label(Source.BALANCING, "x", label(Source.SERVICE, "Service a/b"))})
    part = frontend_part(frontend(Source.BALANCING), names, Backends({}), Action.REFUSE)
    assert [(link["use"], link["action"]) for link in part["chain"]] == [("unused", "refuse")]


def test_a_fallback_without_a_name_is_shown() -> None:
    part = frontend_part(frontend(fallback=(TWO,)), State(), Backends({}), Action.FORWARD)
    assert [(link["object"], link["use"]) for link in part["chain"]] == [("", "fallback")]


def test_only_what_has_counted_is_told() -> None:
    raw = [counter(), counter(forwarded=2, affinity=1, refused=4), None, counter(fallback=3, rate_limited=5)]
    cpus = possible_cpus()
    assert counts_part(raw) == {
        "1": [3 * cpus, 4 * cpus, 0, 0],
        "3": [8 * cpus, 0, 3 * cpus, 5 * cpus],
    }


def test_a_problem_has_its_line_and_a_caret() -> None:
    problem = Problem(origin=Origin(file="a.yaml", line=3, column=7), message="no", excerpt="port: 80a")
    part = problem_part(problem)
    assert (part["file"], part["line"], part["excerpt"]) == ("a.yaml", 3, "port: 80a\n      ^")
    assert problem_part(Problem(origin=Origin(file="a.yaml", line=3), message="no"))["excerpt"] == ""


def test_health_where_nothing_is_loaded() -> None:
    part = health_part(Status(loaded=False))
    assert (part["loaded"], part["effect"], part["last_pass"], part["maps"]) == (
        False,
        "ineffective",
        None,
        [],
    )
