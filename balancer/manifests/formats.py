"""The formats that the input schemas use, as the Kubernetes API checks them, and their parsers."""

from __future__ import annotations

import functools
import re
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from balancer.model.meta import IPAddress

HEADLESS = "None"
# The notation that Python takes, too: no leading zeros. Most addresses are read here, several times faster.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PLAIN_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}\Z")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[-+]\d\d:\d\d)\Z", re.ASCII)


is_plain_ipv4: Callable[[str], object] = _PLAIN_IPV4.match
"""Something true for an IPv4 address in the notation that it is printed in; None for any other text."""


def plain_ipv4(text: str) -> IPv4Address:
    """The address of a text that `is_plain_ipv4`."""
    return IPv4Address(int.from_bytes(socket.inet_aton(text), "big"))


@functools.lru_cache(maxsize=1 << 15)
def parse_address(text: str) -> IPAddress:
    """An address as Kubernetes reads it: an IPv4-mapped IPv6 address is the IPv4 address.

    Raises ValueError for anything else, a zone ("%eth0") and leading zeros included.
    """
    if _PLAIN_IPV4.match(text):
        return plain_ipv4(text)
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("an address with a zone")
        mapped: IPv4Address | None = address.ipv4_mapped
        return mapped or address
    return address


@functools.lru_cache(maxsize=1 << 12)
def parse_timestamp(text: str) -> datetime:
    """RFC 3339, always timezone-aware. Raises ValueError otherwise."""
    if not _TIMESTAMP.match(text):
        raise ValueError("no RFC 3339 time")
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _parse_cidr(text: str) -> object:
    if "/" not in text:
        raise ValueError("no prefix length")
    return ip_interface(text.strip())


FORMATS: Mapping[str, Callable[[str], object]] = {
    "ip": parse_address,
    "optional-ip": lambda text: text == "" or parse_address(text),
    "cluster-ip": lambda text: text in ("", HEADLESS) or parse_address(text),
    "cidr": _parse_cidr,
    "date-time": parse_timestamp,
}
