"""Which services can have a part in each other's results, and which of them policies can.

A *tie* is a value that two services must both have for the result of one to depend on the other:

* **An address.** `conflicts` settles who has an address:port/protocol, `addresses` adds up the flags of all that name
  an address, `checks` says who else has it as its ClusterIP, `policy_standing` whose it is. All of them
  compare addresses that a service names, whether it is served there or not.
* **A number.** Node ports meet at the unspecified address, and at the address of another node with
  externalTrafficPolicy Local, by their number. At the address of a node they also meet the ports of a service that
  names that very address; so the ports of such a service are numbers too.
* **A name.** A policy names the service whose ClusterIPs it answers.

All policies together are one member: which of them take part is settled among all of one kind. Their ties are
the addresses they want for themselves and the names of services.

A family or a protocol is no part of a tie, though it could be: more members than needed are only slower.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from balancer.desired.policy_backends import all_policies
from balancer.model.cluster import Cluster
from balancer.model.meta import IPAddress
from balancer.model.policy import AddressFrontend
from balancer.model.service import Service

Member = tuple[str, str]
"""A service by namespace and name, whether or not there is one; or POLICIES."""
POLICIES: Final[Member] = ("", "")
Tie = IPAddress | int | Member


def plain(address: IPAddress) -> IPAddress:
    """The maps know an IPv4 address and its v4-mapped form as one."""
    return (address.ipv4_mapped or address) if address.version == 6 else address


def addresses_named(service: Service) -> frozenset[IPAddress]:
    """Every address the service names, on whatever conditions."""
    return frozenset(
        (*service.cluster_ips, *service.external_ips, *(ingress.address for ingress in service.ingress))
    )


def ties_of_service(service: Service, node_addresses: Collection[IPAddress]) -> frozenset[Tie]:
    """`node_addresses` are those of all Node objects."""
    named = addresses_named(service)
    numbers = {port.node_port for port in service.ports if port.node_port}
    if any(address in node_addresses for address in named):
        numbers.update(port.port for port in service.ports)
    return frozenset((service.meta.key, *map(plain, named), *numbers))


def ties_of_policies(cluster: Cluster) -> frozenset[Tie]:
    """Those of all policies, disabled ones too."""
    return frozenset(
        plain(policy.frontend.address)
        if isinstance(policy.frontend, AddressFrontend)
        else (policy.frontend.namespace, policy.frontend.name)
        for policy in all_policies(cluster)
    )


class Ties:
    """The members by tie, kept current by whoever owns it."""

    def __init__(self) -> None:
        self._of: dict[Member, frozenset[Tie]] = {}
        self._members: defaultdict[Tie, set[Member]] = defaultdict(set)

    def put(self, member: Member, ties: frozenset[Tie]) -> None:
        """The member has these from now on; with none it is forgotten."""
        for tie in self._of.pop(member, frozenset()):
            self._members[tie].discard(member)
            if not self._members[tie]:
                del self._members[tie]
        if ties:
            self._of[member] = ties
        for tie in ties:
            self._members[tie].add(member)

    def of(self, member: Member) -> frozenset[Tie]:
        return self._of.get(member, frozenset())

    def reach(self, start: Iterable[Member], ties: Iterable[Tie], most: int) -> set[Member] | None:
        """`start`, whoever has one of `ties`, and everybody tied to one of them in turn; None if these are
        more than `most`.
        """
        found = set(start)
        left: list[Tie] = [*ties, *(tie for member in found for tie in self.of(member))]
        followed: set[Tie] = set()
        while left and len(found) <= most:
            tie = left.pop()
            if tie in followed:
                continue
            followed.add(tie)
            for member in self._members.get(tie, set()) - found:
                found.add(member)
                left.extend(self.of(member))
        return found if len(found) <= most else None
