"""Facts of this host that a pass depends on: its addresses, network namespace and kernel."""

from __future__ import annotations

import ipaddress
import platform
import re
import socket
from pathlib import Path

from balancer.errors import HostUnfit
from balancer.model.meta import IPAddress

# bpf_link on cgroups and bpf_get_netns_cookie: 5.7; the getpeername hooks: 5.8.
OLDEST_KERNEL = (5, 8)
# Bits of capabilities(7) that stand for each need: any one of them will do. CAP_SYS_ADMIN contains CAP_BPF
# and CAP_PERFMON; alone these two would load the programs but could not enter a network namespace.
_CAPABILITIES = {
    "cap_dac_read_search": ((2, 1), "to see the sockets of other users' processes"),  # 1: cap_dac_override
    "cap_net_admin": ((12,), "to end stale sockets"),
    "cap_sys_admin": ((21,), "to load programs and enter network namespaces"),
    "cap_sys_ptrace": ((19,), "to ask for the record of a stale socket"),
}
_SO_NETNS_COOKIE = 71


def interface_addresses() -> tuple[IPAddress, ...]:
    """Every address of this network namespace's interfaces, loopback included, sorted; no link-local."""
    from psutil import net_if_addrs  # the commands that ask for no addresses need not load it

    texts = {
        item.address
        for items in net_if_addrs().values()
        for item in items
        if item.family in (socket.AF_INET, socket.AF_INET6)
    }
    found = (ipaddress.ip_address(text) for text in texts)
    return tuple(
        sorted(
            (address for address in found if not address.is_link_local),
            key=lambda address: (address.version, int(address)),
        )
    )


def netns_cookie() -> int:
    """The kernel's name for this process's network namespace, as bpf_get_netns_cookie gives it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        raw = probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
    return int.from_bytes(raw, "little")


def kernel_release() -> tuple[int, int]:
    """Major and minor number of the running kernel."""
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(match[1]), int(match[2])) if match else (0, 0)


def require_kernel() -> None:
    """Raises HostUnfit on a kernel that lacks what the programs are built on."""
    if kernel_release() < OLDEST_KERNEL:
        major, minor = OLDEST_KERNEL
        raise HostUnfit(
            f"this kernel is Linux {platform.release()}", hint=f"Linux {major}.{minor} or newer is needed"
        )


def missing_capabilities() -> tuple[str, ...]:
    """The capabilities that a pass takes and this process does not have.

    Those for stale sockets count as much as those for loading: without them a pass would end well and
    leave sockets that send to backends that are gone.
    """
    mask = 0
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
    return tuple(
        name for name, (bits, _) in _CAPABILITIES.items() if not any(mask >> bit & 1 for bit in bits)
    )


def require_capabilities() -> None:
    """Raises HostUnfit before anything is tried that would end half-way."""
    missing = missing_capabilities()
    if missing:
        needs = "; ".join(f"{name} {_CAPABILITIES[name][1]}" for name in missing)
        raise HostUnfit(
            f"no permission to change the kernel: missing {', '.join(missing)}",
            hint=f"run as root with {needs}",
        )
