"""Directories that appear late, go, come back and are mounted over, and file systems that report no events."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.balancer import to_yaml
from harness.host import Host
from harness.objects import plain
from harness.watching import steady, watching

VIP = pool.vip(1)[0]
ONE, TWO = "one", "two"
BACKEND = {"one": pool.ONE, "two": pool.TWO}


def _fill(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "web.yaml").write_text(to_yaml(plain("web", VIP, (BACKEND[name],))))
    return directory


@pytest.fixture
def served(host: Host) -> None:
    """What an earlier run left in the kernel: `two` serves."""
    host.balancer.apply(plain("web", VIP, (pool.TWO,)))


@contextlib.contextmanager
def _mounted(*arguments: str | Path) -> Iterator[None]:
    """Mounted until the end, wherever that is."""
    subprocess.run(["mount", *map(str, arguments)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(arguments[-1])], check=True)


@pytest.mark.usefixtures("served")
def test_a_path_that_appears_late(host: Host, tmp_path: Path) -> None:
    """Not even its parents are there at first: nothing is changed until the path is."""
    path = tmp_path / "late" / "still" / "manifests"
    with (
        watching(host, path, first="nothing is changed until it is there") as agent,
        steady(host, VIP, ONE, TWO),
    ):
        _fill(path, "one")
        agent.until(VIP, ONE)


def test_a_directory_removed_and_made_again(host: Host, tmp_path: Path) -> None:
    """Nothing is removed with it, and the new one is followed, also where inode numbers are used again."""
    path = _fill(tmp_path / "manifests", "one")
    with watching(host, path) as agent:
        agent.until(VIP, ONE)
        with steady(host, VIP, ONE, TWO):
            for name in ("two", "one"):
                shutil.rmtree(path)
                agent.until_logged("its last known manifests stay in force")
                _fill(path, name)
                agent.until(VIP, name)


def test_a_directory_renamed_away_and_another_renamed_in(host: Host, tmp_path: Path) -> None:
    """What happens in the one that went is no longer of interest."""
    path = _fill(tmp_path / "manifests", "one")
    with watching(host, path) as agent:
        agent.until(VIP, ONE)
        with steady(host, VIP, ONE, TWO):
            path.rename(tmp_path / "gone")
            _fill(tmp_path / "new", "two").rename(path)
            agent.until(VIP, TWO)
            _fill(tmp_path / "gone", "two")
            _fill(path, "one")
            agent.until(VIP, ONE)


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("options", [(), ("--poll",)], ids=["events", "poll"])
def test_a_mount_that_comes_goes_and_comes_back(host: Host, tmp_path: Path, options: tuple[str, ...]) -> None:
    """A mount is no event of the directory below it; one that vanishes removes nothing."""
    source, path = _fill(tmp_path / "volume", "one"), tmp_path / "manifests"
    path.mkdir()
    with watching(host, path, *options, first="no manifests here") as agent, steady(host, VIP, ONE, TWO):
        with _mounted("--bind", source, path):
            agent.until(VIP, ONE)
            _fill(path, "two")
            agent.until(VIP, TWO)
        agent.until_logged("its last known manifests stay in force")
        _fill(source, "one")
        with _mounted("--bind", source, path):
            agent.until(VIP, ONE)


def test_a_mount_deep_inside(host: Host, tmp_path: Path) -> None:
    """A volume for one team's manifests, mounted into the tree while it is watched."""
    path, volume = _fill(tmp_path / "manifests", "one"), tmp_path / "volume"
    (path / "team").mkdir()
    volume.mkdir()
    (volume / "team.yaml").write_text(to_yaml(plain("team", pool.vip(3)[0], (pool.TWO,))))
    with watching(host, path) as agent, _mounted("--bind", volume, path / "team"):
        agent.until(pool.vip(3)[0], TWO)


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A directory whose files change without any event there, as on NFS when another host writes them:
    an overlay mount, and the lower directory in which they are changed.
    """
    lower, path = _fill(tmp_path / "lower", "one"), tmp_path / "manifests"
    path.mkdir()
    with _mounted("-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}:{path}", path):
        yield path, lower


def test_without_events_it_has_to_poll(host: Host, silent: tuple[Path, Path]) -> None:
    """The same change, not noticed by events and noticed by --poll."""
    path, lower = silent
    with watching(host, path) as agent:
        agent.until(VIP, ONE)
        _fill(lower, "two")
        time.sleep(1.5)
        assert host.client.tcp(VIP, 80) == ONE
    with watching(host, path, "--poll") as agent, steady(host, VIP, ONE, TWO):
        agent.until(VIP, TWO)
        _fill(lower, "one")
        agent.until(VIP, ONE)
