"""What the fields of EndpointSlice and Endpoints must be together, as the API server's validation has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from balancer.manifests.fields import items
from balancer.manifests.finding import Finding
from balancer.manifests.formats import is_plain_ipv4, parse_address
from balancer.manifests.paths import JsonPath
from balancer.manifests.ports import check_port_names, check_unique_names
from balancer.model.endpoints import AddressType

Data = Mapping[str, Any]
_UNSPECIFIED = "0.0.0.0"


def check_slice(data: Data) -> Iterator[Finding]:
    """Addresses of the declared type, and every port name once (the empty one too)."""
    yield from check_unique_names(items(data, "ports"), ("ports",), unnamed=True)
    kind = AddressType(data["addressType"])
    if kind is AddressType.FQDN:
        return
    version = 4 if kind is AddressType.IPV4 else 6
    for index, endpoint in enumerate(items(data, "endpoints")):
        for number, address in enumerate(endpoint["addresses"]):
            if _is_sound(address, version):
                continue
            yield from _check_typed(address, kind, ("endpoints", index, "addresses", number))


def check_endpoints(data: Data) -> Iterator[Finding]:
    """Real addresses, and names for several ports."""
    for index, subset in enumerate(items(data, "subsets")):
        path = ("subsets", index)
        yield from check_port_names(items(subset, "ports"), (*path, "ports"))
        for key in ("addresses", "notReadyAddresses"):
            for number, entry in enumerate(items(subset, key)):
                yield from _check_specified(entry["ip"], (*path, key, number, "ip"))


def _is_sound(text: str, version: int) -> bool:
    """Whether this is the address of one host; what else it is takes longer to find out."""
    if version == 4 and is_plain_ipv4(text):
        return text != _UNSPECIFIED
    try:
        address = parse_address(text)
    except ValueError:
        return False
    return address.version == version and int(address) != 0


def _check_typed(text: str, kind: AddressType, path: JsonPath) -> Iterator[Finding]:
    try:
        fits = kind == f"IPv{parse_address(text).version}"
    except ValueError:
        fits = False
    if fits:
        yield from _check_specified(text, path)
    else:
        message = f'"{text[:60]}" is not valid: expected an {kind} address, as addressType says'
        yield Finding(path=path, message=message)


def _check_specified(text: str, path: JsonPath) -> Iterator[Finding]:
    if parse_address(text).is_unspecified:
        yield Finding(
            path=path, message=f'"{text}" stands for no address: expected the address of one endpoint'
        )
