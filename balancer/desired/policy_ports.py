"""Which backend port each port of a policy's frontend leads to: joined by name and protocol.

Looks at numbers and names only, never at pods or addresses. What has no partner is left out here and
reported by `policy_checks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from balancer.model.policy import PolicyFrontend, PolicyPort, ServiceFrontend
from balancer.model.service import Protocol, Service


class Pair(NamedTuple):
    """A port of the frontend and the port number of its backends. `name` is the frontend port's."""

    port: int
    protocol: Protocol
    name: str
    to: int


def pairs_of(
    frontend: PolicyFrontend, backends: Sequence[PolicyPort], service: Service | None
) -> tuple[Pair, ...]:
    """The ports that the policy answers. `service` is the frontend's, None for an address.

    balancing.elf.io/v1beta1: a serviceMatcher without toPorts means all ports of the service; with
    toPorts, only those of them that the service has.
    """
    if service is None or not isinstance(frontend, ServiceFrontend):
        return join(frontend.ports, backends)
    if not frontend.ports:
        return join(service_ports(service), backends)
    known = {(port.port, port.protocol) for port in service.ports}
    return tuple(pair for pair in join(frontend.ports, backends) if (pair.port, pair.protocol) in known)


def service_ports(service: Service) -> tuple[PolicyPort, ...]:
    """The service's ports as a toPorts that lists them all. SCTP is not answered."""
    return tuple(
        PolicyPort(port=port.port, protocol=port.protocol, name=port.name)
        for port in service.ports
        if port.protocol is not Protocol.SCTP
    )


def join(frontends: Sequence[PolicyPort], backends: Sequence[PolicyPort]) -> tuple[Pair, ...]:
    """Every frontend port that has a partner, in the order of the frontend ports and each once.

    balancing.elf.io/v1beta1: name and protocol join the two sides. A single pair may be unnamed on one
    side or both, since nothing else can be meant.
    """
    found: dict[tuple[int, Protocol], Pair] = {}
    for front in frontends:
        partner = _partner(front, frontends, backends)
        if partner is not None:
            pair = Pair(front.port, front.protocol, front.name, partner.port)
            found.setdefault((front.port, front.protocol), pair)
    return tuple(found.values())


def _partner(
    front: PolicyPort, frontends: Sequence[PolicyPort], backends: Sequence[PolicyPort]
) -> PolicyPort | None:
    for back in backends:
        if (back.name, back.protocol) == (front.name, front.protocol):
            return back
    rivals = sum(other.protocol is front.protocol for other in frontends)
    if rivals == 1 and len(backends) == 1 and backends[0].protocol is front.protocol:
        only = backends[0]
        return None if front.name and only.name else only
    return None
