"""An apply that is killed, and two at once: clients never notice, and the next pass converges."""

from __future__ import annotations

import random
import time

from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import Object, plain

VIP = pool.vip(1)[0]
FILLER = 100


def _directory(endpoints: tuple[str, ...], *, filler: int = FILLER) -> list[list[Object]]:
    """The service that clients use, among many others that make the pass longer."""
    others = [plain(f"s{n}", f"10.96.7.{n + 1}", endpoints) for n in range(filler)]
    return [plain("web", VIP, endpoints), *others]


def _kill_during_apply(host: Host, took: float) -> None:
    """Start an apply that needs about `took` seconds, and kill it at a random instant of the later part,
    where it works on the kernel.
    """
    with host.balancer.start("apply", str(host.balancer.manifests)) as process:
        time.sleep(random.uniform(0.4, 1.0) * took)
        process.kill()


def _timed_apply(host: Host) -> float:
    start = time.monotonic()
    host.balancer.run("apply", str(host.balancer.manifests))
    return time.monotonic() - start


def test_killed_while_loading(host: Host, client: Client) -> None:
    """The same for the first apply of all, which compiles, loads, pins and attaches."""
    host.balancer.run("detach")
    host.balancer.write(*_directory((pool.ONE,), filler=3))
    took = _timed_apply(host)
    for _ in range(5):
        host.balancer.run("detach")
        _kill_during_apply(host, took)
        host.balancer.run("apply", str(host.balancer.manifests))
        assert {client.tcp(VIP, 80), client.udp(VIP, 80)} == {"one"}


def test_two_at_once(host: Host, client: Client) -> None:
    """Two reconcilers on the same maps: one waits for the other, and both end well."""
    host.balancer.apply(*_directory((pool.ONE,)))
    host.balancer.write(*_directory((pool.TWO,)))
    running = [host.balancer.start("apply", str(host.balancer.manifests)) for _ in range(3)]
    results = [(process.communicate(timeout=120), process.returncode) for process in running]
    assert [code for _, code in results] == [0, 0, 0], results
    assert set(client.tally(VIP, 80)) == {"two"}
    host.balancer.run("plan", "--exit-code", str(host.balancer.manifests))
