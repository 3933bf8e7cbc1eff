"""The edge mode: a host without a route to pods reaches a service through its node ports.

Each chosen endpoint stands for its node; which pod answers is then up to that node's own proxy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from balancer.desired.endpoints import Target
from balancer.desired.surroundings import Surroundings
from balancer.desired.types import Backend
from balancer.model.meta import IPAddress
from balancer.model.node import Node, NodeAddressType


class Unplaced(NamedTuple):
    """An endpoint whose node cannot be addressed, and why in words."""

    target: Target
    reason: str


def entry_address(node: Node, version: int) -> IPAddress | None:
    """The node's InternalIP of the family, else its ExternalIP, else None."""
    internal = node.internal_ip(version)
    if internal is not None:
        return internal
    for entry in node.addresses:
        if entry.type is NodeAddressType.EXTERNAL and entry.address.version == version:
            return entry.address
    return None


def to_node_ports(
    targets: Iterable[Target], around: Surroundings, node_port: int, version: int
) -> tuple[list[Backend], list[Unplaced]]:
    """One backend per node of the targets, on `node_port`; and the targets that have no such node."""
    backends: dict[str, Backend] = {}
    unplaced: list[Unplaced] = []
    for target in targets:
        name = target.endpoint.node_name
        node = around.nodes.get(name) if name else None
        address = entry_address(node, version) if node else None
        if name is None:
            unplaced.append(Unplaced(target, "has no nodeName"))
        elif node is None:
            unplaced.append(Unplaced(target, f"is on node {name}, for which there is no Node object"))
        elif address is None:
            unplaced.append(Unplaced(target, f"is on node {name}, which has no IPv{version} address"))
        else:
            backends[name] = Backend(address=address, port=node_port, node=name)
    return list(backends.values()), unplaced
