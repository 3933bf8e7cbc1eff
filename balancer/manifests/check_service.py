"""What the fields of a Service must be together, as the API server's validation has it.

Works on data that already has the right shape. A rule that the API server does not have is not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from balancer.manifests.fields import items, mapping, text
from balancer.manifests.finding import Finding
from balancer.manifests.formats import HEADLESS, parse_address
from balancer.manifests.ports import check_port_names
from balancer.model.service import ServiceType

Data = Mapping[str, Any]


def check_service(data: Data) -> Iterator[Finding]:
    """Every contradiction between fields of one Service."""
    spec = mapping(data, "spec")
    yield from _check_type(spec)
    yield from _check_ports(spec)
    yield from _check_cluster_ips(spec)
    yield from _check_families(spec)
    yield from _check_affinity(spec)
    yield from _check_external(data, spec)


def _type(spec: Data) -> str:
    return text(spec, "type", ServiceType.CLUSTER_IP)


def _headless(spec: Data) -> bool:
    return spec.get("clusterIP") == HEADLESS or HEADLESS in items(spec, "clusterIPs")


def _check_type(spec: Data) -> Iterator[Finding]:
    kind = _type(spec)
    if kind == ServiceType.EXTERNAL_NAME and not spec.get("externalName"):
        yield Finding(
            path=("spec", "externalName"),
            message='"externalName" is missing: expected a DNS name for type ExternalName',
        )
    if kind in (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER) and _headless(spec):
        path = ("spec", "clusterIP") if spec.get("clusterIP") == HEADLESS else ("spec", "clusterIPs")
        yield Finding(path=path, message=f"None does not go with type {kind}: expected an address or nothing")
    if kind != ServiceType.EXTERNAL_NAME and not _headless(spec) and not items(spec, "ports"):
        yield Finding(path=("spec", "ports"), message="a Service has no ports: expected at least one")


def _check_ports(spec: Data) -> Iterator[Finding]:
    ports = items(spec, "ports")
    yield from check_port_names(ports, ("spec", "ports"))
    seen: dict[tuple[int, str], int] = {}
    seen_node: dict[tuple[int, str], int] = {}
    for index, port in enumerate(ports):
        protocol = text(port, "protocol", "TCP")
        first = seen.setdefault((port["port"], protocol), index)
        if first != index:
            message = (
                f"{port['port']}/{protocol} is also ports[{first}]: expected every port and protocol once"
            )
            yield Finding(path=("spec", "ports", index, "port"), message=message)
        node_port = port.get("nodePort")
        if not node_port:
            continue
        path = ("spec", "ports", index, "nodePort")
        if _type(spec) not in (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER):
            message = (
                f"a node port does not go with type {_type(spec)}: expected type NodePort or LoadBalancer"
            )
            yield Finding(path=path, message=message)
        first = seen_node.setdefault((node_port, protocol), index)
        if first != index:
            message = (
                f"{node_port}/{protocol} is also the node port of ports[{first}]: expected a port of its own"
            )
            yield Finding(path=path, message=message)


def _check_cluster_ips(spec: Data) -> Iterator[Finding]:
    several = items(spec, "clusterIPs")
    single = text(spec, "clusterIP")
    if several and single and several[0] != single:
        message = f'"{several[0]}" is not the clusterIP: expected "{single}"'
        yield Finding(path=("spec", "clusterIPs", 0), message=message)
    if len(several) > 1 and HEADLESS in several:
        yield Finding(
            path=("spec", "clusterIPs"), message="None stands beside an address: expected None alone"
        )
        return
    if len(several) == 2 and len({parse_address(address).version for address in several}) == 1:
        message = "both addresses are of one family: expected one IPv4 and one IPv6 address"
        yield Finding(path=("spec", "clusterIPs", 1), message=message)
    if not several:
        yield from _check_specified(single, ("spec", "clusterIP"))
    for index, address in enumerate(several):
        yield from _check_specified(address, ("spec", "clusterIPs", index))


def _check_families(spec: Data) -> Iterator[Finding]:
    families = items(spec, "ipFamilies")
    if len(families) != len(set(families)):
        message = f"{families[1]} is given twice: expected every address family once"
        yield Finding(path=("spec", "ipFamilies", 1), message=message)
        return
    addresses = items(spec, "clusterIPs") or [text(spec, "clusterIP")]
    for index, (family, address) in enumerate(zip(families, addresses, strict=False)):
        if address in ("", HEADLESS):
            continue
        actual = f"IPv{parse_address(address).version}"
        if actual != family:
            message = f"{family} does not fit the cluster IP {address}: expected {actual}"
            yield Finding(path=("spec", "ipFamilies", index), message=message)


def _check_affinity(spec: Data) -> Iterator[Finding]:
    if spec.get("sessionAffinityConfig") and spec.get("sessionAffinity") != "ClientIP":
        message = "is set without session affinity: expected sessionAffinity: ClientIP"
        yield Finding(path=("spec", "sessionAffinityConfig"), message=message)


def _check_external(data: Data, spec: Data) -> Iterator[Finding]:
    for index, address in enumerate(items(spec, "externalIPs")):
        yield from _check_specified(address, ("spec", "externalIPs", index))
    kind = _type(spec)
    external = kind in (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER) or items(spec, "externalIPs")
    if spec.get("externalTrafficPolicy") and not external:
        message = f"a Service of type {kind} is not reached from outside: expected no externalTrafficPolicy"
        yield Finding(path=("spec", "externalTrafficPolicy"), message=message, on_key=True)
    for index, ingress in enumerate(items(mapping(data, "status", "loadBalancer"), "ingress")):
        path = ("status", "loadBalancer", "ingress", index)
        if ingress.get("ipMode") and not ingress.get("ip"):
            yield Finding(path=(*path, "ipMode"), message="stands without an address: expected ip beside it")
        yield from _check_specified(text(ingress, "ip"), (*path, "ip"))


def _check_specified(address: str, path: tuple[str | int, ...]) -> Iterator[Finding]:
    """The unspecified address would stand for every address of a host."""
    if address not in ("", HEADLESS) and parse_address(address).is_unspecified:
        yield Finding(
            path=path, message=f'"{address}" stands for no address: expected the address of one host'
        )
