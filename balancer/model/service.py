"""A Service as its clients see it: addresses, ports and the rules for choosing endpoints."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from balancer.model.meta import IPAddress, Meta

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
DEFAULT_AFFINITY_SECONDS = 10800


class Protocol(enum.StrEnum):
    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class ServiceType(enum.StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_NAME = "ExternalName"


class TrafficPolicy(enum.StrEnum):
    CLUSTER = "Cluster"
    LOCAL = "Local"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """`name` is "" for an unnamed port. `node_port` is 0 where none is allocated."""

    port: int
    name: str = ""
    protocol: Protocol = Protocol.TCP
    node_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """One address of status.loadBalancer.ingress; host names are dropped when read.

    `proxy` is true for ipMode Proxy: such an address must reach the real load balancer.
    """

    address: IPAddress
    proxy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`cluster_ips` is empty for headless and ExternalName services. `affinity_seconds` 0 means none."""

    meta: Meta
    type: ServiceType = ServiceType.CLUSTER_IP
    cluster_ips: tuple[IPAddress, ...] = ()
    external_ips: tuple[IPAddress, ...] = ()
    ingress: tuple[Ingress, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    internal_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    external_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    affinity_seconds: int = 0
    selector: Mapping[str, str] = field(default_factory=dict)
