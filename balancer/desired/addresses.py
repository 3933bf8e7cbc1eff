"""The gate: every address that may need a frontend lookup, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from balancer.desired.served import Served
from balancer.desired.surroundings import Surroundings, inside
from balancer.desired.types import AddressFlags, FrontendKind, Rules
from balancer.model.meta import IPAddress

LOOPBACK_4 = IPv4Address("127.0.0.1")
LOOPBACK_6 = IPv6Address("::1")


def address_flags(
    services: Iterable[Served], around: Surroundings, rules: Rules, own_vips: Iterable[IPAddress] = ()
) -> dict[IPAddress, AddressFlags]:
    """Flags by address, in address order. Node addresses are there whether or not a node port is.

    `own_vips` are the virtual addresses of policies, which no service or machine has. Addresses of other
    services, and those that must not be touched (ipMode Proxy), are absent.
    """
    flags: dict[IPAddress, AddressFlags] = {}

    def add(address: IPAddress, flag: AddressFlags) -> None:
        known = flags.setdefault(address, flag)
        if known is not flag:
            flags[address] = known | flag

    for served in services:
        for vip in served.vips:
            # Unknown ports of a VIP are refused, which must never cut off a machine: ssh to it.
            machine = vip.address in around.own or vip.address in around.node_of
            owned = vip.kind is FrontendKind.CLUSTER_IP and not machine
            add(vip.address, AddressFlags.VIP if owned else AddressFlags.EXTERNAL)
    for address in own_vips:
        add(address, AddressFlags.VIP)
    for address in {LOOPBACK_4, LOOPBACK_6, *around.own, *around.node_of}:
        if inside(address, rules.node_port_cidrs):
            add(address, AddressFlags.LOOPBACK if address.is_loopback else AddressFlags.NODE)
    # A connection to the unspecified address goes to the host's own loopback address.
    for unspecified, meant in ((IPv4Address(0), LOOPBACK_4), (IPv6Address(0), LOOPBACK_6)):
        if inside(meant, rules.node_port_cidrs):
            add(unspecified, AddressFlags.LOOPBACK)
    return dict(sorted(flags.items(), key=lambda item: (item[0].version, int(item[0]))))
