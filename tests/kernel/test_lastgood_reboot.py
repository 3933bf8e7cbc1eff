"""A reboot, a state file that is lost or cannot be written, and a kernel that turns away: services come back.

A reboot is what it is for the kernel: every pin is gone, and with the pins every program and map.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.agent import Watch, problems
from harness.client import Client
from harness.host import Host
from harness.objects import both, local_redirect, plain, to_service
from harness.patience import until

WEB, DNS = pool.vip(1)[0], pool.vip(2)[0]


def _lose_pins(host: Host, client: Client) -> None:
    """Remove every pin as a reboot does, and wait until nothing is translated any more."""
    for path in sorted(host.balancer.bpffs.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    until(lambda: client.tcp(WEB, 80) == "ENETUNREACH", "the programs outlive their pins", pause=0.0)


def _state_files(host: Host) -> list[Path]:
    return list(host.balancer.state.parent.glob("state.json*"))


@pytest.fixture
def crashed(host: Host, client: Client) -> Host:
    """An agent that had two files of manifests in force was killed."""
    shutil.rmtree(host.balancer.manifests, ignore_errors=True)
    host.balancer.manifests.mkdir()
    for file in _state_files(host):
        file.unlink()
    host.balancer.write(plain("web", WEB, (pool.ONE,)))
    host.balancer.add("dns.yaml", *plain("dns", DNS, (pool.TWO,)))
    with Watch(host) as watch:
        watch.wait("start: ")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")
        watch.crash()
    return host


@pytest.fixture
def rebooted(crashed: Host, client: Client) -> Host:
    """The same after a power failure: nothing is loaded."""
    _lose_pins(crashed, client)
    return crashed


def _remove(directory: Path) -> None:
    shutil.rmtree(directory)


def _break(directory: Path) -> None:
    for file in directory.iterdir():
        file.write_text("kind: [")


@pytest.mark.parametrize("damage", [_remove, _break], ids=["missing", "broken"])
def test_services_come_back_without_the_directory(
    rebooted: Host, client: Client, damage: Callable[[Path], None]
) -> None:
    """From the state file, and status and log say so until the directory is good again."""
    directory = rebooted.balancer.manifests
    damage(directory)
    with Watch(rebooted) as watch:
        assert "2 restored" in watch.wait("start: ")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")
        status = watch.status()
        assert status["stale_files"]
        assert "what was in force before the agent started is still used" in problems(status)
        directory.mkdir(exist_ok=True)
        rebooted.balancer.write(plain("web", WEB, (pool.THREE,)), plain("dns", DNS, (pool.THREE,)))
        watch.wait("solved: ")
        watch.wait("change of")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("three", "three")
        assert (watch.status()["stale_files"], watch.status()["problems"]) == ([], [])


def test_everything_about_a_service_comes_back(crashed: Host, client: Client) -> None:
    """What is kept is the manifests themselves: policies and the names for `get` are there too."""
    redirect = local_redirect("near", to_service("web"), *both(pool.PORT), labels={"app": "none"})
    crashed.balancer.write(plain("web", WEB, (pool.ONE,)), redirect)
    with Watch(crashed) as watch:
        watch.wait("start: ")
        before = crashed.balancer.json("get", "backends"), crashed.balancer.json("get", "policies")
        watch.crash()
    _lose_pins(crashed, client)
    _remove(crashed.balancer.manifests)
    with Watch(crashed) as watch:
        watch.wait("start: ")
        after = crashed.balancer.json("get", "backends"), crashed.balancer.json("get", "policies")
    assert after == before


@pytest.mark.parametrize("name", ["state.json", "state.json.names", "state.json.lastgood"])
def test_a_damaged_state_file_is_set_aside_and_never_fatal(crashed: Host, client: Client, name: str) -> None:
    """Status says where it is, and a new one is written that is as good."""
    path = crashed.balancer.state.with_name(name)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 :] = bytes(len(raw) - len(raw) // 2)
    path.write_bytes(raw)
    with Watch(crashed) as watch:
        watch.wait("start: ")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")
        assert f"{path}.aside" in problems(watch.status())
    assert path.with_name(f"{name}.aside").read_bytes() == raw
    _remove(crashed.balancer.manifests)
    with Watch(crashed) as watch:
        assert "2 restored" in watch.wait("start: in sync")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")


def test_with_nothing_to_go_by_it_changes_nothing(crashed: Host, client: Client) -> None:
    """No directory and no state file: what is in the maps stays until there is a directory again."""
    for file in _state_files(crashed):
        file.unlink()
    _remove(crashed.balancer.manifests)
    with Watch(crashed) as watch:
        watch.wait("nothing is changed until it is there")
        watch.look()
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")
        assert "waiting" in watch.status()["last_pass"]["result"]
        crashed.balancer.manifests.mkdir()
        crashed.balancer.write(plain("web", WEB, (pool.FOUR,)), plain("dns", DNS, (pool.FOUR,)))
        watch.wait("4 changed")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("four", "four")


@contextlib.contextmanager
def _tiny_disk(path: Path) -> Iterator[Path]:
    """A file system with no room left."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(path)], check=True)
    try:
        (path / "filler").write_bytes(bytes(4096))
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def _make_room(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=1M", str(disk)], check=True)


def test_a_full_disk_is_a_problem_and_no_failure(crashed: Host, client: Client, tmp_path: Path) -> None:
    """Services are in force all the same; what could not be kept is kept when there is room."""
    with _tiny_disk(tmp_path / "disk") as disk, Watch(crashed, "--state", str(disk / "state.json")) as watch:
        watch.wait("cannot write the last good content")
        watch.wait("start: ")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")
        _make_room(disk)
        watch.look()
        watch.wait("solved: ")
        watch.wait("reload: ")
        assert len((disk / "state.json.lastgood").read_bytes()) > 4096
        assert not [line for line in watch.lines if "pass failed" in line]


def test_a_read_only_disk_is_a_problem_and_no_failure(crashed: Host, client: Client) -> None:
    """And what was kept on it before still comes back."""
    directory = crashed.balancer.state.parent
    _remove(crashed.balancer.manifests)
    subprocess.run(["mount", "--bind", str(directory), str(directory)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(directory)], check=True)
        with Watch(crashed) as watch:
            watch.wait("Read-only file system")
            assert "2 restored" in watch.wait("start: ")
            assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def test_pins_that_vanish_under_the_agent_are_made_again(crashed: Host, client: Client) -> None:
    """Somebody cleaned up the bpf file system: the next pass loads everything anew."""
    with Watch(crashed) as watch:
        watch.wait("start: ")
        _lose_pins(crashed, client)
        watch.look()
        watch.wait("programs loaded")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")


def test_a_kernel_that_turns_away_does_not_end_the_agent(crashed: Host, client: Client) -> None:
    """The bpf file system is unmounted while the agent runs, and mounted again later."""
    mount = crashed.balancer.bpffs.parent
    with Watch(crashed) as watch:
        watch.wait("start: ")
        subprocess.run(["umount", "--lazy", str(mount)], check=True)
        watch.look()
        watch.wait("pass failed: ")
        assert "is not inside a bpf file system" in problems(watch.status(code=6))
        subprocess.run(["mount", "-t", "bpf", "bpf", str(mount)], check=True)
        watch.wait("working again")
        assert (client.tcp(WEB, 80), client.udp(DNS, 80)) == ("one", "two")
