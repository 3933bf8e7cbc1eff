"""Which address everything has, so that all contenders serve the same services from the same backends.

Nothing of this is on a wire: a namespace has nothing but loopback, answers in the backends' ranges, and
routes the services' range to loopback for contenders that rewrite packets on their way.
"""

from __future__ import annotations

from ipaddress import IPv4Address

OWN = "192.0.2.1"
VIPS = "10.96.0.0/11"
LOCAL = ("10.128.0.0/9", "fd00:128::/64")
PORT = 80
TARGET = 8080
HTTP_TARGET = 8081
BULK_TARGET = 5201

_FIRST_VIP = int(IPv4Address("10.96.1.0"))
_FIRST_BACKEND = int(IPv4Address("10.128.0.0"))

PLAIN = "10.250.0.1"
"""Answers, and is neither a service nor a backend."""
PROXY = "10.251.0.1"
"""Where the user-space proxy listens."""
HTTP = "10.252.0.1"
"""The backend of the HTTP and of the bulk service."""
HTTP_VIP = "10.127.0.1"
BULK_VIP = "10.127.0.2"
SIX_VIP = "fd00:96::1"
SIX_BACKEND = "fd00:128::1"


def vip(service: int) -> str:
    """The cluster address of a service by number."""
    return str(IPv4Address(_FIRST_VIP + service))


def backend(service: int, endpoint: int = 0, *, endpoints: int = 1) -> str:
    """An endpoint's address, where every service has as many `endpoints`."""
    return str(IPv4Address(_FIRST_BACKEND + service * endpoints + endpoint))


def protocol(service: int) -> str:
    """Every other service is UDP."""
    return "UDP" if service % 2 else "TCP"


def middle(services: int, wanted: str = "TCP") -> int:
    """The number of a service half-way down, of this protocol."""
    number = services // 2 // 2 * 2
    return number + 1 if wanted == "UDP" else number
