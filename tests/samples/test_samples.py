"""Every sample folder is a test: its manifests must give the plan that is stored beside them.

The tables in each README were worked out by hand from the rules of Kubernetes; the stored plans must
say the same, so that a plan that was stored without being read fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from harness.samples import FOLDERS, PLANS, SAMPLES, readme_rows

from balancer.cli import main
from balancer.manifests import Manifests
from balancer.model.cluster import Cluster
from balancer.model.endpoints import AddressType, Endpoint, EndpointSlice
from balancer.model.service import (
    DEFAULT_AFFINITY_SECONDS,
    HEADLESS_LABEL,
    PROXY_NAME_LABEL,
    Protocol,
    Service,
    ServiceType,
    TrafficPolicy,
)

OUTCOMES = {"refuse": "refused", "unreachable": "unreachable"}
LIST_START = "apiVersion: v1\nitems:\n"
LIST_END = 'kind: List\nmetadata:\n  resourceVersion: ""\n'


def expected_plan(folder: str, node: str) -> Any:
    return json.loads((SAMPLES / folder / "expected" / f"{node}.plan").read_text())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_has_a_plan_and_explains_itself(folder: str) -> None:
    assert list((SAMPLES / folder / "expected").glob("*.plan"))
    assert list((SAMPLES / folder / "manifests").glob("*.yaml"))
    assert (SAMPLES / folder / "README.md").is_file()


@pytest.mark.parametrize(("folder", "node"), PLANS)
def test_the_plan_is_the_stored_one(folder: str, node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SAMPLES / folder)
    config = ["--config", "config.yaml"] if Path("config.yaml").exists() else []
    arguments = ["plan", "--from-empty", "-o", "json", "--node", node, *config, "manifests"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == expected_plan(folder, node)


@pytest.mark.parametrize(("folder", "node"), PLANS)
def test_the_stored_plan_says_what_the_readme_says(folder: str, node: str) -> None:
    stated = dict(readme_rows(folder, node))
    planned = {destination(item): outcome(item) for item in expected_plan(folder, node)["frontends"]}
    assert planned == stated


@pytest.mark.parametrize(("folder", "node"), PLANS)
def test_every_frontend_names_the_line_its_object_starts_on(folder: str, node: str) -> None:
    for item in expected_plan(folder, node)["frontends"]:
        file, line = item["file"].rsplit(":", 1)
        text = (SAMPLES / folder / file).read_text().splitlines()[int(line) - 1 :]
        assert text[0].removeprefix("- ").startswith("apiVersion: ")
        kind = next(row.split(": ")[1] for row in text if re.match(r" {0,2}kind: ", row))
        names = [row.split(": ")[1] for row in text if re.match(r" {2,4}name(space)?: ", row)][:2]
        name = f"{names[1]}/{names[0]}" if kind == "Service" else names[0]
        assert item["object"] == f"{kind} {name}"


def destination(item: dict[str, Any]) -> str:
    return f"{target(item)}/{item['protocol']}"


def target(item: dict[str, Any]) -> str:
    """`10.0.0.1:80` or `[fd00::1]:80`."""
    address = item["address"]
    return f"[{address}]:{item['port']}" if ip_address(address).version == 6 else f"{address}:{item['port']}"


def outcome(item: dict[str, Any]) -> tuple[str, str]:
    """The object (a Service by its name alone) and what a connection gets, in the README's words."""
    said = OUTCOMES.get(item["action"]) or targets(item["backends"])
    if item["affinity_seconds"]:
        said += f" (affinity {item['affinity_seconds']} s)"
    if item["fallback"]:
        said += f"; fallback {targets(item['fallback'])}"
    return item["object"].removeprefix("Service "), said


def targets(backends: list[dict[str, Any]]) -> str:
    return ", ".join(f"`{target(backend)}`" for backend in backends)


@pytest.mark.parametrize("path", sorted((SAMPLES / "cluster" / "manifests").iterdir()), ids=lambda p: p.name)
def test_the_cluster_is_in_the_shape_that_kubectl_prints(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(LIST_START)
    assert text.endswith(LIST_END)
    assert text.count("\n- a") == text.count("\n    uid: ") >= 1


def test_the_cluster_is_read_without_a_problem(cluster_sample: Manifests) -> None:
    assert cluster_sample.problems == ()
    assert len(cluster_sample.cluster.services) >= 30


class Shape:
    """One cluster with short questions about it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.service_named = {f"{item.meta.namespace}/{item.meta.name}": item for item in cluster.services}
        self.pod_named = {item.meta.key: item for item in cluster.pods}

    def service(self, name: str) -> Service:
        return self.service_named[name]

    def slices(self, name: str) -> tuple[EndpointSlice, ...]:
        return self.cluster.slices_of.get(self.service(name).meta.key, ())

    def endpoints(self, name: str) -> list[Endpoint]:
        return [endpoint for item in self.slices(name) for endpoint in item.endpoints]

    def nodes(self, name: str) -> set[str | None]:
        return {endpoint.node_name for endpoint in self.endpoints(name)}

    def numbers(self, name: str) -> set[int | None]:
        return {port.port for item in self.slices(name) for port in item.ports}

    def families(self, name: str) -> list[int]:
        return [address.version for address in self.service(name).cluster_ips]

    def protocols(self, name: str) -> list[tuple[int, Protocol]]:
        return sorted((port.port, port.protocol) for port in self.service(name).ports)

    def unready_pods(self, name: str) -> list[Endpoint]:
        """Endpoints whose condition is ready although their pod is not."""
        return [
            item
            for item in self.endpoints(name)
            if item.ready and item.pod and not self.pod_named[item.pod].ready
        ]


KUBERNETES, DNS, INGRESS = (
    "default/kubernetes",
    "kube-system/kube-dns",
    "ingress-nginx/ingress-nginx-controller",
)
TCP, UDP, SCTP = Protocol.TCP, Protocol.UDP, Protocol.SCTP

SHAPES: dict[str, Callable[[Shape], bool]] = {
    "default/kubernetes: a slice without nodeName, and Endpoints": lambda s: (
        s.nodes(KUBERNETES) == {None} and ("default", "kubernetes") in s.cluster.endpoints_of
    ),
    "kube-dns: UDP and TCP on 53, and metrics": lambda s: (
        s.protocols(DNS) == [(53, TCP), (53, UDP), (9153, TCP)]
        and {port.name for port in s.service(DNS).ports} == {"dns", "dns-tcp", "metrics"}
    ),
    "headless": lambda s: not s.service("monitoring/prometheus-operated").cluster_ips,
    "headless by label, with a ClusterIP": lambda s: (
        HEADLESS_LABEL in s.service("data/cassandra").meta.labels
        and bool(s.service("data/cassandra").cluster_ips)
    ),
    "ExternalName": lambda s: s.service("legacy/crm").type is ServiceType.EXTERNAL_NAME,
    "ExternalName with ports": lambda s: (
        s.service("legacy/hr-portal").type is ServiceType.EXTERNAL_NAME
        and bool(s.service("legacy/hr-portal").ports)
        and not s.service("legacy/hr-portal").cluster_ips
    ),
    "dual stack, IPv4 first": lambda s: s.families("data/kafka-bootstrap") == s.families(INGRESS) == [4, 6],
    "dual stack, IPv6 first": lambda s: s.families("monitoring/grafana") == [6, 4],
    "dual stack over IPv4-only pods": lambda s: (
        s.families("lab/game-server") == [4, 6]
        and {item.address.version for item in s.endpoints("lab/game-server")} == {4}
    ),
    "single-stack IPv6": lambda s: s.families("lab/ipv6-only") == [6],
    "one port name, two numbers": lambda s: (
        s.numbers("shop/cart") == {8080, 8090}
        and {port.name for item in s.slices("shop/cart") for port in item.ports} == {"http"}
    ),
    "ready, unready and terminating side by side": lambda s: (
        sorted((e.ready, e.serving, e.terminating) for e in s.endpoints("shop/checkout"))
        == [(False, False, False), (False, True, True), (True, True, False), (True, True, False)]
    ),
    "all terminating": lambda s: (
        sorted((e.ready, e.serving, e.terminating) for e in s.endpoints("shop/payments"))
        == [(False, False, True), (False, True, True)]
    ),
    "unready only": lambda s: [e.ready or e.terminating for e in s.endpoints("shop/search")] == [False],
    "no endpoint": lambda s: bool(s.slices("shop/wishlist")) and not s.endpoints("shop/wishlist"),
    "zone hints": lambda s: all(
        e.hint_zones and not e.hint_nodes for e in s.endpoints("data/postgres-replicas")
    ),
    "node and zone hints": lambda s: all(e.hint_zones and e.hint_nodes for e in s.endpoints("shop/catalog")),
    "node hints only": lambda s: all(e.hint_nodes and not e.hint_zones for e in s.endpoints("shop/pricing")),
    "partial hints": lambda s: (
        {bool(e.hint_zones) for e in s.endpoints("data/redis-replicas")} == {True, False}
    ),
    "default affinity": lambda s: (
        s.service("monitoring/prometheus-k8s").affinity_seconds == DEFAULT_AFFINITY_SECONDS
    ),
    "custom affinity": lambda s: s.service("monitoring/alertmanager-main").affinity_seconds == 600,
    "internalTrafficPolicy Local, on one node only": lambda s: (
        s.service("monitoring/log-agent").internal_policy is TrafficPolicy.LOCAL
        and s.nodes("monitoring/log-agent") == {"k8s-worker-1"}
    ),
    "externalTrafficPolicy Local, NodePort": lambda s: (
        s.service("data/kafka-0-external").external_policy is TrafficPolicy.LOCAL
        and s.service("data/kafka-0-external").type is ServiceType.NODE_PORT
    ),
    "externalTrafficPolicy Local, LoadBalancer": lambda s: (
        s.service(INGRESS).external_policy is TrafficPolicy.LOCAL
        and s.service(INGRESS).type is ServiceType.LOAD_BALANCER
    ),
    "ipMode VIP": lambda s: [item.proxy for item in s.service("shop/frontend").ingress] == [False],
    "ipMode Proxy": lambda s: [item.proxy for item in s.service("shop/frontend-proxied").ingress] == [True],
    "host name ingress": lambda s: (
        s.service("shop/frontend-elb").type is ServiceType.LOAD_BALANCER
        and not s.service("shop/frontend-elb").ingress
    ),
    "one external IP, two services, different ports": lambda s: (
        set(s.service("media/rtmp-ingest").external_ips) < set(s.service("media/playback").external_ips)
        and not set(s.protocols("media/rtmp-ingest")) & set(s.protocols("media/playback"))
    ),
    "selector-less with Endpoints only": lambda s: (
        not s.service("legacy/billing").selector
        and not s.slices("legacy/billing")
        and bool(s.cluster.endpoints_of["legacy", "billing"].subsets[0].not_ready)
    ),
    "selector-less with hand-made slices, one of them FQDN": lambda s: (
        not s.service("legacy/mainframe").selector
        and {item.address_type for item in s.slices("legacy/mainframe")}
        == {AddressType.IPV4, AddressType.FQDN}
    ),
    "publishNotReadyAddresses": lambda s: len(s.unready_pods("data/rabbitmq-peers")) == 1,
    "TCP and UDP on one port": lambda s: s.protocols("shop/inventory") == [(9000, TCP), (9000, UDP)],
    "several ports": lambda s: s.protocols("media/playback") == [(80, TCP), (443, TCP)],
    "several slices that overlap": lambda s: (
        len(s.slices("shop/recommendations")) == 2
        and len(s.endpoints("shop/recommendations")) == 4
        and len({e.address for e in s.endpoints("shop/recommendations")}) == 3
    ),
    "SCTP": lambda s: (3868, SCTP) in s.protocols("lab/diameter"),
    "another proxy's service": lambda s: PROXY_NAME_LABEL in s.service("lab/mesh-app").meta.labels,
    "LoadBalancer without node ports": lambda s: (
        s.service("media/stream").type is ServiceType.LOAD_BALANCER
        and not any(port.node_port for port in s.service("media/stream").ports)
    ),
    "pods that opted out, by label and by annotation": lambda s: (
        {pod.meta.name for pod in s.cluster.pods if pod.skip} == {"debug-shell", "packet-capture"}
    ),
    "two zones, three nodes": lambda s: (
        sorted(node.zone for node in s.cluster.nodes) == ["zone-a", "zone-a", "zone-b"]
    ),
    "host-network pods": lambda s: any(pod.host_network for pod in s.cluster.pods),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cluster_has_every_shape_of_service(shape: str, cluster_sample: Manifests) -> None:
    assert SHAPES[shape](Shape(cluster_sample.cluster))
