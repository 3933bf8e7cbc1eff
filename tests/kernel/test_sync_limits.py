"""The limits of inotify, met for real: a queue that overflows, and no watch left."""

from __future__ import annotations

import contextlib
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
_LIMITS = Path("/proc/sys/fs/inotify")


@contextlib.contextmanager
def _limit(name: str, value: int) -> Iterator[None]:
    """The limit for the whole machine, so only for as long as one step needs it."""
    before = (_LIMITS / name).read_text()
    (_LIMITS / name).write_text(str(value))
    try:
        yield
    finally:
        (_LIMITS / name).write_text(before)


def _fill(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "web.yaml").write_text(to_yaml(plain("web", VIP, (BACKEND[name],))))
    return directory


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return _fill(tmp_path / "manifests", "one")


def test_more_events_than_the_queue_holds(host: Host, manifests: Path) -> None:
    """The limit counts when the instance is made. The change comes in the middle of the flood, in a new directory."""
    with contextlib.ExitStack() as small:
        small.enter_context(_limit("max_queued_events", 8))
        with watching(host, manifests) as agent:
            small.close()
            agent.until(VIP, ONE)
            with steady(host, VIP, ONE, TWO):
                for number in range(2000):
                    (manifests / f"{number}.tmp").touch()
                    if number == 1000:
                        _fill(manifests / "deep", "two")
                        (manifests / "web.yaml").unlink()
                agent.until_logged("more changes than the kernel could tell of")
                agent.until(VIP, TWO)
                _fill(manifests / "deep", "one")
                agent.until(VIP, ONE)


@pytest.mark.parametrize("limit", ["max_user_watches", "max_user_instances"])
def test_no_watches_at_the_start(host: Host, manifests: Path, limit: str) -> None:
    """It works without events, and says so with the way out."""
    with contextlib.ExitStack() as small:
        small.enter_context(_limit(limit, 0))
        with watching(host, manifests) as agent:
            small.close()
            agent.until_logged("lists the directories every second (hint: raise fs.inotify.max_user_watches")
            agent.until(VIP, ONE)
            with steady(host, VIP, ONE, TWO):
                _fill(manifests, "two")
                agent.until(VIP, TWO)


def test_watches_run_out_later(host: Host, manifests: Path) -> None:
    """A tree that grows past the limit is listed from then on."""
    with watching(host, manifests) as agent, steady(host, VIP, ONE, TWO):
        agent.until(VIP, ONE)
        with _limit("max_user_watches", 0):
            (manifests / "deep").mkdir()
            agent.until_logged("lists the directories every second")
        (manifests / "web.yaml").rename(manifests / "deep" / "web.yaml")
        _fill(manifests / "deep", "two")
        agent.until(VIP, TWO)
