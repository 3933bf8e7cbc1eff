"""Facts of this host that a pass depends on: its addresses, network namespace and kernel."""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import socket

from balancer.model.meta import IPAddress

_SO_NETNS_COOKIE = 71


def interface_addresses() -> tuple[IPAddress, ...]:
    """Every address of this network namespace's interfaces, loopback included, sorted; no link-local."""
    from pyroute2 import IPRoute

    found = set()
    with IPRoute() as route:
        for message in route.get_addr():
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            address = ipaddress.ip_address(text)
            if not address.is_link_local:
                found.add(address)
    return tuple(sorted(found, key=lambda address: (address.version, int(address))))


def netns_cookie() -> int:
    """The kernel's name for this process's network namespace, as bpf_get_netns_cookie gives it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        raw = probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
    return int.from_bytes(raw, "little")


def kernel_release() -> tuple[int, int]:
    """Major and minor number of the running kernel."""
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(match[1]), int(match[2])) if match else (0, 0)


def is_root() -> bool:
    return os.geteuid() == 0
