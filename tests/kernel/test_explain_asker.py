"""Explain for one pod or process: what it says is what a connection from there gets."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.netns import namespace
from harness.objects import (
    both,
    endpoint,
    endpoint_slice,
    local_redirect,
    node,
    plain,
    pod,
    service,
    to_service,
)

OWN, ASIDE = (f"0000000{number}-aaaa-bbbb-cccc-dddddddddddd" for number in (1, 2))
WEB, DNS = pool.vip(1)[0], pool.vip(2)[0]


@pytest.fixture(scope="module")
def askers(host: Host) -> Iterator[dict[str, Client]]:
    """A redirect's own backend, a pod that opted out, and a stranger in a namespace of its own."""
    host.balancer.apply(
        node("node1", *pool.OWN),
        plain("web", WEB, (pool.ONE,), kind="NodePort", node_port=30080),
        plain("dns", DNS, (pool.TWO,)),
        local_redirect("dns", to_service("dns"), *both(pool.PORT), labels={"app": "dns"}),
        pod("own", "node1", pool.THREE, uid=OWN, labels={"app": "dns"}),
        pod("aside", "node1", pool.FOUR, uid=ASIDE, labels={"balancing.elf.io/skip": "true"}),
    )
    places = {"own": f"kubepods/burstable/pod{OWN}/container", "aside": f"kubepods/pod{ASIDE}"}
    made = {name: host.add_client(cgroup) for name, cgroup in places.items()}
    host.balancer.run("apply", str(host.balancer.manifests))  # now that the cgroups are there
    with namespace("stranger") as netns:
        yield {**made, "stranger": host.add_client("kubepods/pod9", netns=netns)}


@pytest.mark.parametrize(
    ("name", "standing", "outcome", "errno"),
    [("own", "own_backend", "forward", "two"), ("aside", "opted_out", "pass", "ENETUNREACH")],
)
@pytest.mark.parametrize("way", ["--pod", "--cgroup-of", "--from"])
def test_a_pod_with_a_rule_of_its_own(
    host: Host, askers: dict[str, Client], name: str, standing: str, outcome: str, errno: str, way: str
) -> None:
    """By name, by a process in it, and by the manifests alone."""
    asked = ["--cgroup-of", str(askers[name].pid)] if way == "--cgroup-of" else ["--pod", f"default/{name}"]
    sources = ["--from", str(host.balancer.manifests)] if way == "--from" else []
    told = host.balancer.json("explain", f"{DNS}:80", *asked, *sources)
    assert (told["asker"]["standing"], told["outcome"]) == (standing, outcome)
    assert [item["address"] for item in told["backends"]] == ([pool.TWO] if outcome == "forward" else [])
    assert askers[name].tcp(DNS, 80) == errno


def test_a_process_elsewhere_is_not_in_the_hosts_network(host: Host, askers: dict[str, Client]) -> None:
    """Node ports on loopback are answered in the host's own network namespace alone."""
    pid = str(askers["stranger"].pid)
    told = host.balancer.json("explain", "127.0.0.1:30080", "--cgroup-of", pid)
    assert (told["outcome"], told["asker"]["in_host_netns"]) == ("pass", False)
    assert host.balancer.json("explain", "127.0.0.1:30080")["outcome"] == "forward"
    assert host.balancer.json("explain", f"{WEB}:80", "--cgroup-of", pid)["outcome"] == "forward"


@pytest.mark.usefixtures("askers")
def test_a_process_outside_of_the_cgroup_is_left_alone(host: Host) -> None:
    """The test itself is not below the cgroup that the programs are attached to."""
    told = host.balancer.json("explain", f"{WEB}:80", "--cgroup-of", str(os.getpid()))
    assert (told["asker"]["standing"], told["outcome"]) == ("outside", "pass")


@pytest.mark.usefixtures("askers")
@pytest.mark.parametrize(
    ("asked", "said"), [("default/gone", "no Pod default/gone"), ("9" * 9, "no process")]
)
def test_who_is_not_there_is_said(host: Host, asked: str, said: str) -> None:
    option = "--cgroup-of" if asked.isdigit() else "--pod"
    assert said in host.balancer.run("explain", f"{WEB}:80", option, asked, code=1).stderr


def test_unused_endpoints_with_reason_and_line_and_whether_that_is_still_so(host: Host) -> None:
    """The manifests of the last pass say why; once they change, that is said, and the maps stay the truth."""
    late = endpoint(pool.TWO, node="node2", ready=False)
    host.balancer.apply(
        service("web", *both(80), ips=(WEB,)),
        endpoint_slice("web", [endpoint(pool.ONE), late], *both(pool.PORT)),
    )
    told = host.balancer.json("explain", f"{WEB}:80")
    (unused,) = told["unused"]
    assert (unused["address"], unused["reason"], unused["node"]) == (pool.TWO, "not_ready", "node2")
    assert unused["file"] == f"{host.balancer.manifests}/objects.yaml:{_line(host, 'EndpointSlice')}"
    assert (told["sources"], told["differences"]) == ("unchanged", [])
    file = host.balancer.manifests / "objects.yaml"
    file.write_text(file.read_text().replace("ready: false", "ready: true"))
    told = host.balancer.json("explain", f"{WEB}:80")
    assert (told["sources"], told["unused"]) == ("changed", [])
    assert told["differences"] == [
        f"{pool.TWO}:8080 is in the manifests as they are on disk now, not in the maps"
    ]
    assert [item["address"] for item in told["backends"]] == [pool.ONE]


def _line(host: Host, kind: str) -> int:
    """The first line of the document that holds the object of this kind."""
    text = (host.balancer.manifests / "objects.yaml").read_text()
    before = text[: text.index(f"kind: {kind}")].splitlines()
    return max(number for number, line in enumerate(before, start=1) if line == "---") + 1


def test_a_port_that_a_vip_does_not_have(host: Host) -> None:
    """Names what the address does have, of every object."""
    host.balancer.apply(plain("web", WEB, (pool.ONE,)), plain("dns", DNS, (pool.TWO,)))
    told = host.balancer.json("explain", f"{WEB}:81")
    assert told["outcome"] == "refuse"
    assert [(item["port"], item["protocol"], item["object"]) for item in told["neighbours"]] == [
        (80, "TCP", "Service default/web"),
        (80, "UDP", "Service default/web"),
    ]
    assert told["maps"] == {"gate": ["VIP"], "entry": None}


def test_a_name_lists_its_destinations(host: Host) -> None:
    """The same explanations as for each address and port."""
    host.balancer.apply(plain("web", WEB, (pool.ONE,)), plain("dns", DNS, (pool.TWO,)))
    told = host.balancer.json("explain", "default/web:80/udp")
    assert told["destinations"] == [host.balancer.json("explain", f"{WEB}:80/udp")]
    assert host.balancer.run("explain", "default/gone", code=1).stderr.startswith(
        "balancer: error: nothing answers"
    )
