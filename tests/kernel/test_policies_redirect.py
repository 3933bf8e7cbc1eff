"""LocalRedirectPolicy on real sockets: to ready pods of this very node, and to the service without any."""

from __future__ import annotations

from collections import Counter

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import (
    Object,
    both,
    endpoint_slice,
    local_redirect,
    plain,
    pod,
    port,
    service,
    to_address,
    to_service,
)
from harness.talk import Talk

WEB, ADDRESS, MULTI = pool.vip(1), ("169.254.20.10", "fd00:169::10"), pool.vip(2)[0]
LOCAL = {"app": "local"}
PORTS = both(pool.PORT)


def _web() -> list[Object]:
    """A service of both families whose own endpoints are three and four."""
    return [
        service("web", *both(80), ips=WEB),
        endpoint_slice("web", (pool.THREE, pool.FOUR), *PORTS),
        endpoint_slice("web", (pool.THREE6, pool.FOUR6), *PORTS),
    ]


def _policies() -> list[Object]:
    """Service web and an address of either family go to the local pods."""
    on_addresses = [
        local_redirect(f"address{number}", to_address(ip, *both(80)), *PORTS, labels=LOCAL)
        for number, ip in enumerate(ADDRESS)
    ]
    return [local_redirect("web", to_service("web"), *PORTS, labels=LOCAL), *on_addresses]


def _local(**state: object) -> Object:
    return pod("local", "node1", pool.ONE, pool.ONE6, labels=LOCAL, **state)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def redirected(host: Host) -> None:
    """Everything as it is when all goes well."""
    host.balancer.apply(_web(), _policies(), _local())


@pytest.mark.usefixtures("redirected")
@pytest.mark.parametrize("frontend", [WEB, ADDRESS], ids=["service", "address"])
def test_the_local_pod_answers(client: Client, talk: Talk, frontend: tuple[str, str]) -> None:
    """Every sort of socket gets the pod of this node, and sees the address it asked."""
    assert talk.tally(client, frontend, 80, count=20) == {"one": 20}
    assert talk.one(client, frontend, 80).source == (talk.seen(frontend), 80)


@pytest.mark.usefixtures("redirected")
@pytest.mark.parametrize("frontend", [WEB, ADDRESS], ids=["service", "address"])
def test_a_port_it_does_not_have_is_refused(client: Client, talk: Talk, frontend: tuple[str, str]) -> None:
    """The address belongs to the policy or the service as a whole; nothing leaves for the bare address."""
    assert talk.one(client, frontend, 81).errno == "ECONNREFUSED"


def _multi() -> list[Object]:
    """Ports a and b for TCP, a for UDP, all three with endpoints of their own."""
    ports = (port(81, "a"), port(82, "b"), port(81, "u", protocol="UDP"))
    targets = (port(pool.PORT, "a"), port(pool.PORT, "b"), port(pool.PORT, "u", protocol="UDP"))
    return [service("multi", *ports, ips=(MULTI,)), endpoint_slice("multi", (pool.FOUR,), *targets)]


BACK = (port(9002, "b"), port(9003, "a", protocol="UDP"), port(9001, "a"), port(9004, "u", protocol="UDP"))


@pytest.fixture(scope="module")
def many_ports(host: Host) -> None:
    """Servers of the pod, one for each port that a policy may mean."""
    for name, number, protocol in (("a", 9001, "TCP"), ("b", 9002, "TCP"), ("a-udp", 9003, "UDP"),
                                   ("wrong", 9001, "UDP"), ("wrong", 9003, "TCP"), ("u", 9004, "UDP")):  # fmt: skip
        host.servers.serve(name, pool.ONE, number, protocol)


def _answers(client: Client) -> tuple[str, str, str]:
    return (client.tcp(MULTI, 81), client.tcp(MULTI, 82), client.udp(MULTI, 81))


@pytest.mark.usefixtures("many_ports")
def test_ports_join_by_name_and_protocol(host: Host, client: Client) -> None:
    """toPorts of both sides: the order says nothing, and one name may be there for TCP and for UDP."""
    front = (port(81, "a"), port(82, "b"), port(81, "u", protocol="UDP"))
    back = [item for item in BACK if (item["name"], item["protocol"]) != ("a", "UDP")]
    redirect = local_redirect("multi", to_service("multi", *front), *back, labels=LOCAL)
    host.balancer.apply(_multi(), redirect, _local())
    assert _answers(client) == ("a", "b", "u")


@pytest.mark.usefixtures("many_ports")
def test_without_frontend_ports_those_of_the_service_join(host: Host, client: Client) -> None:
    """A service port whose name no backend port has is left to the service."""
    redirect = local_redirect("multi", to_service("multi"), BACK[0], BACK[3], labels=LOCAL)
    host.balancer.apply(_multi(), redirect, _local())
    assert _answers(client) == ("four", "b", "u")


@pytest.mark.usefixtures("many_ports")
def test_only_the_ports_that_a_policy_names(host: Host, client: Client) -> None:
    """A single pair needs no name; the service's other ports are as they were."""
    redirect = local_redirect("multi", to_service("multi", port(82)), port(9002), labels=LOCAL)
    host.balancer.apply(_multi(), redirect, _local())
    assert _answers(client) == ("four", "b", "four")


@pytest.mark.usefixtures("many_ports")
def test_an_address_with_several_ports(host: Host, client: Client) -> None:
    """The same for an address of the policy's own; TCP and UDP of one name are two different ports."""
    front = (port(53, "a", protocol="UDP"), port(53, "a"), port(80, "b"))
    redirect = local_redirect("a", to_address(ADDRESS[0], *front), *BACK[:3], labels=LOCAL)
    host.balancer.apply(redirect, _local())
    tcp, udp = client.tcp(ADDRESS[0], 53), client.udp(ADDRESS[0], 53)
    assert (tcp, udp, client.tcp(ADDRESS[0], 80)) == ("a", "a-udp", "b")


def test_ready_pods_of_this_node_alone(host: Host, client: Client) -> None:
    """Not one that is unready, that terminates or that runs elsewhere; the namespace does not matter."""
    others = [
        pod("unready", "node1", pool.TWO, labels=LOCAL, ready=False),
        pod("leaving", "node1", pool.THREE, labels=LOCAL, deleted="2025-01-01T00:00:00Z"),
        pod("elsewhere", "node2", pool.FOUR, labels=LOCAL),
        pod("other", "node1", pool.TWO, labels={"app": "else"}),
        pod("second", "node1", pool.THREE, labels=LOCAL | {"more": "labels"}, namespace="far"),
    ]
    host.balancer.apply(_web(), _policies(), others, _local())
    for address in (WEB[0], ADDRESS[0]):
        assert set(client.tally(address, 80)) == {"one", "three"}


def _everywhere(client: Client, address: str) -> Counter[str]:
    """Who answers by any of the three ways."""
    return sum((client.tally(address, 80, way=way, count=20) for way in Way), Counter())


@pytest.mark.parametrize("state", [{"ready": False}, None], ids=["unready", "gone"])
def test_the_last_local_pod_goes_and_returns(
    host: Host, client: Client, state: dict[str, object] | None
) -> None:
    """Without one the service answers, with the very apply that said so; an address of the policy's own refuses."""
    for pods, service_says, address_says in (
        ([_local()], {"one"}, {"one"}),
        ([] if state is None else [_local(**state)], {"three", "four"}, {"ECONNREFUSED"}),
        ([_local()], {"one"}, {"one"}),
    ):
        host.balancer.apply(_web(), _policies(), *pods)
        assert set(_everywhere(client, WEB[0])) == service_says
        assert set(_everywhere(client, ADDRESS[0])) == address_says


def test_an_open_udp_socket_follows(host: Host, client: Client) -> None:
    """A socket that sends without connecting leaves the pod that is gone, and takes to it again."""
    talking = client.open_udp()
    for state, expected in ((True, {"one"}), (False, {"three", "four"}), (True, {"one"})):
        host.balancer.apply(_web(), _policies(), _local(ready=state))
        assert {reply.outcome for reply in talking.exchange(WEB[0], 80, count=10)} <= expected
    talking.close()


def test_a_service_that_refuses_is_redirected_too(host: Host, client: Client) -> None:
    """A service without endpoints: the local pod answers, and without it the refusal is back."""
    empty = service("empty", *both(80), ips=(MULTI,))
    redirect = local_redirect("empty", to_service("empty"), *PORTS, labels=LOCAL)
    host.balancer.apply(empty, redirect, _local())
    assert _everywhere(client, MULTI) == {"one": 60}
    host.balancer.apply(empty, redirect)
    assert _everywhere(client, MULTI) == {"ECONNREFUSED": 60}


def test_the_service_arrives_later(host: Host, client: Client) -> None:
    """A policy for a missing service is a warning, and works as soon as the service is there."""
    result = host.balancer.apply(_policies(), _local())
    assert "LocalRedirectPolicy web" in result.stdout + result.stderr
    host.balancer.apply(_web(), _policies(), _local())
    assert set(client.tally(WEB[0], 80)) == {"one"}


def test_other_addresses_of_the_service_are_as_ever(host: Host, client: Client) -> None:
    """A service frontend means its cluster addresses: no load balancer address, no external IP, no node port."""
    lb, external = pool.balancer_ip(1)[0], pool.external_ip(1)[0]
    open_everywhere = plain("web", WEB[0], (pool.THREE,), kind="LoadBalancer", lb=[lb], node_port=30080,
                            externalIPs=[external])  # fmt: skip
    host.balancer.apply(open_everywhere, _policies()[0], _local())
    assert client.tcp(WEB[0], 80) == "one"
    others = ((lb, 80), (external, 80), ("127.0.0.1", 30080))
    assert [client.tcp(*target) for target in others] == ["three"] * 3


def test_a_disabled_policy_has_no_effect(host: Host, client: Client) -> None:
    """spec.enabled false; switching it on is an edit in place."""
    policy = _policies()[0]
    for enabled, expected in ((False, {"three", "four"}), (True, {"one"})):
        policy["spec"]["enabled"] = enabled
        host.balancer.apply(_web(), policy, _local())
        assert set(client.tally(WEB[0], 80)) == expected
