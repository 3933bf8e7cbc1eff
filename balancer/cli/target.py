"""The destination that `explain` asks about, as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

import click

from balancer.model.meta import IPAddress
from balancer.model.service import Protocol

FORM = re.compile(
    r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:/\[\]]*)):(?P<port>[0-9]+)(?:/(?P<protocol>[A-Za-z]+))?"
)
MAX_PORT = 65535
PROTOCOLS = {"tcp": Protocol.TCP, "udp": Protocol.UDP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    address: IPAddress
    port: int
    protocol: Protocol


def parse_target(_ctx: click.Context, _param: click.Parameter, text: str) -> Target:
    """`10.96.0.10:53/udp`, `[fd00::a]:443`; TCP when no protocol is given. Raises click.BadParameter.

    A v4-mapped IPv6 address counts as the IPv4 address in it, as it does in the kernel.
    """
    match = FORM.fullmatch(text)
    if match is None:
        raise click.BadParameter(
            f"{text!r} is not ADDR:PORT[/PROTO], such as 10.96.0.10:53/udp or [fd00::a]:443"
        )
    port = int(match["port"])
    if not 1 <= port <= MAX_PORT:
        raise click.BadParameter(f"port {port} is not between 1 and {MAX_PORT}")
    protocol = PROTOCOLS.get((match["protocol"] or "tcp").lower())
    if protocol is None:
        raise click.BadParameter(f"protocol {match['protocol']!r} is neither tcp nor udp")
    return Target(address=_address(match["six"] or match["four"]), port=port, protocol=protocol)


def _address(text: str) -> IPAddress:
    try:
        address = ip_address(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not an IP address") from None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address
