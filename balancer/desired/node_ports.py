"""Node ports: one entry for all node addresses of a family, and exact ones where nodes differ."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from balancer.desired.answers import PortAnswers
from balancer.desired.conflicts import Claim
from balancer.desired.scope import Scope, of_node
from balancer.desired.surroundings import Surroundings
from balancer.desired.types import FrontendKind
from balancer.model.meta import IPAddress

ANY_ADDRESS: dict[int, IPAddress] = {4: IPv4Address(0), 6: IPv6Address(0)}


def node_port_claims(answers: PortAnswers, around: Surroundings, scope: Scope) -> Iterator[Claim]:
    """The claims of one service port in one family; none without a nodePort.

    `scope` is for this node's own addresses. With externalTrafficPolicy Local another node answers
    with its own endpoints only, so each of its addresses gets an entry that says the same here; not
    when `scope` already is a single node, to which every way of access is then restricted.
    """
    served, port = answers.served, answers.served.node_port(answers.port)
    if not port:
        return
    path = f"$.spec.ports[{answers.index}].nodePort"
    everywhere = Claim(
        frontend=answers.frontend(ANY_ADDRESS[answers.version], port, FrontendKind.NODE_PORT, scope),
        service=served.service,
        port_index=answers.index,
        path=path,
    )
    yield everywhere
    if not served.external_local or scope.node is not None:
        return
    for address, node in around.others:
        if address.version == answers.version:
            yield Claim(
                frontend=answers.frontend(address, port, FrontendKind.NODE_PORT, of_node(node)),
                service=served.service,
                port_index=answers.index,
                path=path,
                behind=everywhere.key,
            )
