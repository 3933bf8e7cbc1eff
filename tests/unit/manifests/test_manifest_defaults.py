"""Defaults of the API where a hand-written file leaves things out."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from manifest_builders import Data, endpoint_slice, messages, read_data, service, thing

from balancer.model.service import Protocol, ServicePort, ServiceType, TrafficPolicy


def only(data: Data) -> Any:
    file = read_data(data)
    assert messages(file) == []
    return file.objects[0]


def test_service_defaults() -> None:
    """Kubernetes: ServiceSpec - type ClusterIP, protocol TCP, policies Cluster, no affinity."""
    web = only(service())
    assert (web.type, web.meta.namespace) == (ServiceType.CLUSTER_IP, "default")
    assert web.ports == (ServicePort(port=80, protocol=Protocol.TCP),)
    assert (web.internal_policy, web.external_policy) == (TrafficPolicy.CLUSTER, TrafficPolicy.CLUSTER)
    assert (web.affinity_seconds, web.cluster_ips, web.ingress) == (0, (), ())


def test_affinity_defaults_to_three_hours() -> None:
    """Kubernetes: ClientIPConfig - timeoutSeconds defaults to 10800."""
    assert only(service(sessionAffinity="ClientIP")).affinity_seconds == 10800


def test_cluster_ip_alone_is_enough() -> None:
    assert only(service(clusterIP="10.96.0.9")).cluster_ips == (ip_address("10.96.0.9"),)


def test_external_name_with_a_cluster_ip_is_read_and_has_none() -> None:
    """Kubernetes: a Service changed to ExternalName may keep its clusterIP; it is not served."""
    web = only(service(type="ExternalName", externalName="a.example", clusterIP="10.96.0.9"))
    assert web.cluster_ips == ()


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (None, (True, True, False)),
        ({"ready": None}, (True, True, False)),
        ({"ready": False}, (False, False, False)),
        ({"ready": False, "serving": True, "terminating": True}, (False, True, True)),
    ],
)
def test_endpoint_conditions(conditions: Data | None, expected: tuple[bool, bool, bool]) -> None:
    """Kubernetes: EndpointConditions - unset ready is true, serving is ready, terminating is false."""
    (one,) = only(endpoint_slice({"addresses": ["10.0.0.1"], "conditions": conditions})).endpoints
    assert (one.ready, one.serving, one.terminating) == expected


def test_fqdn_slice_is_read_without_endpoints() -> None:
    one = only(endpoint_slice({"addresses": ["a.example.com"]}, address_type="FQDN"))
    assert one.endpoints == ()


def test_slice_without_label_belongs_to_no_service() -> None:
    data = endpoint_slice()
    del data["metadata"]["labels"]
    assert only(data).service_name == ""


def test_port_of_all_ports_has_no_number() -> None:
    """Kubernetes: EndpointPort - port null means all ports."""
    (port,) = only(endpoint_slice(ports=[{"name": "", "port": None}])).ports
    assert (port.name, port.port) == ("", None)


def test_target_that_is_no_pod_is_left_out() -> None:
    target = {"kind": "Node", "name": "n1"}
    (one,) = only(endpoint_slice({"addresses": ["10.0.0.1"], "targetRef": target})).endpoints
    assert one.pod is None


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_is_terminating(phase: str) -> None:
    assert only(thing("Pod", "p", status={"phase": phase})).terminating


def test_a_deleted_pod_is_terminating() -> None:
    data = thing("Pod", "p", status={"phase": "Running"})
    data["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    assert only(data).terminating


def test_pending_pod_has_no_address() -> None:
    pod = only(thing("Pod", "p", spec={"hostNetwork": True}, status={"phase": "Pending", "podIP": ""}))
    assert (pod.addresses, pod.ready, pod.host_network) == ((), False, True)


def test_single_pod_ip_is_enough() -> None:
    assert only(thing("Pod", "p", status={"podIP": "10.0.0.7"})).addresses == (ip_address("10.0.0.7"),)


def test_ipv4_mapped_address_is_the_ipv4_address() -> None:
    """Kubernetes: Go's net.IP makes no difference between the two."""
    assert only(service(externalIPs=["::ffff:192.0.2.1"])).external_ips == (ip_address("192.0.2.1"),)


def test_whole_number_written_as_a_float_is_a_number() -> None:
    assert only(service(ports=[{"port": 80.0}])).ports[0].port == 80
