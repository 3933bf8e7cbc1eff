"""Which services this data plane answers for, and on which of their addresses.

Decides only from the Service itself and the settings; never looks at endpoints or nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from balancer.desired.types import FrontendKind, Rules
from balancer.model.cluster import Cluster
from balancer.model.meta import IPAddress, Meta
from balancer.model.service import (
    HEADLESS_LABEL,
    PROXY_NAME_LABEL,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)

_WITH_NODE_PORTS = frozenset({ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER})


class Vip(NamedTuple):
    """An address of a service and the JSON path of the field that names it."""

    address: IPAddress
    kind: FrontendKind
    path: str


class Rejected(NamedTuple):
    """An address of a service that is not served, and why in words."""

    vip: Vip
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service that counts. `vips` holds each address once, the ClusterIP's claim before others.

    `versions` are the IP families (4, 6) of its ClusterIPs: the API server gives a service one
    ClusterIP per family, and kube-proxy ignores a service in the other family.
    """

    service: Service
    versions: tuple[int, ...]
    vips: tuple[Vip, ...]
    rejected: tuple[Rejected, ...]

    @property
    def internal_local(self) -> bool:
        return self.service.internal_policy is TrafficPolicy.LOCAL

    @property
    def external_local(self) -> bool:
        """As kube-proxy, only for a service that can be reached from outside."""
        reachable = self.service.type in _WITH_NODE_PORTS or bool(self.service.external_ips)
        return reachable and self.service.external_policy is TrafficPolicy.LOCAL

    def node_port(self, port: ServicePort) -> int:
        """The port's nodePort, 0 for none. The API clears it for types that have no node ports."""
        return port.node_port if self.service.type in _WITH_NODE_PORTS else 0


def ignored_by_label(meta: Meta) -> bool:
    """Whether another proxy serves the object, or it is marked headless.

    kube-proxy lists objects with the selector ``!service-proxy-name,!headless``: the labels count
    by their presence, whatever the value.
    """
    return PROXY_NAME_LABEL in meta.labels or HEADLESS_LABEL in meta.labels


def served_services(cluster: Cluster, rules: Rules) -> tuple[Served, ...]:
    """The services that count, the older first."""
    chosen = [service for service in cluster.services if _counts(service)]
    chosen.sort(key=lambda service: service.meta.age_order)
    return tuple(_judge(service, rules) for service in chosen)


def _counts(service: Service) -> bool:
    """Headless and ExternalName services have nothing to translate, even with a stale clusterIP."""
    if service.type is ServiceType.EXTERNAL_NAME or not service.cluster_ips:
        return False
    return not ignored_by_label(service.meta)


def _judge(service: Service, rules: Rules) -> Served:
    versions = tuple(dict.fromkeys(ip.version for ip in service.cluster_ips))
    vips: dict[IPAddress, Vip] = {}
    rejected: list[Rejected] = []
    for vip in _named(service):
        reason = _fault(vip, versions, rules)
        if reason:
            rejected.append(Rejected(vip, reason))
        else:
            vips.setdefault(vip.address, vip)
    return Served(service=service, versions=versions, vips=tuple(vips.values()), rejected=tuple(rejected))


def _named(service: Service) -> Iterator[Vip]:
    """Every address that the service names, in the order in which its own claims count."""
    for index, address in enumerate(service.cluster_ips):
        path = f"$.spec.clusterIPs[{index}]" if index else "$.spec.clusterIP"
        yield Vip(address, FrontendKind.CLUSTER_IP, path)
    if service.type is ServiceType.LOAD_BALANCER:  # the API clears the status of other types
        for ingress in service.ingress:
            if not ingress.proxy:
                # Host names were dropped when read, so an index would point at the wrong item.
                yield Vip(ingress.address, FrontendKind.LOAD_BALANCER, "$.status.loadBalancer.ingress")
    for index, address in enumerate(service.external_ips):
        yield Vip(address, FrontendKind.EXTERNAL_IP, f"$.spec.externalIPs[{index}]")


def _fault(vip: Vip, versions: tuple[int, ...], rules: Rules) -> str:
    """Why the address is not served, "" when it is.

    Unspecified and loopback addresses would capture the host's own; the API refuses them too.
    """
    address, external = vip.address, vip.kind is FrontendKind.EXTERNAL_IP
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        return "an unspecified, loopback or multicast address cannot be a service's"
    if external and address.is_link_local:
        return "a link-local address cannot be an external IP"
    if address.version not in versions:
        return f"the service has no IPv{address.version} ClusterIP, so it does not exist in that family"
    if external and rules.external_ip_cidrs and not any(address in net for net in rules.external_ip_cidrs):
        return "it is outside of external_ip_cidrs"
    return ""
