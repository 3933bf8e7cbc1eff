"""The destination that `explain` asks about, as people write it: an address and port, or a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

import click

from balancer.explanation import AskedBy, ObjectName
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol

FORM = re.compile(
    r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:/\[\]]*)):(?P<port>[0-9]+)(?:/(?P<protocol>[A-Za-z]+))?"
)
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_PORT = rf"(?::(?P<port>{_LABEL}))?(?:/(?P<protocol>[A-Za-z]+))?"
NAME = re.compile(
    rf"(?P<first>[A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?)/(?P<name>{_LABEL}(?:\.{_LABEL})*){_PORT}"
)
DNS = re.compile(rf"(?P<name>{_LABEL})\.(?P<first>{_LABEL})\.svc(?:\.[-.a-z0-9]+)?{_PORT}")
POLICIES = {"localredirectpolicy": "LocalRedirectPolicy", "balancingpolicy": "BalancingPolicy"}
MAX_PORT = 65535
PROTOCOLS = {"tcp": Protocol.TCP, "udp": Protocol.UDP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    address: IPAddress
    port: int
    protocol: Protocol


def parse_target(_ctx: click.Context, _param: click.Parameter, text: str) -> Target | ObjectName:
    """`10.96.0.10:53/udp`, `[fd00::a]:443`; TCP when no protocol is given. A name is that of a Service,
    `default/web`, `default/web:http` or `web.default.svc:80`, or of a policy, `localredirectpolicy/dns`. An
    address alone, `10.96.0.10` or `[fd00::a]`, is all of its ports. Raises click.BadParameter.

    A v4-mapped IPv6 address counts as the IPv4 address in it, as it does in the kernel.
    """
    match = FORM.fullmatch(text)
    if match is None:
        return _named(text)
    port = int(match["port"])
    if not 1 <= port <= MAX_PORT:
        raise click.BadParameter(f"port {port} is not between 1 and {MAX_PORT}")
    named = DNS.fullmatch(text)
    if named:
        return _object(named)
    protocol = _protocol(match["protocol"]) or Protocol.TCP
    return Target(address=_address(match["six"] or match["four"]), port=port, protocol=protocol)


def parse_pod(_ctx: click.Context, _param: click.Parameter, text: str | None) -> AskedBy | None:
    """`namespace/name`, or just the name of one in the namespace default. Raises click.BadParameter."""
    if text is None:
        return None
    namespace, _, name = text.rpartition("/")
    if not name or "/" in namespace or text.startswith("/"):
        raise click.BadParameter(f"{text!r} is not NAMESPACE/NAME")
    return AskedBy(pod=(namespace or "default", name))


def _named(text: str) -> ObjectName:
    found = NAME.fullmatch(text) or DNS.fullmatch(text)
    if found:
        return _object(found)
    inside = re.fullmatch(r"\[(?P<six>.*)\]|(?P<four>[0-9.]+)", text)
    if inside is None:
        raise click.BadParameter(
            f"{text!r} is not ADDR:PORT[/PROTO], such as 10.96.0.10:53/udp or [fd00::a]:443,"
            " nor a name such as default/web:http"
        )
    return ObjectName(address=_address(inside["six"] or inside["four"] or ""))


def _object(found: re.Match[str]) -> ObjectName:
    kind = POLICIES.get(found["first"].lower())
    return ObjectName(
        name=f"{kind} {found['name']}" if kind else f"{found['first']}/{found['name']}",
        port=found["port"] or "",
        protocol=_protocol(found["protocol"]),
    )


def _protocol(text: str | None) -> Protocol | None:
    if text is None:
        return None
    protocol = PROTOCOLS.get(text.lower())
    if protocol is None:
        raise click.BadParameter(f"protocol {text!r} is neither tcp nor udp")
    return protocol


def _address(text: str) -> IPAddress:
    try:
        address = ip_address(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not an IP address") from None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address
