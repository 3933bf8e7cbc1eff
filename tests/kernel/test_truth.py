"""What the live commands say is what sockets see; every JSON answer here is also checked by its schema."""

from __future__ import annotations

import subprocess

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import both, endpoint, endpoint_slice, node, plain, service

VIP = pool.vip(1)[0]
EMPTY, FAR, STICKY = (pool.vip(number)[0] for number in (2, 3, 4))
LB = pool.balancer_ip(1)[0]
ERRNO = {"ECONNREFUSED": "refuse", "EHOSTUNREACH": "unreachable", "ENETUNREACH": "pass"}
DESTINATIONS = (
    (VIP, 80), (VIP, 81), (EMPTY, 80), (FAR, 80), (STICKY, 80), (LB, 80), ("10.1.2.3", 80),
    ("127.0.0.1", 30080), (pool.OWN[0], 30080), (pool.OTHER_NODE[0], 30080),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _applied(host: Host) -> None:
    host.balancer.apply(
        node("node1", *pool.OWN),
        node("node2", *pool.OTHER_NODE),
        plain("web", VIP, (pool.ONE, pool.TWO), kind="LoadBalancer", lb=[LB], node_port=30080),
        service("empty", *both(80), ips=(EMPTY,)),
        service("far", *both(80), ips=(FAR,), internalTrafficPolicy="Local"),
        endpoint_slice("far", [endpoint(pool.ONE, node="node2")], *both(pool.PORT)),
        plain("sticky", STICKY, pool.FOUR_ADDRESSES, affinity=600),
    )


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize(("address", "port"), DESTINATIONS)
def test_explain_says_what_a_connection_gets(
    host: Host, client: Client, address: str, port: int, protocol: str
) -> None:
    """Explain without files answers from the kernel's maps."""
    told = host.balancer.json("explain", f"{address}:{port}/{protocol}")
    got = client.tcp(address, port) if protocol == "tcp" else client.udp(address, port)
    assert told["outcome"] == ERRNO.get(got, "forward")
    if told["outcome"] == "forward":
        backends = {backend["address"] for backend in told["frontend"]["backends"]}
        assert pool.FOUR_ADDRESSES[pool.NAMES.index(got)] in backends
        assert "objects.yaml" in told["frontend"]["file"]


@pytest.mark.parametrize(("address", "port"), DESTINATIONS)
def test_explain_from_files_agrees_with_the_kernel(host: Host, address: str, port: int) -> None:
    """The answer worked out from the files is the answer that was written to the maps."""
    live = host.balancer.json("explain", f"{address}:{port}")
    planned = host.balancer.json("explain", f"{address}:{port}", "--from", str(host.balancer.manifests))
    assert planned["outcome"] == live["outcome"]
    of = [
        sorted(b["address"] for b in (said["frontend"] or {}).get("backends", [])) for said in (planned, live)
    ]
    assert of[0] == of[1]


def test_get_affinity_names_the_backend_that_was_chosen(host: Host, client: Client) -> None:
    """One record for one client and service port, with the backend that really answers."""
    chosen = client.tcp(STICKY, 80)
    records = host.balancer.json("get", "affinity")["affinity"]
    found = [record for record in records if "sticky" in record["group"] and "tcp" in record["group"].lower()]
    assert [pool.NAMES[pool.FOUR_ADDRESSES.index(record["address"])] for record in found] == [chosen]
    assert 0 < found[0]["expires_in_seconds"] <= 600


def test_get_backends_names_every_frontend_of_a_backend(host: Host) -> None:
    """Who sends connections where, read the other way round."""
    backends = host.balancer.json("get", "backends")["backends"]
    assert {backend["address"] for backend in backends} == set(pool.FOUR_ADDRESSES)
    (two,) = (backend for backend in backends if backend["address"] == pool.TWO)
    assert {f"{VIP}:80/TCP", f"{LB}:80/UDP", "0.0.0.0:30080/TCP", f"{STICKY}:80/TCP"} <= set(two["frontends"])
    assert f"{FAR}:80/TCP" not in two["frontends"]


def test_status_tells_the_truth_of_the_kernel(host: Host) -> None:
    """Program ids are those that the kernel has on the cgroup; eight hooks, all attached."""
    told = host.balancer.json("status")
    shown = subprocess.run(
        ["bpftool", "cgroup", "show", str(host.cgroup)], capture_output=True, text=True, check=True
    )
    ids = {int(line.split()[0]) for line in shown.stdout.splitlines() if line.split()[0].isdigit()}
    assert {hook["program_id"] for hook in told["attachments"]} == ids
    assert len(ids) == 8
    assert all(hook["attached"] for hook in told["attachments"])
    assert told["last_pass"]["frontends"] == len(host.balancer.json("get", "frontends")["frontends"])


def test_doctor_finds_this_host_fit(host: Host) -> None:
    """Where these tests run, doctor has nothing to fail."""
    checks = host.balancer.json("doctor")["checks"]
    assert [check for check in checks if check["level"] == "fail"] == []


def test_plan_shows_what_apply_would_change(host: Host) -> None:
    """One endpoint less shows as one change for each frontend of the service, and as nothing else."""
    before = host.balancer.manifests.joinpath("objects.yaml").read_text()
    try:
        host.balancer.manifests.joinpath("objects.yaml").write_text(
            before.replace(f"- {pool.TWO}\n", f"- {pool.THREE}\n", 1)
        )
        changes = host.balancer.json("plan", str(host.balancer.manifests))["changes"]
    finally:
        host.balancer.manifests.joinpath("objects.yaml").write_text(before)
    assert {change["verb"] for change in changes} == {"change"}
    assert {(change["address"], change["port"]) for change in changes} == {
        (VIP, 80),
        (LB, 80),
        ("0.0.0.0", 30080),
    }
