"""Policies that contradict themselves are refused at the place of the contradiction."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_builders import (
    Data,
    address_matcher,
    balancing,
    fixed_balancing,
    local_redirect,
    messages,
    read_data,
    service_matcher,
    to_port,
)

FRONT = "$.spec.frontend.addressMatcher.toPorts"
BACK = "$.spec.backend.toPorts"
PODS = "$.spec.backend.serviceEndpoint"


def a(name: str = "", number: int | str = 80, protocol: str = "TCP") -> Data:
    return to_port(number, name, protocol)


def paths(data: Data) -> list[str]:
    return [one.path for one in read_data(data).problems if one.is_error]


@pytest.mark.parametrize(
    ("front", "back", "wrong"),
    [
        ([a()], [a("x")], []),
        ([a("x")], [a()], []),
        ([a("x")], [a("x")], []),
        ([a("x")], [a("y")], [f"{BACK}[0].name"]),
        ([a()], [a(protocol="UDP")], [f"{BACK}[0].protocol"]),
        ([a("x"), a("y", 81)], [a("y", 9), a("x", 9)], []),
        ([a("x"), a("x", 80, "UDP")], [a("x"), a("x", 80, "UDP")], []),
        ([a("x"), a("x", 81)], [a("x")], [f"{FRONT}[1].name"]),
        ([a("x"), a("y")], [a("x"), a("y")], [f"{FRONT}[1].port"]),
        ([a("x"), a("y", "80")], [a("x"), a("y")], [f"{FRONT}[1].port"]),
        ([a("x"), a("y", 81)], [a("x"), a("z")], [f"{FRONT}[1].name", f"{BACK}[1].name"]),
        ([a("x"), a("y", 81)], [a("x"), a("y", 81, "UDP")], [f"{FRONT}[1].name", f"{BACK}[1].name"]),
        ([a("x"), a("", 81)], [a("x"), a("y")], [f"{FRONT}[1].name"]),
        ([a("x"), a("y", 81)], [a()], [f"{BACK}[0].name"]),
        ([a("x")], [a("x"), a("y")], [f"{BACK}[1].name"]),
        ([a("x")], [a("x"), a("x", 81)], [f"{BACK}[1].name"]),
    ],
)
def test_ports_of_both_sides_are_joined_by_name_and_protocol(
    front: list[Data], back: list[Data], wrong: list[str]
) -> None:
    """balancing.elf.io: when several ports are given, they must be named; names join the two sides."""
    assert paths(local_redirect(address_matcher(ports=front), back)) == wrong


def test_ports_of_a_service_frontend_are_joined_just_so() -> None:
    file = read_data(local_redirect(service_matcher([a("x"), a("y", 81)]), [a("x"), a("z")]))
    assert [one.path for one in file.problems] == [
        "$.spec.frontend.serviceMatcher.toPorts[1].name",
        f"{BACK}[1].name",
    ]
    assert file.objects == ()


@pytest.mark.parametrize(
    ("back", "wrong"),
    [
        ([a()], []),
        ([a("http"), a("dns", 53, "UDP")], []),
        ([a("http"), a("", 53)], [f"{BACK}[1].name"]),
        ([a("http"), a("http", 53)], [f"{BACK}[1].name"]),
    ],
)
def test_all_ports_of_a_service_need_no_partners_here(back: list[Data], wrong: list[str]) -> None:
    """balancing.elf.io: ServiceMatcher - without toPorts all ports of the Service; their names come from it."""
    assert paths(local_redirect(service_matcher(), back)) == wrong


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "::", "127.0.0.1", "::1", "::ffff:127.0.0.1", "224.0.0.1", "ff02::1", "255.255.255.255"],
)
def test_an_address_that_cannot_be_a_virtual_one(address: str) -> None:
    assert paths(balancing(address_matcher(address))) == ["$.spec.frontend.addressMatcher.ip"]


@pytest.mark.parametrize("address", ["169.254.0.90", "192.0.2.1", "10.0.0.1", "fd00::1", "fe80::1"])
def test_an_address_that_can_be_a_virtual_one(address: str) -> None:
    assert messages(read_data(balancing(address_matcher(address)))) == []


@pytest.mark.parametrize(
    ("address", "wrong"), [("::", True), ("ff02::1", True), ("255.255.255.255", True), ("127.0.0.1", False)]
)
def test_fixed_backends_are_addresses_of_hosts(address: str, wrong: bool) -> None:
    found = paths(fixed_balancing(address, frontend=service_matcher()))
    assert found == (["$.spec.backend.addressEndpoint.addresses[0]"] if wrong else [])


@pytest.mark.parametrize(
    ("operator", "values", "wrong"),
    [
        ("In", ["a"], []),
        ("In", [], ["values"]),
        ("NotIn", ["a", ""], []),
        ("NotIn", None, ["values"]),
        ("Exists", None, []),
        ("Exists", ["a"], ["values"]),
        ("DoesNotExist", [], []),
        ("DoesNotExist", ["a"], ["values"]),
        ("exists", [], ["operator"]),
        ("Gt", ["1"], ["operator"]),
        ("In", ["-"], ["values[0]"]),
    ],
)
@pytest.mark.parametrize("place", ["pods", "nodes"])
def test_selectors(place: str, operator: str, values: Any, wrong: list[str]) -> None:
    """Kubernetes: LabelSelectorRequirement - In and NotIn need values, Exists and DoesNotExist have none."""
    data = balancing()
    selector = {"matchExpressions": [{"key": "a.example/b", "operator": operator, "values": values}]}
    if place == "pods":
        data["spec"]["backend"]["serviceEndpoint"]["endpointSelector"] = selector
    else:
        data["spec"]["config"] = {"nodeLabelSelector": selector}
    start = f"{PODS}.endpointSelector" if place == "pods" else "$.spec.config.nodeLabelSelector"
    assert paths(data) == [f"{start}.matchExpressions[0].{end}" for end in wrong]


@pytest.mark.parametrize("value", ["", "-1", "1.5", "many", "1e3", "10000000000", " 5", 5])
def test_a_limit_is_a_whole_number_in_quotes(value: Any) -> None:
    annotation = "balancing.elf.io/redirectQosLimit"
    assert paths(local_redirect(annotations={annotation: value})) == [
        f"$.metadata.annotations['{annotation}']"
    ]


@pytest.mark.parametrize(
    "value", [0, -1, 65536, 1.5, True, None, "", "0", "65536", "080", "0x50", "٨٠", "80\n"]
)
def test_a_port_is_out_of_range_or_no_number(value: Any) -> None:
    assert paths(balancing(None, [a(number=value)])) == [f"{PODS}.toPorts[0].port"]


@pytest.mark.parametrize("value", ["web_port", "-web", "web-", "a--b", "12345", "w\n", 7])
def test_a_port_name_is_refused(value: Any) -> None:
    assert paths(balancing(None, [{**a(), "name": value}])) == [f"{PODS}.toPorts[0].name"]


@pytest.mark.parametrize("value", ["p1", "P-1", "1a", "8080", "a-1-b", "", None])
def test_a_port_name_is_accepted(value: Any) -> None:
    """balancing.elf.io: PortInfo - up to four digits are a name, too."""
    assert paths(balancing(None, [{**a(), "name": value}])) == []


@pytest.mark.parametrize(
    ("frontend", "said"),
    [({}, "has neither addressMatcher nor serviceMatcher"), ({"addressMatcher": None}, "has neither")],
)
def test_one_frontend_is_needed(frontend: Data, said: str) -> None:
    data = balancing()
    data["spec"]["frontend"] = frontend
    (message,) = messages(read_data(data))
    assert f"$.spec.frontend {said}" in message


def test_two_frontends_are_too_many() -> None:
    (message,) = messages(read_data(balancing({**address_matcher(), **service_matcher()})))
    assert "$.spec.frontend has both addressMatcher and serviceMatcher: expected" in message


def test_a_wrong_shape_is_told_once() -> None:
    assert paths(balancing({"addressMatcher": "169.254.10.1"})) == ["$.spec.frontend.addressMatcher"]


@pytest.mark.parametrize("value", [None, "web", ["web"], 7])
@pytest.mark.parametrize("key", ["frontend", "backend"])
def test_a_side_that_is_no_mapping(key: str, value: Any) -> None:
    data = local_redirect()
    data["spec"][key] = value
    (message,) = messages(read_data(data))
    assert f"$.spec.{key} " in message
    assert ": expected a mapping with " in message


def test_a_misspelled_annotation_is_a_warning_others_are_not() -> None:
    annotations = {
        "balancing.elf.io/redirectQoslimit": "5",
        "example.com/serviceID": "x",
        "balancing.elf.io/x": "",
    }
    (problem,) = read_data(local_redirect(annotations=annotations)).problems
    assert not problem.is_error
    assert problem.path == "$.metadata.annotations['balancing.elf.io/redirectQoslimit']"
    assert problem.message.endswith('expected "balancing.elf.io/redirectQosLimit"')
