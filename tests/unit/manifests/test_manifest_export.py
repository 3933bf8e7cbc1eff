"""What kubectl prints is read as it is: no problem, and every value where it belongs."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from balancer.manifests import load
from balancer.model.cluster import Cluster
from balancer.model.endpoints import AddressType, Endpoint, EndpointPort
from balancer.model.node import NodeAddressType
from balancer.model.service import Ingress, Protocol, ServicePort, ServiceType, TrafficPolicy

EXPORT = Path(__file__).with_name("export.yaml")
POD = ("shop", "web-7c9d8b6f5-abcde")


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    manifests = load([EXPORT])
    assert manifests.problems == ()
    assert manifests.ignored == {}
    return manifests.cluster


def test_everything_is_there_in_order(cluster: Cluster) -> None:
    assert [one.meta.key for one in cluster.services] == [
        ("default", "kubernetes"),
        ("shop", "archive"),
        ("shop", "db"),
        ("shop", "web"),
    ]
    assert [len(kind) for kind in (cluster.slices, cluster.endpoints, cluster.pods)] == [3, 2, 1]
    assert [one.meta.name for one in (*cluster.nodes, *cluster.namespaces)] == ["node-1", "shop"]


def test_origin_is_the_start_of_the_list_item(cluster: Cluster) -> None:
    origin = cluster.services[0].meta.origin
    assert (origin.file, origin.line, origin.column, origin.item) == (str(EXPORT), 3, 3, 0)
    assert EXPORT.read_text().splitlines()[cluster.services[3].meta.origin.line - 1] == "- apiVersion: v1"


def test_load_balancer_service(cluster: Cluster) -> None:
    web = cluster.services[3]
    assert web.type is ServiceType.LOAD_BALANCER
    assert web.cluster_ips == (ip_address("10.96.12.1"), ip_address("fd00:10:96::c01"))
    assert web.external_ips == (ip_address("192.0.2.10"),)
    assert (web.internal_policy, web.external_policy) == (TrafficPolicy.CLUSTER, TrafficPolicy.LOCAL)
    assert (web.affinity_seconds, web.selector) == (600, {"app": "web"})
    assert web.ports == (
        ServicePort(port=80, name="http", node_port=30080),
        ServicePort(port=443, name="quic", protocol=Protocol.UDP, node_port=30443),
    )


def test_ingress_without_an_address_is_dropped(cluster: Cluster) -> None:
    """Kubernetes: LoadBalancerIngress - ipMode unset or VIP is ours, Proxy is not."""
    assert cluster.services[3].ingress == (
        Ingress(address=ip_address("198.51.100.20")),
        Ingress(address=ip_address("198.51.100.21"), proxy=True),
    )


def test_metadata(cluster: Cluster) -> None:
    meta = cluster.services[0].meta
    assert meta.created == datetime(2026, 1, 10, 8, tzinfo=UTC)
    assert (meta.resource_version, meta.uid[:8]) == ("236", "5f3c4b7e")
    assert meta.labels == {"component": "apiserver", "provider": "kubernetes"}
    assert str(meta) == "Service default/kubernetes"


def test_headless_and_external_name_services_have_no_cluster_ip(cluster: Cluster) -> None:
    assert [one.cluster_ips for one in cluster.services[1:3]] == [(), ()]


def test_slice_endpoints(cluster: Cluster) -> None:
    (web,) = cluster.slices_of["shop", "web"]
    first, second = web.endpoints
    assert first == Endpoint(
        address=ip_address("10.244.1.5"), node_name="node-1", hint_zones=("zone-a",), pod=POD
    )
    assert (second.ready, second.serving, second.terminating) == (False, True, True)
    assert web.ports[0] == EndpointPort(name="http", port=8080)
    assert web.address_type is AddressType.IPV4


def test_slice_of_the_api_server_has_no_node_name(cluster: Cluster) -> None:
    assert cluster.slices_of["default", "kubernetes"][0].endpoints[0].node_name is None


def test_null_and_absent_lists_are_empty(cluster: Cluster) -> None:
    (db,) = cluster.slices_of["shop", "db"]
    assert (db.endpoints, db.ports, cluster.endpoints_of["shop", "db"].subsets) == ((), (), ())


def test_endpoints_keep_the_unready_apart(cluster: Cluster) -> None:
    (subset,) = cluster.endpoints_of["shop", "web"].subsets
    assert [str(one.address) for one in subset.endpoints] == ["10.244.1.5"]
    assert [(str(one.address), one.ready) for one in subset.not_ready] == [("10.244.2.6", False)]
    assert subset.ports[1] == EndpointPort(name="quic", protocol=Protocol.UDP, port=8443)


def test_pod_and_node(cluster: Cluster) -> None:
    (pod,), (node,) = cluster.pods, cluster.nodes
    assert (pod.node_name, pod.ready, pod.terminating, pod.host_network) == ("node-1", True, False, False)
    assert [str(address) for address in pod.addresses] == ["10.244.1.5", "fd00:10:244:1::5"]
    assert [one.type for one in node.addresses] == [NodeAddressType.INTERNAL, NodeAddressType.EXTERNAL]
    assert node.zone == "zone-a"
