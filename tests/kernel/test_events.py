"""`balancer events` on real decisions: who asked, for what, who was chosen, and which file says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import cgroups, pool
from harness.client import Client, Way
from harness.following import Following
from harness.host import Host
from harness.objects import Object, both, local_redirect, node, plain, pod, to_service
from harness.patience import PATIENCE_SECONDS
from harness.servers import dnsmasq

from balancer.observe.follow_switch import SWITCH_SECONDS

WEB, EMPTY, NEAR, STICKY, DNS, FAR, PORTS, FEW = (pool.vip(number)[0] for number in range(1, 9))
IDS = [f"{number:064x}" for number in range(1, 9)]
UIDS = [f"0000000{number}-aaaa-bbbb-cccc-dddddddddddd" for number in range(1, 9)]
STATIC = "b1e89a2fcc688644de3eb95aee8025ce"


def _flat(uid: str) -> str:
    return uid.replace("-", "_")


def _systemd(uid: str, scope: str, *, root: str = "", qos: str = "burstable") -> str:
    """A container's path under the systemd driver; `root` is kubelet's own, such as "kubelet-"."""
    above = f"{root.removesuffix('-')}.slice/" if root else ""
    base = f"{root}kubepods"
    return f"{above}{base}.slice/{base}-{qos}.slice/{base}-{qos}-pod{_flat(uid)}.slice/{scope}"


# name of the pod -> where its container's processes are
SHAPES = {
    "cgroupfs": f"kubepods/besteffort/pod{UIDS[0]}/{IDS[0]}",
    "guaranteed": f"kubepods/pod{UIDS[1]}/{IDS[1]}",
    "containerd": _systemd(UIDS[2], f"cri-containerd-{IDS[2]}.scope"),
    "crio": _systemd(UIDS[3], f"crio-{IDS[3]}.scope/container", qos="besteffort"),
    "docker": _systemd(UIDS[4], f"docker-{IDS[4]}.scope"),
    "kind": f"system.slice/docker-{IDS[7]}.scope/"
    + _systemd(UIDS[5], f"cri-containerd-{IDS[5]}.scope", root="kubelet-"),
    "static": f"kubepods/burstable/pod{STATIC}/{IDS[6]}",
}
_SCHEME = {"crio": "cri-o", "docker": "docker"}


def _pod(number: int, name: str) -> Object:
    """The pod of a shape, as kubectl exports it."""
    annotations = {"kubernetes.io/config.mirror": STATIC} if name == "static" else None
    made = pod(name, "node1", uid=UIDS[number], annotations=annotations, namespace="shop")
    identity = f"{_SCHEME.get(name, 'containerd')}://{IDS[number]}"
    made["status"]["containerStatuses"] = [{"name": f"{name}-app", "containerID": identity}]
    return made


def _objects() -> list[Object]:
    web = plain("web", WEB, ({"addresses": [pool.ONE], "nodeName": "node1"},))
    web[1]["endpoints"][0]["targetRef"] = {"kind": "Pod", "name": "web-1", "namespace": "default"}
    return [
        *web,
        *plain("empty", EMPTY, ()),
        *plain("near", NEAR, (pool.THREE,)),
        *plain("sticky", STICKY, (pool.ONE, pool.TWO), affinity=60),
        *plain("far", FAR, ({"addresses": [pool.ONE], "nodeName": "node2"},), internalTrafficPolicy="Local"),
        *plain("dns", DNS, (pool.ONE,), number=53, target=5353),
        *plain("ports", PORTS, (pool.ONE,), kind="NodePort", node_port=30080),
        local_redirect("near", to_service("near"), *both(pool.PORT), labels={"app": "near"}),
        local_redirect("few", to_service("few"), *both(pool.PORT), labels={"app": "near"}, rate="1"),
        *plain("few", FEW, (pool.THREE,)),
        pod("redirected", "node1", pool.TWO, uid=UIDS[7], labels={"app": "near"}),
        node("node1", *pool.OWN),
        *(_pod(number, name) for number, name in enumerate(SHAPES)),
    ]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _served(host: Host) -> None:
    cgroups.child(host.cgroup, "kubepods", f"pod{UIDS[7]}")  # a redirect's backend is known by its cgroup
    host.balancer.apply(_objects())


def test_the_pod_and_container_that_asked(host: Host) -> None:
    """By the cgroup of a real process, in every shape that runtimes and drivers give it."""
    clients = {name: host.add_client(path) for name, path in SHAPES.items()}
    with Following(host) as following:
        for client in clients.values():
            assert client.tcp(WEB, 80) == "one"
        asked = [event["client"] for event in following.wait(len(SHAPES))]
    assert [client["where"] for client in asked] == ["pod"] * len(SHAPES)
    assert [(client["pod"], client["container"]) for client in asked] == [
        (name, f"{name}-app") for name in SHAPES
    ]
    assert [client["pid"] for client in asked] == [client.pid for client in clients.values()]
    assert [client["cgroup"] for client in asked] == [
        f"/{host.cgroup.name}/{path}" for path in SHAPES.values()
    ]
    assert [client["cgroup_id"] for client in asked] == [
        (host.cgroup / path).stat().st_ino for path in SHAPES.values()
    ]


def test_everything_about_one_decision(host: Host, client: Client) -> None:
    with Following(host) as following:
        client.tcp(WEB, 80)
        event = following.only()
    assert (event["result"], event["reason"], event["call"]) == ("forwarded", "forwarded", "connect")
    assert (event["address"], event["port"], event["protocol"]) == (WEB, 80, "TCP")
    assert event["backend"] == {"address": pool.ONE, "port": 8080, "node": "node1", "pod": "default/web-1"}
    assert (event["object"], event["service"], event["port_name"]) == (
        "Service default/web",
        "default/web",
        "tcp",
    )
    assert event["file"] == f"{host.balancer.manifests}/objects.yaml:1"
    assert (event["client"]["where"], event["client"]["pod"]) == ("host", "")


def _run(host: Host, cgroup: str, *argv: str) -> None:
    """A program that has ended when this returns."""
    subprocess.run(
        host.place(cgroup).command(argv), capture_output=True, timeout=PATIENCE_SECONDS, check=True
    )


def test_programs_that_are_gone_at_once(host: Host) -> None:
    """curl, dig and a Python script: told by their cgroups although the processes have ended."""
    send = f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'who', ({WEB!r}, 80))"
    with (
        dnsmasq(host.place("dns"), address=pool.ONE, port=5353, records=["--txt-record=ready.test,yes"]),
        Following(host, "--pod", "shop/*") as following,
    ):
        _run(host, SHAPES["containerd"], "curl", "-s", f"http://{WEB}/")
        _run(host, SHAPES["crio"], "dig", "+short", "+tries=1", "+time=20", f"@{DNS}", "ready.test", "TXT")
        _run(host, SHAPES["docker"], sys.executable, "-c", send)
        events = following.wait(3)
    assert [event["client"]["pod"] for event in events] == ["containerd", "crio", "docker"]
    assert [event["service"] for event in events] == ["default/web", "default/dns", "default/web"]
    assert [event["call"] for event in events][::2] == ["connect", "send"]
    assert events[0]["client"]["command"] == "curl"


def test_a_cgroup_that_is_gone_too(host: Host) -> None:
    """It was known from an earlier process in it."""
    path = f"kubepods/besteffort/pod{UIDS[0]}/{'f' * 64}"
    with Following(host) as following:
        _run(host, path, "curl", "-s", f"http://{WEB}/")
        following.wait(1)
        following.pause()
        _run(host, path, "curl", "-s", f"http://{WEB}/")
        (host.cgroup / path).rmdir()
        following.resume()
        events = following.wait(2)
    assert [event["client"]["pod"] for event in events] == ["cgroupfs", "cgroupfs"]
    assert [event["client"]["container"] for event in events] == ["", ""]


@pytest.fixture
def version_1(tmp_path: Path) -> Iterator[Path]:
    """A version 1 hierarchy of our own, as hybrid hosts have them, with a pod's container in it."""
    (tmp_path / "v1").mkdir()
    name = f"name=balancer-{tmp_path.name}"
    subprocess.run(["mount", "-t", "cgroup", "-o", f"none,{name}", "none", tmp_path / "v1"], check=True)
    inside = tmp_path / "v1" / "kubepods" / f"pod{UIDS[1]}" / IDS[1]
    inside.mkdir(parents=True)
    try:
        yield inside
    finally:
        for directory in (inside, inside.parent, inside.parent.parent):
            directory.rmdir()
        subprocess.run(["umount", tmp_path / "v1"], check=True)


def test_a_pod_in_version_1_hierarchies_alone(host: Host, version_1: Path) -> None:
    """A hybrid host: cgroup2 has the process in the runtime's service."""
    client = host.add_client("system.slice/containerd.service")
    (version_1 / "cgroup.procs").write_text(str(client.pid))
    with Following(host) as following:
        client.tcp(WEB, 80)
        asked = following.only()["client"]
    client.close()
    assert (asked["pod"], asked["container"]) == ("guaranteed", "guaranteed-app")
    assert asked["cgroup"].endswith("/system.slice/containerd.service")


def test_processes_of_the_host(host: Host) -> None:
    units = ("system.slice/ssh.service", "user.slice/user-0.slice/session-3.scope")
    with Following(host, "--pod", "host") as following:
        for unit in units:
            host.add_client(unit).tcp(WEB, 80)
        asked = [event["client"] for event in following.wait(2)]
    assert [client["where"] for client in asked] == ["host", "host"]
    assert [client["unit"] for client in asked] == ["ssh.service", "session-3.scope"]


def test_a_container_and_a_pod_that_nobody_knows(host: Host) -> None:
    stranger = f"kubepods/pod{'9' * 8}-aaaa-bbbb-cccc-dddddddddddd/{IDS[0]}"
    with Following(host) as following:
        host.add_client(f"system.slice/docker-{IDS[7]}.scope").tcp(WEB, 80)
        host.add_client(stranger).tcp(WEB, 80)
        first, second = (event["client"] for event in following.wait(2))
    assert (first["where"], first["runtime"], first["container_id"]) == ("container", "docker", IDS[7])
    assert (second["where"], second["pod"], second["pod_uid"]) == (
        "pod",
        "",
        f"{'9' * 8}-aaaa-bbbb-cccc-dddddddddddd",
    )


REASONS = [
    (WEB, 80, "forwarded", "Service default/web"),
    (EMPTY, 80, "refused", "Service default/empty"),
    (FAR, 80, "unreachable", "Service default/far"),
    (WEB, 81, "unknown_port", "Service default/web"),
    (NEAR, 80, "forwarded", "LocalRedirectPolicy near"),
    (pool.OWN[0], 30080, "forwarded", "Service default/ports"),
]


@pytest.mark.parametrize("way", list(Way))
def test_reasons(host: Host, client: Client, way: Way) -> None:
    """One event for each decision, by every sort of socket."""
    with Following(host) as following:
        for address, number, _, _ in REASONS:
            client.one(way, address, number)
        events = following.wait(len(REASONS))
    assert [(event["reason"], event["object"]) for event in events] == [row[2:] for row in REASONS]
    assert all((event["backend"] is None) == (event["result"] == "rejected") for event in events)
    assert {event["call"] for event in events} == {"send" if way is Way.UNCONNECTED else "connect"}


def test_affinity(host: Host, client: Client) -> None:
    with Following(host, "--service", "sticky") as following:
        client.tally(STICKY, 80, count=3)
        events = following.wait(3)
    assert [event["reason"] for event in events][1:] == ["affinity", "affinity"]
    assert len({event["backend"]["address"] for event in events}) == 1


def test_a_redirect_that_gives_way_names_both(host: Host, client: Client) -> None:
    """A redirect's own backend, and connections above its rate, get the service beneath."""
    inside = host.add_client(f"kubepods/pod{UIDS[7]}/{IDS[7]}")
    with Following(host) as following:
        inside.tcp(NEAR, 80)
        client.tally(FEW, 80, count=10)
        first, *rest = following.wait(11)
    assert (first["reason"], first["object"], first["gave_way"]) == (
        "fallback",
        "Service default/near",
        "LocalRedirectPolicy near",
    )
    assert first["client"]["pod"] == "redirected"
    limited = [event for event in rest if event["reason"] == "rate_limited"]
    assert {(event["object"], event["service"]) for event in limited} == {
        ("Service default/few", "default/few")
    }
    assert {event["gave_way"] for event in limited} == {"LocalRedirectPolicy few"}


def test_an_unconnected_socket_is_told_once(host: Host, client: Client) -> None:
    """However many datagrams: one event for a socket and a backend, and for each that is rejected."""
    talking = client.open_udp()
    with Following(host) as following:
        talking.exchange(WEB, 80, count=20)
        talking.exchange(NEAR, 80, count=20)
        talking.exchange(EMPTY, 80, count=20)
        events = following.wait(3)
    talking.close()
    assert [event["service"].rpartition("/")[2] for event in events] == ["web", "near", "empty"]
    assert len({event["socket"] for event in events}) == 1


def test_filters_and_sampling(host: Host, client: Client) -> None:
    with (
        Following(host, "--rejected", "--sample", "4") as rejected,
        Following(host, "--address", f"{WEB}:80") as web,
    ):
        client.tally(EMPTY, 80, count=12)
        client.tally(WEB, 80, count=5)
        assert {event["reason"] for event in rejected.wait(3)} == {"refused"}
        assert {event["service"] for event in web.wait(5)} == {"default/web"}
    assert (rejected.summary["matched"], rejected.summary["shown"], rejected.summary["lost"]) == (12, 3, 0)
    assert rejected.summary["services"] == {"default/empty": 12}
    assert (web.summary["seen"], web.summary["clients"]) == (17, {"host": 5})


def test_several_at_once_each_see_everything(host: Host, client: Client) -> None:
    """One that ends takes nothing from those that stay."""
    with Following(host) as first:
        with Following(host) as second:
            client.tally(WEB, 80, count=10)
            assert len(second.wait(10)) == len(first.wait(10))
        client.tally(WEB, 80, count=10)
        first.wait(20)


def test_what_is_lost_is_counted_and_said(host: Host, client: Client) -> None:
    """A command that is held up loses events: those it shows and those it lost are all there were."""
    count = 12_000
    with Following(host, "--rejected", "--sample", "100") as following:
        following.pause()
        client.tally(EMPTY, 80, count=count)
        following.resume()
        following.end()
    lost = [record for record in following.records if record["type"] == "lost"]
    assert lost[-1]["total"] == following.summary["lost"] > 0
    assert following.summary["seen"] + following.summary["lost"] == count
    assert any("events lost" in line for line in following.errors)


@pytest.mark.stress
def test_an_output_that_nobody_reads_loses_and_counts(host: Host, client: Client) -> None:
    """The command hangs in its write for longer than the switch stays on by itself, and all is accounted for."""
    count = 12_000
    with host.balancer.start("events", "-o", "json", "--rejected") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.readline()
        client.tally(EMPTY, 80, count=count)
        time.sleep(SWITCH_SECONDS + 1)
        client.tally(EMPTY, 80, count=count)
        threading.Timer(2, process.terminate).start()
        summary = json.loads(process.stdout.readlines()[-1])
    assert summary["seen"] + summary["lost"] == 2 * count
    assert (summary["lost"] > 0, summary["unheard_seconds"]) == (True, 0)


def test_names_of_what_is_applied_meanwhile(host: Host, client: Client) -> None:
    new = pool.vip(20)[0]
    with Following(host) as following:
        client.tcp(WEB, 80)
        following.wait(1)
        host.balancer.apply(_objects(), plain("new", new, (pool.TWO,)))
        client.tcp(new, 80)
        assert following.wait(2)[1]["object"] == "Service default/new"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_summary(host: Host, client: Client, how: signal.Signals) -> None:
    following = Following(host)
    client.tcp(WEB, 80)
    following.wait(1)
    following.end(how)
    assert (following.summary["results"], following.summary["shown"]) == ({"forwarded": 1}, 1)


def test_a_reader_that_goes_ends_it_quietly(host: Host, client: Client) -> None:
    """As in `balancer events | head -1`, also when nothing happens after that."""
    with host.balancer.start("events") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        client.tcp(WEB, 80)
        assert "TIME" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=PATIENCE_SECONDS) in (0, 1)
        assert "Traceback" not in process.stderr.read()


def test_text_for_people(host: Host) -> None:
    """As the manual shows it."""
    with host.balancer.start("events", "--count", "2") as process:
        assert process.stderr is not None
        process.stderr.readline()
        _run(host, SHAPES["containerd"], "curl", "-s", f"http://{WEB}/")
        host.client.tcp(EMPTY, 80)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    header, first, second = out.splitlines()
    assert "shop/containerd/containerd-app" in first
    assert first.rstrip().endswith(f"Service default/web (tcp) {host.balancer.manifests}/objects.yaml:1")
    assert (second.split()[1], header.split()[0]) == ("refused", "TIME")
    assert "2 of 2 events matched, 2 shown, 0 lost" in err
