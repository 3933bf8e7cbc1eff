"""A directory that goes wrong under a running agent: what worked goes on working, and it is said."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.agent import Watch, problems
from harness.balancer import to_yaml
from harness.client import Client
from harness.host import Host
from harness.objects import Object, plain

WEB, DNS = pool.vip(1)[0], pool.vip(2)[0]
MANY = 14


def _file(host: Host, name: str, *objects: list[Object], text: str | None = None) -> Path:
    """A file put in place at once, as sync tools do."""
    return host.balancer.put(name, to_yaml(one for each in objects for one in each) if text is None else text)


@pytest.fixture
def both(host: Host) -> Iterator[Host]:
    """Two services in a file of their own each: web on one, dns on one."""
    shutil.rmtree(host.balancer.manifests)
    host.balancer.manifests.mkdir()
    _file(host, "web.yaml", plain("web", WEB, (pool.ONE,)))
    _file(host, "dns.yaml", plain("dns", DNS, (pool.ONE,)))
    yield host
    _unmount(host.balancer.manifests)


BROKEN = {
    "half-written": "apiVersion: v1\nkind: Service\nmetadata: {name: half",
    "bad-schema": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 99999}]}\n",
    "truncated": "",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_keeps_its_objects_and_the_others_converge(
    both: Host, client: Client, text: str
) -> None:
    """The rest of a bad commit is in force, the bad file's last good objects too, until it is repaired."""
    with Watch(both) as watch:
        watch.wait("start: ")
        _file(both, "dns.yaml", plain("dns", DNS, (pool.TWO,)))
        broken = _file(both, "web.yaml", text=text)
        watch.wait(f"ERROR {broken}:")
        watch.wait("1 stale")
        assert (client.tcp(WEB, 80), client.tcp(DNS, 80)) == ("one", "two")
        status = watch.status()
        assert status["stale_files"] == [str(broken)]
        assert str(broken) in problems(status)
        _file(both, "web.yaml", plain("web", WEB, (pool.THREE,)))
        watch.wait(f"solved: {broken}:")
        watch.wait("change of")
        assert client.tcp(WEB, 80) == "three"
        assert (watch.status()["stale_files"], watch.status()["problems"]) == ([], [])


def _move_away(directory: Path) -> None:
    directory.rename(directory.with_name("away"))


def _empty(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


def _die(directory: Path) -> None:
    """A network file system whose other end is gone: root itself cannot read it."""
    channel = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={channel},rootmode=40000,user_id=0,group_id=0"
    command = ["mount", "-i", "-t", "fuse", "-o", options, "dead", str(directory)]
    subprocess.run(command, check=True, pass_fds=[channel])
    os.close(channel)


def _loop(directory: Path) -> None:
    _move_away(directory)
    directory.symlink_to(directory)


def _unmount(directory: Path) -> None:
    subprocess.run(["umount", "--lazy", str(directory)], check=False, stderr=subprocess.DEVNULL)


def _repair(host: Host) -> None:
    """The directory is there again, with a new commit in it, all of it at once."""
    directory = host.balancer.manifests
    commit, old = directory.with_name("commit"), directory.with_name("old")
    for path in (commit, old, directory.with_name("away")):
        shutil.rmtree(path, ignore_errors=True)
    commit.mkdir()
    for name, address in (("web", WEB), ("dns", DNS)):
        (commit / f"{name}.yaml").write_text(to_yaml(plain(name, address, (pool.TWO,))))
    _unmount(directory)
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        directory.rename(old)
    commit.rename(directory)


VANISH = {"missing": _move_away, "empty": _empty, "dead-mount": _die, "link-loop": _loop}


@pytest.mark.parametrize("vanish", VANISH.values(), ids=VANISH.keys())
def test_a_directory_that_is_gone_removes_nothing(
    both: Host, client: Client, vanish: Callable[[Path], None]
) -> None:
    """Told by log and status, and over as soon as it is back."""
    directory = both.balancer.manifests
    with Watch(both) as watch:
        watch.wait("start: ")
        vanish(directory)
        watch.look()
        assert "its last known manifests stay in force" in watch.wait(f"ERROR {directory}:")
        watch.wait("1 stale")
        assert (client.tcp(WEB, 80), client.tcp(DNS, 80)) == ("one", "one")
        status = watch.status()
        assert status["stale_files"] == [str(directory)]
        assert "its last known manifests stay in force" in problems(status)
        _repair(both)
        watch.look()
        watch.wait("solved: ")
        watch.wait("0 added, 4 changed, 0 deleted")
        assert (client.tcp(WEB, 80), client.tcp(DNS, 80)) == ("two", "two")
        assert watch.status()["stale_files"] == []


def test_an_agent_that_starts_without_its_directory_removes_nothing(both: Host, client: Client) -> None:
    """What is in the maps stays, with the names that belong to it."""
    with Watch(both) as watch:
        watch.wait("start: ")
        watch.crash()
    _move_away(both.balancer.manifests)
    with Watch(both) as watch:
        watch.wait("start: in sync, nothing to change")
        assert (client.tcp(WEB, 80), client.tcp(DNS, 80)) == ("one", "one")
        frontends = both.balancer.json("get", "frontends")["frontends"]
        assert {item["object"] for item in frontends} == {"Service default/web", "Service default/dns"}
        _repair(both)
        watch.wait("solved: ")


def _services(count: int) -> list[list[Object]]:
    return [plain(f"s{number}", pool.vip(number)[0], (pool.ONE,)) for number in range(1, count + 1)]


@pytest.fixture
def braked(both: Host) -> Iterator[tuple[Host, Watch]]:
    """Fourteen services in force, and an agent that was just asked to remove all but two of them."""
    _empty(both.balancer.manifests)
    _file(both, "all.yaml", *_services(MANY))
    with Watch(both) as watch:
        watch.wait("start: ")
        _file(both, "all.yaml", *_services(2))
        watch.wait("pass failed: refused: this would delete")
        yield both, watch
    both.balancer.run("apply", "--allow-mass-delete", str(both.balancer.manifests))


LAST = pool.vip(MANY)[0]


def test_the_brake_holds_and_is_told(braked: tuple[Host, Watch], client: Client) -> None:
    """Status says so for as long as it holds, and the log once, however often the pass is tried again."""
    _, watch = braked
    for _ in range(3):
        watch.look()
    status = watch.status()
    assert "refused: this would delete" in status["last_pass"]["result"]
    assert "apply --allow-mass-delete" in problems(status)
    assert client.tcp(LAST, 80) == "one"
    assert len([line for line in watch.lines if "refused" in line]) == 1


def test_a_person_releases_the_brake(braked: tuple[Host, Watch], client: Client) -> None:
    host, watch = braked
    host.balancer.run("apply", "--allow-mass-delete", str(host.balancer.manifests))
    watch.wait("working again")
    assert (client.tcp(WEB, 80), client.tcp(LAST, 80)) == ("one", "ENETUNREACH")
    status = watch.status()
    assert (status["last_pass"]["result"], status["problems"]) == ("converged", [])


def test_the_brake_is_off_when_its_cause_is_gone(braked: tuple[Host, Watch], client: Client) -> None:
    host, watch = braked
    _file(host, "all.yaml", *_services(MANY + 1))
    watch.wait("2 added")  # IPv4 and IPv6, or TCP and UDP, of one service
    assert client.tcp(pool.vip(MANY + 1)[0], 80) == "one"
    assert watch.status()["last_pass"]["result"] == "converged"
