"""Which policies take part on this host, and for which destinations.

A policy takes part as a whole or not at all. Backends play no role here: a policy without any keeps its
place, so that its destinations do not change hands when a pod comes and goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from balancer.desired.conflicts import Key
from balancer.desired.policy_backends import source_of
from balancer.desired.policy_ports import Pair, pairs_of
from balancer.desired.served import Served
from balancer.desired.surroundings import Surroundings
from balancer.desired.types import Frontend, FrontendKind
from balancer.desired.wording import endpoint_text, first_and_more, precedence
from balancer.model.cluster import Cluster
from balancer.model.meta import IPAddress, Meta
from balancer.model.policy import AddressFrontend, Policy
from balancer.model.problem import Problem
from balancer.model.service import Service, ServiceType


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What policies stand on: this host, and what the services alone would give on it.

    `owners` says in words whose a service's or node's address is.
    """

    around: Surroundings
    served: Mapping[tuple[str, str], Served]
    frontends: Mapping[Key, Frontend]
    owners: Mapping[IPAddress, str]


class Destination(NamedTuple):
    """An address and port that a policy answers. `affinity_seconds` is the service's."""

    address: IPAddress
    pair: Pair
    affinity_seconds: int = 0

    @property
    def key(self) -> Key:
        return (self.address, self.pair.port, self.pair.protocol)

    def __str__(self) -> str:
        return f"{endpoint_text(self.address, self.pair.port)}/{self.pair.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A policy and its destinations; none, and why in words, when it takes no part."""

    policy: Policy
    destinations: tuple[Destination, ...] = ()
    refusal: str = ""


class Conflict(NamedTuple):
    """Two policies of one kind with destinations in common; the older one has them."""

    loser: Policy
    winner: Policy
    shared: tuple[Destination, ...]


def stand(policies: tuple[Policy, ...], ground: Ground) -> tuple[list[Standing], list[Conflict]]:
    """How the policies of one kind stand, the older first, and the conflicts that decided it.

    balancing.elf.io/v1beta1: one policy of a kind for a destination. The older one stays; the younger
    one as a whole takes no part, and so is in nobody else's way.
    """
    standings: list[Standing] = []
    conflicts: list[Conflict] = []
    holders: dict[Key, Policy] = {}
    for policy in sorted(policies, key=lambda policy: policy.meta.age_order):
        standing = _alone(policy, ground)
        lost = _lost(standing, holders)
        if lost:
            conflicts += lost
            standing = replace(standing, destinations=(), refusal=_defeat(lost[0]))
        holders.update(dict.fromkeys((item.key for item in standing.destinations), policy))
        standings.append(standing)
    return standings, conflicts


def address_fault(policy: Policy, ground: Ground) -> str:
    """Why the policy's address cannot be a virtual one, "" when it can or there is none.

    An address of a service or a machine is somebody else's: unknown ports of a virtual address are
    refused, which would cut its owner off. What only this host has counts for the policies meant for it.
    """
    frontend = policy.frontend
    if not isinstance(frontend, AddressFrontend):
        return ""
    address = frontend.address
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        return f"{address} is an unspecified, loopback or multicast address"
    owner = ground.owners.get(address, "")
    if not owner and address in ground.around.own and not _not_here(policy, ground.around):
        owner = "an address of this host"
    return f"{address} is {owner}" if owner else ""


def address_owners(cluster: Cluster, policies: Iterable[Policy]) -> dict[IPAddress, str]:
    """Whose an address is that a policy wants for itself, in words; the older service, then the older node.

    Services that another proxy serves count too.
    """
    wanted = {item.frontend.address for item in policies if isinstance(item.frontend, AddressFrontend)}
    if not wanted:
        return {}
    claims: list[tuple[IPAddress, str, Meta]] = []
    for service in sorted(cluster.services, key=lambda service: service.meta.age_order):
        claims += [(address, words, service.meta) for address, words in _service_addresses(service)]
    for node in sorted(cluster.nodes, key=lambda node: node.meta.age_order):
        claims += [(entry.address, "an address", node.meta) for entry in node.addresses]
    found: dict[IPAddress, str] = {}
    for address, words, meta in claims:
        if address in wanted:
            found.setdefault(address, f"{words} of {_place(meta)}")
    return found


def conflict_problem(conflict: Conflict) -> Problem:
    """An error at the younger policy that names the older one with its place."""
    meta, winner = conflict.loser.meta, conflict.winner.meta
    shared = first_and_more([str(item) for item in conflict.shared])
    return Problem(
        origin=meta.origin,
        message=f"{shared} already belongs to {_place(winner)}, {precedence(winner, meta)}; "
        "this policy does not apply",
        object=str(meta),
        path="$.spec.frontend",
    )


def _alone(policy: Policy, ground: Ground) -> Standing:
    refusal = _not_here(policy, ground.around) or address_fault(policy, ground)
    if refusal:
        return Standing(policy=policy, refusal=refusal)
    destinations = tuple(_destinations(policy, ground))
    return Standing(
        policy=policy, destinations=destinations, refusal="" if destinations else _waiting(policy, ground)
    )


def _not_here(policy: Policy, around: Surroundings) -> str:
    """balancing.elf.io/v1beta1: nodeLabelSelector is for nodes of the cluster, enableOutCluster for all
    other hosts; neither looks at the other.
    """
    if not policy.enabled:
        return "disabled"
    node = around.nodes.get(around.node_name)
    if node is None:
        return "" if policy.applies.outside else "not for hosts outside of the cluster"
    chosen = policy.applies.nodes
    if chosen is None or chosen.accepts(node.meta.labels):
        return ""
    return f"nodeLabelSelector does not accept {node.meta}"


def _destinations(policy: Policy, ground: Ground) -> Iterator[Destination]:
    """A service's ClusterIPs as far as it won them; a port that another service has is not its own."""
    ports = source_of(policy).ports
    if isinstance(policy.frontend, AddressFrontend):
        for pair in pairs_of(policy.frontend, ports, None):
            yield Destination(policy.frontend.address, pair)
        return
    served = ground.served.get((policy.frontend.namespace, policy.frontend.name))
    if served is None:
        return
    pairs = pairs_of(policy.frontend, ports, served.service)
    for vip in served.vips:
        if vip.kind is not FrontendKind.CLUSTER_IP:
            continue
        for pair in pairs:
            beneath = ground.frontends.get((vip.address, pair.port, pair.protocol))
            if beneath is not None and beneath.object == str(served.service.meta):
                yield Destination(vip.address, pair, beneath.affinity_seconds)


def _waiting(policy: Policy, ground: Ground) -> str:
    """Why a policy that nothing rules out has no destination."""
    frontend = policy.frontend
    if isinstance(frontend, AddressFrontend):
        return "no port of the frontend has a partner"
    name = f"Service {frontend.namespace}/{frontend.name}"
    served = ground.served.get((frontend.namespace, frontend.name))
    if served is None:
        return f"waits for {name}"
    if not pairs_of(frontend, source_of(policy).ports, served.service):
        return f"no port of {name} has a partner"
    return f"the ClusterIP of {name} is served for another one"


def _lost(standing: Standing, holders: Mapping[Key, Policy]) -> list[Conflict]:
    shared: dict[str, list[Destination]] = {}
    winners: dict[str, Policy] = {}
    for destination in standing.destinations:
        winner = holders.get(destination.key)
        if winner is not None:
            winners[winner.meta.name] = winner
            shared.setdefault(winner.meta.name, []).append(destination)
    return [Conflict(standing.policy, winners[name], tuple(found)) for name, found in shared.items()]


def _defeat(conflict: Conflict) -> str:
    return f"{conflict.shared[0]} belongs to {_place(conflict.winner.meta)}"


def _service_addresses(service: Service) -> Iterator[tuple[IPAddress, str]]:
    if service.type is ServiceType.EXTERNAL_NAME:  # resolved by name, whatever else it says
        return
    for address in service.cluster_ips:
        yield address, "the ClusterIP"
    for ingress in service.ingress:
        yield ingress.address, "the load balancer IP"
    for address in service.external_ips:
        yield address, "the external IP"


def _place(meta: Meta) -> str:
    return f"{meta} ({meta.origin})"
