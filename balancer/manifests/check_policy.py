"""What the fields of a policy must be together, beyond the shape that its schema gives it.

What depends on other objects, such as whether the Service exists, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from balancer.manifests import wording
from balancer.manifests.check_policy_ports import Side, check_ports
from balancer.manifests.check_selector import check_selector, warn_of_empty
from balancer.manifests.fields import mapping
from balancer.manifests.finding import Finding
from balancer.manifests.formats import parse_address
from balancer.manifests.paths import JsonPath
from balancer.model.meta import IPAddress
from balancer.model.policy import REDIRECT_RATE_ANNOTATION
from balancer.model.problem import Severity

Data = Mapping[str, Any]
_PREFIX = "balancing.elf.io/"
_KNOWN = [REDIRECT_RATE_ANNOTATION.removeprefix(_PREFIX), "serviceId", "nodeId"]
_BROADCAST = "255.255.255.255"


def check_local_redirect(data: Data) -> Iterator[Finding]:
    """Every contradiction inside one LocalRedirectPolicy."""
    backend = data["spec"]["backend"]
    path: JsonPath = ("spec", "backend")
    key = "endpointSelector" if backend.get("endpointSelector") is not None else "localEndpointSelector"
    yield from _check_pods(backend[key], (*path, key))
    yield from _check_common(data, Side.of("backend", backend, path))


def check_balancing(data: Data) -> Iterator[Finding]:
    """Every contradiction inside one BalancingPolicy."""
    backend = data["spec"]["backend"]
    key = "addressEndpoint" if backend.get("addressEndpoint") is not None else "serviceEndpoint"
    path: JsonPath = ("spec", "backend", key)
    if key == "addressEndpoint":
        yield from _check_addresses(data, (*path, "addresses"))
    else:
        yield from _check_pods(backend[key]["endpointSelector"], (*path, "endpointSelector"))
    yield from _check_common(data, Side.of("backend", backend[key], path))
    if mapping(data, "metadata", "annotations").get(REDIRECT_RATE_ANNOTATION) is not None:
        message = "is ignored here: expected it on a LocalRedirectPolicy"
        where = ("metadata", "annotations", REDIRECT_RATE_ANNOTATION)
        yield Finding(path=where, message=message, severity=Severity.WARNING, on_key=True)


def _check_common(data: Data, backend: Side) -> Iterator[Finding]:
    yield from _check_annotations(mapping(data, "metadata", "annotations"))
    nodes = ("spec", "config", "nodeLabelSelector")
    yield from check_selector(mapping(data, *nodes), nodes)
    frontend = data["spec"]["frontend"]
    key = "addressMatcher" if frontend.get("addressMatcher") is not None else "serviceMatcher"
    where = ("spec", "frontend", key)
    if key == "addressMatcher":
        yield from _check_vip(frontend[key]["ip"], (*where, "ip"))
    yield from check_ports(Side.of("frontend", frontend[key], where), backend)


def _check_pods(selector: Data, path: JsonPath) -> Iterator[Finding]:
    yield from check_selector(selector, path)
    yield from warn_of_empty(selector, path)


def _check_vip(text: str, path: JsonPath) -> Iterator[Finding]:
    """Link-local addresses are what a virtual address is usually taken from."""
    address = parse_address(text)
    kind = "a loopback address" if address.is_loopback else _no_host(address)
    if kind:
        yield Finding(path=path, message=f'"{text}" is {kind}: expected a virtual address of its own')


def _check_addresses(data: Data, path: JsonPath) -> Iterator[Finding]:
    """Loopback is a backend like any other: a server on the host that the policy works on."""
    vip = mapping(data, "spec", "frontend", "addressMatcher").get("ip")
    family = parse_address(vip).version if vip else 0
    seen: dict[IPAddress, int] = {}
    for index, text in enumerate(data["spec"]["backend"]["addressEndpoint"]["addresses"]):
        where = (*path, index)
        address = parse_address(text)
        first = seen.setdefault(address, index)
        if kind := _no_host(address):
            yield Finding(path=where, message=f'"{text}" is {kind}: expected the address of one host')
        elif first != index:
            message = f'"{text}" is also addresses[{first}] and counts once: expected every address once'
            yield Finding(path=where, message=message, severity=Severity.WARNING)
        elif family and address.version != family:
            message = f'"{text}" is never used for the frontend {vip}: expected an IPv{family} address'
            yield Finding(path=where, message=message, severity=Severity.WARNING)


def _no_host(address: IPAddress) -> str:
    """What an address is that can belong to no host, "" for any other."""
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    return "the broadcast address" if str(address) == _BROADCAST else ""


def _check_annotations(annotations: Data) -> Iterator[Finding]:
    """Annotations of the policies' own prefix that look like a misspelled one."""
    for key in annotations:
        suffix = key.removeprefix(_PREFIX)
        if suffix == key or suffix in _KNOWN:
            continue
        absent = [name for name in _KNOWN if f"{_PREFIX}{name}" not in annotations]
        if near := wording.closest(suffix, absent):
            message = wording.misspelled(key, f"{_PREFIX}{near}")
            where = ("metadata", "annotations", key)
            yield Finding(path=where, message=message, severity=Severity.WARNING, on_key=True)
