"""What the API server would refuse is refused here, and what it accepts is not."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_builders import endpoint_slice, messages, read, read_data, service, thing

TWO_UNNAMED = [{"port": 80}, {"port": 81}]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"ports": [{"port": 0}]}, "$.spec.ports[0].port"),
        ({"ports": [{"port": True}]}, "$.spec.ports[0].port"),
        ({"ports": [{"port": None}]}, "$.spec.ports[0].port"),
        ({"ports": [None]}, "$.spec.ports[0]"),
        ({"ports": [{"port": 80, "targetPort": "-x"}]}, "$.spec.ports[0].targetPort"),
        ({"ports": [{"port": 80, "name": "HTTP"}]}, "$.spec.ports[0].name"),
        ({"ports": [{"port": 80, "name": "http\n"}]}, "$.spec.ports[0].name"),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 81}]}, "$.spec.ports[1].name"),
        ({"ports": []}, "$.spec.ports"),
        ({"clusterIP": "010.0.0.1"}, "$.spec.clusterIP"),
        ({"clusterIP": "fe80::1%eth0"}, "$.spec.clusterIP"),
        ({"clusterIP": "::"}, "$.spec.clusterIP"),
        ({"clusterIPs": ["10.0.0.1", "::1", "::2"]}, "$.spec.clusterIPs"),
        ({"clusterIPs": ["None", "10.0.0.1"]}, "$.spec.clusterIPs"),
        ({"externalIPs": ["0.0.0.0"]}, "$.spec.externalIPs[0]"),
        ({"ipFamilies": ["IPv5"]}, "$.spec.ipFamilies[0]"),
        ({"ipFamilies": ["IPv4", "IPv4"]}, "$.spec.ipFamilies[1]"),
        ({"ipFamilyPolicy": "DualStack"}, "$.spec.ipFamilyPolicy"),
        ({"sessionAffinity": "clientIP"}, "$.spec.sessionAffinity"),
        ({"selector": {"app": 1}}, "$.spec.selector.app"),
        ({"loadBalancerSourceRanges": ["10.0.0.0"]}, "$.spec.loadBalancerSourceRanges[0]"),
        ({"type": "LoadBalancer", "clusterIP": "None"}, "$.spec.clusterIP"),
    ],
)
def test_service_is_refused(spec: dict[str, Any], path: str) -> None:
    file = read_data(service(**spec))
    assert [one.path for one in file.problems] == [path]
    assert file.objects == ()


@pytest.mark.parametrize(
    "spec",
    [
        {"ports": [{"port": 53, "name": "a"}, {"port": 53, "name": "b", "protocol": "UDP"}]},
        {"clusterIP": "", "clusterIPs": None, "ports": [{"port": 80, "nodePort": None, "name": ""}]},
        {"clusterIP": "None", "ports": []},
        {"type": "ExternalName", "externalName": "a.example", "ports": None},
        {"externalIPs": ["192.0.2.1"], "externalTrafficPolicy": "Local"},
        {"ports": [{"port": 80, "targetPort": "Http-1"}]},
        {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86400}}},
        {"ipFamilies": ["IPv6"], "clusterIP": "fd00::1"},
        {"trafficDistribution": "PreferSameNode", "someFieldOfALaterRelease": 1},
        {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
    ],
)
def test_service_is_accepted(spec: dict[str, Any]) -> None:
    assert messages(read_data(service(**spec))) == []


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ({"addresses": []}, "$.endpoints[0].addresses"),
        ({"addresses": ["a.example"]}, "$.endpoints[0].addresses[0]"),
        ({"addresses": ["0.0.0.0"]}, "$.endpoints[0].addresses[0]"),
        ({"addresses": ["10.0.0.1"], "conditions": {"ready": "yes"}}, "$.endpoints[0].conditions.ready"),
        ({"addresses": ["10.0.0.1"], "nodeName": "Node"}, "$.endpoints[0].nodeName"),
        ({"addresses": ["10.0.0.1"], "hints": {"forZones": [{}]}}, "$.endpoints[0].hints.forZones[0].name"),
    ],
)
def test_slice_is_refused(endpoint: dict[str, Any], path: str) -> None:
    assert [one.path for one in read_data(endpoint_slice(endpoint)).problems] == [path]


def test_two_unnamed_ports_of_a_slice_are_one_name_twice() -> None:
    """Kubernetes: EndpointSlice ports - the empty name, too, may occur once."""
    file = read_data(endpoint_slice(ports=TWO_UNNAMED))
    assert [one.path for one in file.problems] == ["$.ports[1].name"]


def test_several_ports_of_endpoints_need_names() -> None:
    data = thing("Endpoints", "web", subsets=[{"addresses": [{"ip": "10.0.0.1"}], "ports": TWO_UNNAMED}])
    assert [one.path for one in read_data(data).problems] == [
        "$.subsets[0].ports[0].name",
        "$.subsets[0].ports[1].name",
    ]


def test_every_fault_of_an_object_is_listed_once() -> None:
    data = service("Web", type="NodePorts", clusterIP="x", ports=[{"port": "80", "protocol": "ICMP"}, {}])
    paths = [one.path for one in read_data(data).problems]
    assert sorted(paths) == [
        "$.metadata.name",
        "$.spec.clusterIP",
        "$.spec.ports[0].port",
        "$.spec.ports[0].protocol",
        "$.spec.ports[1].port",
        "$.spec.type",
    ]


def test_misspelled_key_is_a_warning_and_the_object_stays() -> None:
    file = read_data(service(clusterIp="10.0.0.1", ports=[{"port": 80, "nodeport": 30000}]))
    assert [str(one.severity) for one in file.problems] == ["warning", "warning"]
    assert file.problems[1].message == '"clusterIp" is not a known key and is ignored: expected "clusterIP"'
    assert len(file.objects) == 1


def test_unquoted_values_keep_their_yaml_type() -> None:
    file = read("apiVersion: v1\nkind: Node\nmetadata:\n  name: 1e3\n")
    assert messages(file)[0].startswith("4:9 $.metadata.name 1000.0 is not a string")
