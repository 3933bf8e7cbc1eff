"""Several answers to one destination: priority, conflicts, and what is there again after a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import Object, balancing, both, local_redirect, node, plain, pod, to_address, to_service

WEB, ADDRESS = pool.vip(1)[0], "169.254.20.10"
PORTS = both(pool.PORT)
UID = "11111111-aaaa-bbbb-cccc-dddddddddddd"
LOCAL = {"app": "local"}
FRONTENDS = {"service": to_service("web"), "address": to_address(ADDRESS, *both(80))}
DESTINATION = {"service": WEB, "address": ADDRESS}
COUNTERS = {"forwarded", "rejected", "fell_back", "rate_limited"}


def _redirect(frontend: str, name: str = "redirect", **given: Any) -> Object:
    return local_redirect(name, FRONTENDS[frontend], *PORTS, labels=LOCAL, **given)


def _balance(frontend: str, name: str = "balance", to: str = pool.THREE, **given: Any) -> Object:
    return balancing(name, FRONTENDS[frontend], *PORTS, addresses=(to,), **given)


def _local(**state: Any) -> Object:
    return pod("local", "node1", pool.ONE, uid=UID, labels=LOCAL, **state)


def _web() -> list[Object]:
    return plain("web", WEB, (pool.FOUR,))


def _who(client: Client, frontend: str) -> set[str]:
    """Everyone who answers, by TCP and UDP alike."""
    address = DESTINATION[frontend]
    found = [set(client.tally(address, 80, way=way, count=20)) for way in Way]
    assert found[0] == found[1] == found[2]
    return found[0]


@pytest.mark.parametrize(("frontend", "lowest"), [("service", "four"), ("address", "ECONNREFUSED")])
def test_the_chain_of_priorities(host: Host, client: Client, frontend: str, lowest: str) -> None:
    """localRedirect > balancing > service; each takes over as soon as the one above has nothing to offer."""
    redirect, balance = _redirect(frontend), _balance(frontend)
    nobody = balancing("balance", FRONTENDS[frontend], *PORTS, labels={"app": "nobody"})
    for objects, expected in (
        ([redirect, balance, _local()], "one"),
        ([redirect, balance, _local(ready=False)], "three"),
        ([redirect, nobody, _local(ready=False)], lowest),
        ([balance, _local()], "three"),
        ([redirect, _local()], "one"),
    ):
        host.balancer.apply(_web(), objects)
        assert _who(client, frontend) == {expected}


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_the_loser_is_the_fallback(host: Host, client: Client, frontend: str) -> None:
    """The redirect's own backend gets the balancing policy's backend, and `get frontends` shows it."""
    inside = host.add_client(f"kubepods/pod{UID}/c")
    host.balancer.apply(_web(), _redirect(frontend), _balance(frontend), _local())
    assert (_who(inside, frontend), _who(client, frontend)) == ({"three"}, {"one"})
    shown = [item for item in _frontends(host) if item["address"] == DESTINATION[frontend]]
    assert [[backend["address"] for backend in item["fallback"]] for item in shown] == [[pool.THREE]] * 2
    assert {item["object"] for item in shown} == {"LocalRedirectPolicy redirect"}


def test_the_loser_is_warned_of(host: Host) -> None:
    """A LocalRedirectPolicy and a BalancingPolicy on one destination: validate says that priority decides."""
    host.balancer.write(_web(), _redirect("service"), _balance("service"), _local())
    problems = host.balancer.json("validate", str(host.balancer.manifests))["problems"]
    (warning,) = (item for item in problems if item["object"] == "BalancingPolicy balance")
    assert (warning["severity"], "LocalRedirectPolicy redirect" in warning["message"]) == ("warning", True)


def _pair(kind: str, frontend: str) -> tuple[Object, Object]:
    """An older and a younger policy of one kind on one destination; the younger comes first by name."""
    older, younger = {"created": "2025-01-01T00:00:00Z"}, {"created": "2025-06-01T00:00:00Z"}
    if kind == "redirect":
        second = local_redirect("a-young", FRONTENDS[frontend], *PORTS, labels={"app": "second"}, **younger)
        return _redirect(frontend, "z-old", **older), second
    return _balance(frontend, "z-old", pool.ONE, **older), _balance(frontend, "a-young", pool.TWO, **younger)


@pytest.mark.parametrize(("kind", "frontend"), [("redirect", "service"), ("balance", "address")])
def test_two_of_one_kind(host: Host, client: Client, kind: str, frontend: str) -> None:
    """Apply refuses, exit 3, and names both files; --keep-going keeps the older one."""
    pods = [_local(), pod("second", "node1", pool.TWO, labels={"app": "second"})]
    older, younger = _pair(kind, frontend)
    host.balancer.apply(_web(), pods, younger)
    assert _who(client, frontend) == {"two"}
    host.balancer.write(_web(), pods)
    host.balancer.add("older.yaml", older)
    host.balancer.add("younger.yaml", younger)
    result = host.balancer.run("apply", str(host.balancer.manifests), code=3)
    assert "younger.yaml:" in result.stderr
    assert "older.yaml:1" in result.stderr
    assert _who(client, frontend) == {"two"}
    host.balancer.run("apply", "--keep-going", str(host.balancer.manifests))
    assert _who(client, frontend) == {"one"}


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_edited_in_place(host: Host, client: Client, frontend: str) -> None:
    """The backend, the selector, the ports and the frontend of a policy of one name may all change."""
    edits: Sequence[tuple[Object, str]] = (
        (_balance(frontend, to=pool.ONE), "one"),
        (balancing("balance", FRONTENDS[frontend], *PORTS, labels=LOCAL), "one"),
        (balancing("balance", FRONTENDS[frontend], *both(9000), addresses=(pool.ONE,)), "other port"),
        (_balance(frontend, to=pool.THREE), "three"),
    )
    host.servers.serve("other port", pool.ONE, 9000)
    for policy, expected in edits:
        host.balancer.apply(_web(), policy, _local())
        assert _who(client, frontend) == {expected}
    host.servers.stop(pool.ONE, 9000)


def test_another_frontend_in_place(host: Host, client: Client) -> None:
    """A policy moves from a service to an address: the service is itself again."""
    for frontend, service_says, address_says in (
        ("service", "three", "ENETUNREACH"),
        ("address", "four", "three"),
        ("service", "three", "ENETUNREACH"),
    ):
        host.balancer.apply(_web(), _balance(frontend))
        assert client.tcp(WEB, 80) == service_says
        assert client.tcp(ADDRESS, 80) == address_says


def _frontends(host: Host) -> list[dict[str, Any]]:
    """Every frontend in the kernel's maps, without what counts connections."""
    shown = host.balancer.json("get", "frontends")["frontends"]
    return [{name: value for name, value in item.items() if name not in COUNTERS} for item in shown]


@pytest.mark.parametrize(("kind", "frontend"), [("redirect", "service"), ("balance", "address")])
def test_deleting_one_restores_what_was_there(host: Host, client: Client, kind: str, frontend: str) -> None:
    """Without the policy the maps say what they said before it; under its old name it works again."""
    policy = _redirect(frontend) if kind == "redirect" else _balance(frontend, to=pool.ONE)
    shown = []
    for objects, answer in 2 * (([], "four" if frontend == "service" else "ENETUNREACH"), ([policy], "one")):
        host.balancer.apply(_web(), _local(), objects)
        assert _who(client, frontend) == {answer}
        shown.append(_frontends(host))
    assert (shown[0], shown[1]) == (shown[2], shown[3])
    assert shown[0] != shown[1]


def test_deleting_the_upper_of_two(host: Host, client: Client) -> None:
    """The redirect goes: the balancing policy is what it was before the redirect came."""
    host.balancer.apply(_web(), _local(), _balance("service"))
    before = _frontends(host)
    host.balancer.apply(_web(), _local(), _balance("service"), _redirect("service"))
    assert _who(client, "service") == {"one"}
    host.balancer.apply(_web(), _local(), _balance("service"))
    assert _frontends(host) == before
    assert _who(client, "service") == {"three"}


@pytest.mark.parametrize("address", [WEB, pool.OTHER_NODE[0]], ids=["service", "node"])
def test_an_address_that_belongs_to_somebody(host: Host, client: Client, address: str) -> None:
    """The address of a service or of a node is no policy's to take: exit 3, and nothing changes."""
    nodes = [node("node1", *pool.OWN), node("node2", *pool.OTHER_NODE)]
    host.balancer.apply(_web(), nodes)
    host.balancer.write(
        _web(), nodes, balancing("b", to_address(address, *both(80)), *PORTS, addresses=(pool.ONE,))
    )
    result = host.balancer.run("apply", str(host.balancer.manifests), code=3)
    assert "BalancingPolicy b" in result.stderr
    assert client.tcp(WEB, 80) == "four"
    assert client.tcp(pool.OWN[0], 80) == "ECONNREFUSED"
