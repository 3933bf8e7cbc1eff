"""A redirect's own backend: it gets the service behind the redirect, never itself."""

from __future__ import annotations

import pytest
from harness import cgroups, pool
from harness.client import Client
from harness.host import Host
from harness.objects import (
    Object,
    both,
    endpoint_slice,
    local_redirect,
    plain,
    pod,
    service,
    to_address,
    to_service,
)
from harness.talk import Talk

WEB, OTHER, ALONE = pool.vip(1), pool.vip(2)[0], "169.254.20.10"
PORTS = both(pool.PORT)
FIRST, SECOND, THIRD = (f"0000000{number}-aaaa-bbbb-cccc-dddddddddddd" for number in (1, 2, 3))
CGROUPFS = f"kubepods/burstable/pod{FIRST}/container"
SYSTEMD = (
    f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SECOND.replace('-', '_')}.slice/"
    "cri-containerd-0123456789abcdef.scope"
)


def _objects(second: bool = True) -> list[Object]:
    """Service web (three) is redirected to pods one and two, service other (four) to another pod, one too."""
    pods = [pod("first", "node1", pool.ONE, pool.ONE6, uid=FIRST, labels={"app": "web"})]
    if second:
        pods.append(pod("second", "node1", pool.TWO, pool.TWO6, uid=SECOND, labels={"app": "web"}))
    return [
        service("web", *both(80), ips=WEB),
        endpoint_slice("web", (pool.THREE,), *PORTS),
        endpoint_slice("web", (pool.THREE6,), *PORTS),
        *plain("other", OTHER, (pool.FOUR,)),
        local_redirect("web", to_service("web"), *PORTS, labels={"app": "web"}),
        local_redirect("alone", to_address(ALONE, *both(80)), *PORTS, labels={"app": "web"}),
        local_redirect("other", to_service("other"), *PORTS, labels={"app": "other"}),
        pod("other", "node1", pool.TWO, uid=THIRD, labels={"app": "other"}),
        *pods,
    ]


@pytest.fixture(scope="module")
def inside(host: Host) -> dict[str, Client]:
    """Clients in the cgroups of the pods, by name, and one in a cgroup of nobody."""
    return {
        "first": host.add_client(CGROUPFS),
        "second": host.add_client(SYSTEMD),
        "other": host.add_client(f"kubepods/pod{THIRD}"),
        "stranger": host.add_client("kubepods/pod99999999-aaaa-bbbb-cccc-dddddddddddd/container"),
    }


@pytest.fixture(scope="module")
def two_backends(host: Host, inside: dict[str, Client]) -> None:
    host.balancer.apply(_objects())


@pytest.mark.usefixtures("two_backends")
@pytest.mark.parametrize("name", ["first", "second"])
def test_a_backend_reaches_the_service(inside: dict[str, Client], name: str, talk: Talk) -> None:
    """From the pod's cgroup, however the runtime names it: neither itself nor the other local backend."""
    assert talk.tally(inside[name], WEB, 80, count=30) == {"three": 30}
    assert talk.one(inside[name], WEB, 80).source == (talk.seen(WEB), 80)


@pytest.mark.usefixtures("two_backends")
@pytest.mark.parametrize("name", ["other", "stranger"])
def test_everybody_else_is_redirected(inside: dict[str, Client], client: Client, name: str) -> None:
    """A pod that is no backend, one that is the backend of another redirect, and a process of the host."""
    for asking in (inside[name], client):
        assert set(asking.tally(WEB[0], 80)) == {"one", "two"}


@pytest.mark.usefixtures("two_backends")
def test_it_holds_for_its_own_frontends_alone(inside: dict[str, Client]) -> None:
    """A backend of one redirect is a client of the other like any other."""
    assert set(inside["first"].tally(OTHER, 80)) == {"two"}
    assert set(inside["other"].tally(OTHER, 80)) == {"four"}


@pytest.mark.usefixtures("two_backends")
def test_an_address_with_nothing_beneath_refuses_its_backend(
    inside: dict[str, Client], client: Client, talk: Talk
) -> None:
    """There is nobody else to ask; a loop would be worse."""
    address = (ALONE, ALONE)
    if talk.family != "v6":
        assert talk.one(inside["first"], address, 80).errno == "ECONNREFUSED"
        assert talk.one(client, address, 80).outcome in {"one", "two"}


def test_a_socket_of_the_backend_that_stays_open(host: Host, inside: dict[str, Client]) -> None:
    """One UDP socket of a forwarder, datagram after datagram, before and after it is a backend."""
    host.balancer.apply(_objects(second=False))
    talking = inside["second"].open_udp()
    assert {reply.name for reply in talking.exchange(WEB[0], 80, count=5)} == {"one"}
    host.balancer.apply(_objects())
    assert {reply.name for reply in talking.exchange(WEB[0], 80, count=5)} == {"three"}


def test_a_pod_without_cgroup_is_reported(host: Host) -> None:
    """Where the cgroup cannot be known, apply and status say so; once it is there they do not."""
    uid = "77777777-aaaa-bbbb-cccc-dddddddddddd"
    late = pod("late", "node1", pool.TWO, uid=uid, labels={"app": "web"})
    result = host.balancer.apply(_objects(second=False), late)
    assert "Pod default/late" in result.stderr + result.stdout
    assert "Pod default/late" in {item["object"] for item in host.balancer.json("status")["problems"]}
    inside = host.add_client(f"kubepods/pod{uid}/c")
    host.balancer.run("apply", str(host.balancer.manifests))
    assert inside.tally(WEB[0], 80, count=20) == {"three": 20}
    assert "Pod default/late" not in {item["object"] for item in host.balancer.json("status")["problems"]}


def test_a_container_that_starts_later(host: Host) -> None:
    """What is inside a pod's cgroup belongs to it, also when it was made after the pass."""
    host.balancer.apply(_objects())
    cgroups.child(host.cgroup, *CGROUPFS.split("/"))
    restarted = host.add_client(f"kubepods/burstable/pod{FIRST}/restarted")
    assert restarted.tally(WEB[0], 80, count=20) == {"three": 20}
