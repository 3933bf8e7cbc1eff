"""What get policies, explain, get frontends and status say of policies is what sockets get."""

from __future__ import annotations

from typing import Any

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import balancing, both, local_redirect, plain, pod, to_service

WEB = pool.vip(1)[0]
UID = "00000001-aaaa-bbbb-cccc-dddddddddddd"
PORTS = both(pool.PORT)


def _apply(host: Host, *, pod_ready: bool = True) -> None:
    """Service web (three) below a balancing policy (two) below a redirect to pod one."""
    redirect = local_redirect("near", to_service("web"), *PORTS, labels={"app": "web"})
    near = pod("near", "node1", pool.ONE, uid=UID, labels={"app": "web"})
    if not pod_ready:
        near["status"]["conditions"][0]["status"] = "False"
    host.balancer.apply(
        plain("web", WEB, (pool.THREE,)),
        redirect,
        balancing("far", to_service("web"), *PORTS, addresses=[pool.TWO]),
        near,
    )


@pytest.fixture(scope="module")
def inside(host: Host) -> Client:
    """A process of the redirect's own backend."""
    return host.add_client(f"kubepods/pod{UID}")


def _policies(host: Host) -> dict[str, Any]:
    return {item["name"]: item for item in host.balancer.json("get", "policies")["policies"]}


def test_counts_are_those_of_the_connections_made(host: Host, client: Client, inside: Client) -> None:
    """Connections of the redirect's own backend are counted as fallen back."""
    _apply(host)
    before = _policies(host)["near"]
    assert [client.tcp(WEB, 80) for _ in range(3)] == ["one"] * 3
    assert [inside.tcp(WEB, 80) for _ in range(2)] == ["two"] * 2
    after = _policies(host)["near"]
    assert after["forwarded"] - before["forwarded"] == 5
    assert after["fell_back"] - before["fell_back"] == 2
    assert (after["applies"], after["frontends"]) == (True, [f"{WEB}:80/TCP", f"{WEB}:80/UDP"])


def test_the_chain_names_who_answers_in_turn(host: Host, client: Client, inside: Client) -> None:
    """The first link is what a connection gets, the second what the redirect's own backend gets."""
    _apply(host)
    told = host.balancer.json("explain", f"{WEB}:80")
    assert [link["object"] for link in told["chain"]] == [
        "LocalRedirectPolicy near",
        "BalancingPolicy far",
        "Service default/web",
    ]
    used, fallback = (
        pool.NAMES[pool.FOUR_ADDRESSES.index(link["backends"][0]["address"])] for link in told["chain"][:2]
    )
    assert (used, fallback) == (client.tcp(WEB, 80), inside.tcp(WEB, 80))
    planned = host.balancer.json("explain", f"{WEB}:80", "--from", str(host.balancer.manifests))
    assert planned["reason"] == told["reason"]
    assert planned["chain"][:2] == told["chain"][:2]


def test_a_policy_without_a_backend_is_out_of_force_and_says_why(host: Host, client: Client) -> None:
    """The same truth in status, get policies and explain once the last local pod is unready."""
    _apply(host)
    assert host.balancer.json("status")["policies"] == {"in_force": 1, "not_in_force": 1}
    _apply(host, pod_ready=False)
    assert client.tcp(WEB, 80) == "two"
    near = _policies(host)["near"]
    assert near["frontends"] == []
    told = host.balancer.json("explain", f"{WEB}:80")
    assert told["chain"][0]["object"] == "BalancingPolicy far"
    (note,) = (note for note in told["notes"] if note.startswith("LocalRedirectPolicy near"))
    assert str(near["reason"]) in note
