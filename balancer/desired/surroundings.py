"""What the host knows of itself and of the nodes around it: names, zone and addresses.

Worked out once per pass. Says nothing about services.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from balancer.desired.types import Host, Rules
from balancer.model.cluster import Cluster
from balancer.model.meta import IPAddress
from balancer.model.node import Node


class SharedAddress(NamedTuple):
    """An address that two Node objects name."""

    address: IPAddress
    older: Node
    younger: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`own` are this host's addresses: those of its interfaces and of its Node object.

    `node_of` gives the node that owns an address; the older Node object when two name it.
    `others` are (address, node name) of the other nodes whose node ports are answered here.
    """

    node_name: str
    zone: str
    own: frozenset[IPAddress]
    nodes: Mapping[str, Node]
    node_of: Mapping[IPAddress, Node]
    shared: tuple[SharedAddress, ...]
    others: tuple[tuple[IPAddress, str], ...]


def look_around(cluster: Cluster, host: Host, rules: Rules) -> Surroundings:
    """A host whose name is no Node object is outside of the cluster: no zone, and no node is its own."""
    nodes = {node.meta.name: node for node in cluster.nodes}
    me = nodes.get(host.node_name)
    own = set(usable_node_addresses(host.addresses))
    if me:
        own.update(node_addresses(me))
    node_of, shared = _owners(nodes.values())
    return Surroundings(
        node_name=host.node_name,
        zone=me.zone if me else "",
        own=frozenset(own),
        nodes=nodes,
        node_of=node_of,
        shared=tuple(shared),
        others=tuple(
            (address, node.meta.name)
            for address, node in node_of.items()
            if address not in own and inside(address, rules.node_port_cidrs)
        ),
    )


def node_addresses(node: Node) -> list[IPAddress]:
    """InternalIP and ExternalIP addresses of a node that can carry node ports."""
    return usable_node_addresses(entry.address for entry in node.addresses)


def usable_node_addresses(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    """Without IPv6 link-local addresses, which mean nothing without an interface, as in kube-proxy."""
    return [
        address
        for address in addresses
        if not (
            address.is_unspecified or address.is_multicast or (address.version == 6 and address.is_link_local)
        )
    ]


def inside(address: IPAddress, cidrs: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether one of the networks of the address's family holds it; a family without networks holds all.

    As kube-proxy's --nodeport-addresses: naming IPv4 networks alone leaves IPv6 as it was.
    """
    family = [cidr for cidr in cidrs if cidr.version == address.version]
    return not family or any(address in cidr for cidr in family)


def _owners(nodes: Iterable[Node]) -> tuple[dict[IPAddress, Node], list[SharedAddress]]:
    owners: dict[IPAddress, Node] = {}
    shared: list[SharedAddress] = []
    for node in sorted(nodes, key=lambda node: node.meta.age_order):
        for address in node_addresses(node):
            owner = owners.setdefault(address, node)
            if owner is not node:
                shared.append(SharedAddress(address, owner, node))
    return owners, shared
