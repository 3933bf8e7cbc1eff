"""The limits of inotify: a queue that overflows, and no watch left.

The limits are those of the whole machine, where agents of other tests run as well. So they stay as they are: a
queue is filled while the agent is stopped, and calls are refused to one agent alone, by strace's injection.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import faults, pool
from harness.balancer import to_yaml
from harness.host import Host
from harness.objects import plain
from harness.watching import Watching, steady, watching

VIP = pool.vip(1)[0]
ONE, TWO = "one", "two"
BACKEND = {"one": pool.ONE, "two": pool.TWO}
_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def _fill(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "web.yaml").write_text(to_yaml(plain("web", VIP, (BACKEND[name],))))
    return directory


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return _fill(tmp_path / "manifests", "one")


@contextlib.contextmanager
def _stopped(agent: Watching) -> Iterator[None]:
    agent.send(signal.SIGSTOP)
    try:
        yield
    finally:
        agent.send(signal.SIGCONT)


def _flood(directory: Path) -> None:
    """More events than a queue holds. Two files in turn, since an event like the one before it is not queued."""
    files = [directory / f"{number}.tmp" for number in range(2)]
    for file in files:
        file.touch()
    for number in range(int(_QUEUE.read_text()) + 100):
        files[number % 2].chmod(0o600)


def test_more_events_than_the_queue_holds(host: Host, manifests: Path) -> None:
    """The change comes when the queue is full, in a new directory."""
    with watching(host, manifests) as agent:
        agent.until(VIP, ONE)
        with steady(host, VIP, ONE, TWO):
            with _stopped(agent):
                _flood(manifests)
                _fill(manifests / "deep", "two")
                (manifests / "web.yaml").unlink()
            agent.until_logged("more changes than the kernel could tell of")
            agent.until(VIP, TWO)
            _fill(manifests / "deep", "one")
            agent.until(VIP, ONE)


@pytest.mark.parametrize(
    ("call", "errno"),
    [("inotify_add_watch", "ENOSPC"), ("/^inotify_init", "EMFILE")],
    ids=["max_user_watches", "max_user_instances"],
)
def test_no_watches_at_the_start(host: Host, manifests: Path, call: str, errno: str) -> None:
    """It works without events, and says so with the way out. inotify_init(2), inotify_add_watch(2): what fails at
    which limit.
    """
    with watching(host, manifests, prefix=faults.always(call, errno)) as agent:
        agent.until_logged("lists the directories every second (hint: raise fs.inotify.max_user_watches")
        agent.until(VIP, ONE)
        with steady(host, VIP, ONE, TWO):
            _fill(manifests, "two")
            agent.until(VIP, TWO)


def test_watches_run_out_later(host: Host, manifests: Path) -> None:
    """A tree that grows past the limit is listed from then on."""
    with watching(host, manifests) as agent, steady(host, VIP, ONE, TWO):
        agent.until(VIP, ONE)
        with faults.from_now_on(agent.pid, "inotify_add_watch", "ENOSPC"):
            (manifests / "deep").mkdir()
            agent.until_logged("lists the directories every second")
        (manifests / "web.yaml").rename(manifests / "deep" / "web.yaml")
        _fill(manifests / "deep", "two")
        agent.until(VIP, TWO)
