"""Draws docs/top.svg and docs/top-service.svg: the real app on real connections to the services of samples/cluster.

    PYTHONPATH=tests .venv/bin/python -m harness.top_picture [DIRECTORY]

Needs root, like the tests that it shares its host with; takes about half a minute.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.app import App

from harness.client import Way
from harness.host import Host, lone_host
from harness.netns import add_addresses
from harness.objects import local_redirect, pod, port, to_service
from harness.samples import SAMPLES

ROOT = Path(__file__).resolve().parents[2]

NODE = "k8s-worker-1"
LOCAL_DNS = {"k8s-app": "node-local-dns"}
SIZE = (150, 34)
INSIDE_SIZE = (124, 20)
SECONDS = 17
BUSY: Sequence[tuple[str, int, Way, float]] = (
    ("10.96.0.10", 53, Way.UNCONNECTED, 0.006),
    ("10.96.200.11", 80, Way.TCP, 0.02),
    ("198.51.100.20", 443, Way.TCP, 0.03),
    ("10.96.50.1", 5432, Way.TCP, 0.04),
    ("10.96.50.3", 6379, Way.TCP, 0.025),
    ("10.96.30.1", 9090, Way.TCP, 0.2),
    ("10.96.0.1", 443, Way.TCP, 0.25),
    ("10.96.30.3", 3000, Way.TCP, 0.7),
    ("10.96.30.5", 5140, Way.UNCONNECTED, 0.3),
)
"""Address, port, kind of socket and pause in seconds; by service name below."""
NAMED: Sequence[tuple[str, Way, float]] = (
    ("shop/frontend", Way.TCP, 0.012),
    ("shop/cart", Way.TCP, 0.05),
    ("shop/catalog", Way.TCP, 0.035),
    ("shop/checkout", Way.TCP, 0.15),
    ("shop/search", Way.TCP, 0.4),
    ("shop/wishlist", Way.TCP, 1.1),
    ("shop/session-api", Way.TCP, 0.09),
    ("shop/recommendations", Way.TCP, 0.06),
    ("media/playback", Way.TCP, 0.11),
    ("data/kafka-bootstrap", Way.TCP, 0.14),
)
INSIDE = "kube-dns 53/udp"


def main(directory: Path) -> None:
    """Sets the stage, lets clients run, draws."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="balancer-top-")))
        host = stack.enter_context(lone_host(place, node=NODE))
        frontends = apply(host)
        serve(host, frontends)
        stack.enter_context(traffic(host, frontends))
        directory.mkdir(exist_ok=True)
        asyncio.run(draw(host, directory))


def apply(host: Host) -> list[dict[str, Any]]:
    """The sample and a redirect of DNS to this node; from inside the sample's folder, so that files are named
    as they are there.
    """
    shutil.copytree(SAMPLES / "cluster" / "manifests", host.balancer.manifests, dirs_exist_ok=True)
    ports = (port(53, "dns", protocol="UDP"), port(53, "dns-tcp"))
    policy = local_redirect(
        "node-local-dns",
        to_service("kube-dns", *ports, namespace="kube-system"),
        *ports,
        labels=LOCAL_DNS,
        rate="40",
    )
    local = pod(
        "node-local-dns-7xk2p", NODE, "10.244.1.99", uid="5a1d", labels=LOCAL_DNS, namespace="kube-system"
    )
    host.balancer.add("node-local-dns.yaml", policy, local)
    os.chdir(host.balancer.manifests.parent)
    host.balancer.run("apply", "manifests")
    found: list[dict[str, Any]] = host.balancer.json("get", "frontends")["frontends"]
    return found


def serve(host: Host, frontends: Sequence[dict[str, Any]]) -> None:
    """A server for each backend."""
    backends = {
        (backend["address"], backend["port"], front["protocol"])
        for front in frontends
        for backend in (*front["backends"], *front["fallback"])
    }
    add_addresses(host.netns, sorted({address for address, _, _ in backends}))
    for address, number, protocol in sorted(backends):
        host.servers.serve(address, address, number, protocol)


@contextmanager
def traffic(host: Host, frontends: Sequence[dict[str, Any]]) -> Iterator[None]:
    """Connections to some services, each at its own pace."""
    wanted = list(BUSY)
    for name, way, pause in NAMED:
        front = next(
            item
            for item in frontends
            if item["object"] == f"Service {name}"
            and item["kind"] == "ClusterIP"
            and ":" not in item["address"]
        )
        wanted.append((front["address"], front["port"], way, pause))
    storms = [host.client.storm(way, address, port, pause=pause) for address, port, way, pause in wanted]
    try:
        yield
    finally:
        for storm in storms:
            storm.calm()


async def draw(host: Host, directory: Path) -> None:
    """The table after a while, then one service."""
    from balancer.config import Settings
    from balancer.observe.top.app import TopApp
    from balancer.observe.top.look import Look
    from balancer.observe.top.tap import opener
    from balancer.observe.top.world import source_of
    from balancer.status import status

    made = host.balancer
    settings = replace(Settings(), node=NODE, cgroup=made.cgroup, bpffs=made.bpffs, state=made.state)
    app = TopApp(source_of(settings, status), Look(interval=2.0), opener(settings))
    async with app.run_test(size=SIZE) as pilot:
        await asyncio.sleep(SECONDS)
        (directory / "top.svg").write_text(picture(app))
        await pilot.press(
            "slash", *("space" if letter == " " else letter for letter in INSIDE), "enter", "enter"
        )
        await pilot.resize_terminal(*INSIDE_SIZE)
        await asyncio.sleep(SECONDS)
        (directory / "top-service.svg").write_text(picture(app))
        await pilot.press("q")


def picture(app: App[None]) -> str:
    """The screen, with the reader's own fonts: nothing is fetched from elsewhere."""
    return re.sub(r"\s*@font-face \{.*?\}", "", app.export_screenshot(title="balancer top"), flags=re.S)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "docs")
