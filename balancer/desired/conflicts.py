"""Who gets an address:port/protocol that several services claim: the older object.

The loser is reported with its own place and the winner's; it is never served in part by chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from balancer.desired.types import Frontend
from balancer.desired.wording import endpoint_text, precedence
from balancer.model.meta import IPAddress
from balancer.model.problem import Problem, Severity
from balancer.model.service import Protocol, Service

Key = tuple[IPAddress, int, Protocol]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A frontend that a service asks for, and the JSON path of the field that asks.

    `port_index` is the claiming port of the service. `behind` is the key of another claim of the
    same port: without winning that one, this claim is void (an exact node address goes with the
    node port as a whole).
    """

    frontend: Frontend
    service: Service
    port_index: int
    path: str
    behind: Key | None = None

    @property
    def key(self) -> Key:
        return (self.frontend.address, self.frontend.port, self.frontend.protocol)

    def same_port(self, other: Claim) -> bool:
        return self.service is other.service and self.port_index == other.port_index


def settle(claims: Iterable[Claim]) -> tuple[list[Frontend], list[Problem]]:
    """The frontends of the winning claims, and a warning per lost one; equal warnings may repeat.

    `claims` come with the older service first; the first claim of a key wins. Claims of one
    service port for one key (an external IP that is also the load balancer's) are no conflict.
    """
    winners: dict[Key, Claim] = {}
    problems: list[Problem] = []
    for claim in claims:
        if claim.behind is not None and not claim.same_port(winners[claim.behind]):
            continue
        winner = winners.setdefault(claim.key, claim)
        if not winner.same_port(claim):
            problems.append(_lost(claim, winner))
    return [claim.frontend for claim in winners.values()], problems


def _lost(loser: Claim, winner: Claim) -> Problem:
    address, port, protocol = loser.key
    place = (
        f"node port {port}/{protocol}"
        if address.is_unspecified
        else f"{endpoint_text(address, port)}/{protocol}"
    )
    if winner.service is loser.service:
        message = f"{place} is claimed twice by this service: $.spec.ports[{winner.port_index}] is served"
    else:
        meta = winner.service.meta
        why = precedence(meta, loser.service.meta)
        message = f"{place} is served for {meta} ({meta.origin}), {why}, and not for this one"
    return Problem(
        origin=loser.service.meta.origin,
        message=message,
        severity=Severity.WARNING,
        object=str(loser.service.meta),
        path=loser.path,
    )
