"""Loading, staying, sharing and leaving: what the instance does to the kernel as a whole."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.client import Client, Way
from harness.foreign import forbidding
from harness.host import Host
from harness.objects import both, endpoint_slice, plain, service
from harness.place import Place

VIP = pool.vip(1)[0]
HOOKS = {f"cgroup_inet{family}_{hook}" for family in (4, 6) for hook in ("connect", "getpeername")}
HOOKS |= {f"cgroup_udp{family}_{hook}" for family in (4, 6) for hook in ("sendmsg", "recvmsg")}


def _attached(cgroup: Path) -> dict[int, str]:
    """Attach types by program id."""
    shown = subprocess.run(["bpftool", "-j", "cgroup", "show", str(cgroup)], capture_output=True, check=True)
    return {entry["id"]: entry["attach_type"] for entry in json.loads(shown.stdout.strip() or "[]")}


def _holders(programs: set[int]) -> list[str]:
    """Processes with an open descriptor of one of these programs."""
    found = []
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        with contextlib.suppress(OSError):
            text = info.read_text()
            if "prog_id:" in text and int(text.partition("prog_id:")[2].split()[0]) in programs:
                found.append(info.parts[2])
    return found


@pytest.fixture
def other(host: Host, tmp_path: Path) -> Iterator[Host]:
    """A second instance in the same namespace, with a cgroup and pins of its own."""
    with contextlib.ExitStack() as stack:
        yield Host(stack, netns=host.netns, directory=tmp_path, node="node2")


def test_all_eight_hooks_are_attached(host: Host) -> None:
    """IPv6 hooks too, always: they serve ::ffff:a.b.c.d sockets."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    assert sorted(_attached(host.cgroup).values()) == sorted(HOOKS)


def test_nothing_runs_afterwards(host: Host, client: Client) -> None:
    """The kernel alone does the work: no process holds a program, and connections are still translated."""
    host.balancer.apply(plain("web", VIP, pool.FOUR_ADDRESSES))
    programs = _attached(host.cgroup)
    assert len(programs) == 8
    assert _holders(set(programs)) == []
    assert set(client.tally(VIP, 80, count=100)) == set(pool.NAMES)


def test_detach_removes_everything(host: Host, client: Client) -> None:
    """No program, no pin, no translation; connections that are no service's were never touched."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    assert client.tcp(VIP, 80) == "one"
    host.balancer.run("detach")
    assert _attached(host.cgroup) == {}
    assert not host.balancer.bpffs.exists() or list(host.balancer.bpffs.iterdir()) == []
    assert client.tcp(VIP, 80) == "ENETUNREACH"
    assert (client.tcp(pool.ONE, pool.PORT), client.udp(pool.ONE, pool.PORT)) == ("one", "one")
    host.balancer.apply(plain("web", VIP, (pool.TWO,)))
    assert client.tcp(VIP, 80) == "two"


def test_status_tells_whether_it_works(host: Host) -> None:
    """Status exits 0 while every hook is in effect, and 6 when nothing is loaded."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    host.balancer.run("status")
    host.balancer.run("detach")
    host.balancer.run("status", code=6)


def test_two_instances_never_touch_each_other(host: Host, client: Client, other: Host) -> None:
    """Each serves the processes of its own cgroup alone, and going away takes nothing from the other."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    other.balancer.apply(plain("web", VIP, (pool.TWO,)))
    assert (client.tcp(VIP, 80), other.client.tcp(VIP, 80)) == ("one", "two")
    other.balancer.run("detach")
    assert (client.tcp(VIP, 80), other.client.tcp(VIP, 80)) == ("one", "ENETUNREACH")


def test_processes_outside_of_the_cgroup_are_untouched(host: Host) -> None:
    """Only the chosen part of the cgroup tree is served."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    with Client(Place(netns=host.netns)) as outsider:
        assert outsider.tcp(VIP, 80) == "ENETUNREACH"


def test_processes_deep_below_the_cgroup_are_served(host: Host) -> None:
    """Cgroups made after loading are served as well, at any depth."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    deep = host.add_client("system.slice/app.service/worker")
    assert {deep.one(way, VIP, 80).outcome for way in Way} == {"one"}


@pytest.mark.parametrize("foreign_first", [True, False], ids=["before", "after"])
def test_foreign_programs_stay_and_work(host: Host, client: Client, foreign_first: bool) -> None:
    """Another program on the same cgroup keeps its place through loading and detaching, and both work."""
    directory = plain("web", VIP, (pool.ONE,))
    host.balancer.run("detach")
    with contextlib.ExitStack() as stack:
        if not foreign_first:
            host.balancer.apply(directory)
        foreign = stack.enter_context(forbidding(host.cgroup, port=999))
        host.balancer.apply(directory)
        assert (client.tcp(VIP, 80), client.tcp(pool.ONE, 999)) == ("one", "EPERM")
        host.balancer.run("detach")
        assert list(_attached(host.cgroup)) == [foreign]
        assert (client.tcp(VIP, 80), client.tcp(pool.ONE, 999)) == ("ENETUNREACH", "EPERM")
    assert client.tcp(pool.ONE, 999) == "ECONNREFUSED"


def test_counters_count_what_happened(host: Host, client: Client) -> None:
    """The live frontends say how many connections each was given."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)), service("empty", *both(80), ips=(pool.vip(2)[0],)),
                        endpoint_slice("empty", (), *both(pool.PORT)))  # fmt: skip

    def counts() -> dict[tuple[str, str], tuple[int, int]]:
        frontends = host.balancer.json("get", "frontends")["frontends"]
        return {
            (item["address"], item["protocol"]): (item["forwarded"], item["rejected"]) for item in frontends
        }

    before = counts()
    client.tally(VIP, 80, count=25)
    client.tally(pool.vip(2)[0], 80, count=7)
    after = counts()
    assert after[VIP, "UDP"] == before[VIP, "UDP"]
    assert [new - old for old, new in zip(before[VIP, "TCP"], after[VIP, "TCP"], strict=True)] == [25, 0]
    empty = (pool.vip(2)[0], "TCP")
    assert [new - old for old, new in zip(before[empty], after[empty], strict=True)] == [0, 7]
