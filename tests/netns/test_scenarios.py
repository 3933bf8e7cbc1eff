"""The sample folders on real traffic: what a README promises for a destination is what sockets get there.

Each sample's network is built with the addresses of its own objects, and its own files are applied.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from harness.client import Way
from harness.place import Place
from harness.samples import PLANS, SAMPLES
from harness.servers import dnsmasq
from ruamel.yaml import YAML

from netns.scenario import Scenario, ask, pod_addresses, scenario

ON_TRAFFIC = [plan for plan in PLANS if plan != ("cluster", "k8s-cp-1")]
"""The big cluster is built once, the others for every host that there is a plan for."""


@pytest.mark.parametrize(("folder", "node"), ON_TRAFFIC, ids=["-".join(plan) for plan in ON_TRAFFIC])
def test_sockets_get_what_the_readme_says(tmp_path: Path, folder: str, node: str) -> None:
    """Every destination of the table, from a process of the host: exactly the backends named, or the error."""
    with scenario(folder, node, tmp_path) as here:
        here.serve()
        here.apply()
        found = {row.destination: ask(here.host.client, row) for row in here.rows}
        assert found == {row.destination: row.answers for row in here.rows}


def test_a_pod_reaches_fixed_addresses(tmp_path: Path) -> None:
    """The same from a pod, over the wire by way of its node; the pod sees the address that it asked."""
    with scenario("external-addresses", "node-a", tmp_path) as here:
        (orders,) = here.pods
        pod = here.client_in_pod(orders)
        here.serve()
        here.apply()
        assert {row.destination: ask(pod, row) for row in here.rows} == {
            row.destination: row.answers for row in here.rows
        }
        assert pod.one(Way.TCP, "100.64.1.10", 5432).source == ("100.64.1.10", 5432)


def test_a_pods_own_redirect_gets_the_fallback(tmp_path: Path) -> None:
    """Every row that has a fallback, asked from the pod that is the redirect's backend."""
    with scenario("node-local-dns", "node-a", tmp_path) as here:
        cache = here.client_in_pod(_cache_of(here))
        here.serve()
        here.apply()
        assert {row.destination: ask(cache, row) for row in here.rows} == {
            row.destination: row.fallback or row.answers for row in here.rows
        }


VIPS = ("10.96.0.10", "fd00:10:96::a")
CACHED = "10.9.9.99"
OF_CLUSTER = {"10.9.9.1", "10.9.9.2"}
TRANSPORTS = ("+notcp", "+tcp")
APP = ("10.244.1.99", "fd00:10:244:1::99")


def _pods_of(here: Scenario, app: str, node: str) -> list[str]:
    """The names of an app's pods on one node."""
    found = (name for name, pod in here.pods.items() if pod["spec"]["nodeName"] == node)
    return [name for name in found if name.startswith(f"{app}-")]


def _cache_of(here: Scenario) -> str:
    (name,) = _pods_of(here, "node-local-dns", "node-a")
    return name


@contextlib.contextmanager
def _dns_server(place: Place, addresses: list[str], *options: str) -> Iterator[None]:
    """A dnsmasq on port 53 of all of a pod's addresses."""
    more = [f"--listen-address={address}" for address in addresses[1:]]
    with dnsmasq(place, address=addresses[0], port=53, records=[*more, "--cache-size=0", *options]):
        yield


@contextlib.contextmanager
def _cluster_dns(here: Scenario) -> Iterator[None]:
    """The DNS servers of the cluster, on node-b and node-c, each with an answer of its own."""
    with contextlib.ExitStack() as stack:
        for node, answer in zip(("node-b", "node-c"), sorted(OF_CLUSTER), strict=True):
            (name,) = _pods_of(here, "coredns", node)
            place = Place(netns=here.space_of_pod(name))
            stack.enter_context(
                _dns_server(place, pod_addresses(here.pods[name]), f"--address=/test/{answer}")
            )
        yield


def _cache(here: Scenario) -> contextlib.AbstractContextManager[None]:
    """The cache on node-a, in its pod: knows one name, and forwards the rest to the very address it stands for."""
    name = _cache_of(here)
    place = here.place_in_pod(name)
    own = ("--address=/cached.test/" + CACHED, f"--server={VIPS[0]}")
    return _dns_server(place, pod_addresses(here.pods[name]), *own)


def _apply_with_cache(here: Scenario, *, ready: bool) -> None:
    """The sample's files, with the cache's pod on node-a ready or not."""
    shutil.copytree(
        SAMPLES / "node-local-dns" / "manifests", here.host.balancer.manifests, dirs_exist_ok=True
    )
    path, yaml = here.host.balancer.manifests / "pods.yaml", YAML()
    pods = yaml.load(path)
    (cache,) = (item for item in pods["items"] if item["metadata"]["name"] == _cache_of(here))
    for condition in cache["status"]["conditions"]:
        condition["status"] = str(ready or condition["type"] != "Ready")
    yaml.dump(pods, path)
    here.host.balancer.run("apply", str(here.host.balancer.manifests))


@pytest.fixture(scope="module")
def dns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scenario, Place]]:
    """The sample's network with the cluster's DNS running, and a pod of node-a that asks."""
    with scenario("node-local-dns", "node-a", tmp_path_factory.mktemp("dns")) as here:
        app = here.host.place("kubepods/podapp", netns=here.add_pod("app", *APP))
        here.make_cgroups()
        with _cluster_dns(here):
            yield here, app


def _dig(place: Place, server: str, name: str, *options: str) -> str:
    """The one A record; CalledProcessError when nobody answers."""
    command = ["dig", f"@{server}", name, "A", "+short", "+tries=1", "+time=20", *options]
    return subprocess.run(place.command(command), capture_output=True, text=True, check=True).stdout.strip()


def _fell_back(here: Scenario) -> int:
    """How many conversations of the cache itself were led to the cluster's DNS."""
    shown = here.host.balancer.json("get", "frontends")["frontends"]
    return sum(item["fell_back"] for item in shown if item["port"] == 53)


def test_node_local_dns(dns: tuple[Scenario, Place]) -> None:
    """Dig through the cluster's DNS address is answered by the cache on the node, and by it alone."""
    here, app = dns
    _apply_with_cache(here, ready=True)
    with _cache(here):
        for place, vip, way in product((app, here.host.place("resolver")), VIPS, TRANSPORTS):
            assert {_dig(place, vip, "cached.test", way) for _ in range(4)} == {CACHED}


def test_the_cache_forwards_without_a_loop(dns: tuple[Scenario, Place]) -> None:
    """What the cache does not know it asks of the same address, and reaches the cluster's DNS."""
    here, app = dns
    _apply_with_cache(here, ready=True)
    with _cache(here):
        for way in TRANSPORTS:
            before = _fell_back(here)
            assert {_dig(app, vip, "other.test", way) for vip in VIPS for _ in range(16)} == OF_CLUSTER
            assert _fell_back(here) > before


def test_dns_goes_on_without_the_cache(dns: tuple[Scenario, Place]) -> None:
    """Marked unready it is passed by, stopped it is not missed, and ready again it answers again."""
    here, app = dns
    for ready, answers in ((True, {CACHED}), (False, OF_CLUSTER), (True, {CACHED})):
        with _cache(here):
            _apply_with_cache(here, ready=ready)
            assert {_dig(app, vip, "cached.test") for vip in VIPS for _ in range(16)} == answers
        if not ready:
            assert {_dig(app, vip, "cached.test") for vip in VIPS for _ in range(16)} == OF_CLUSTER
