"""The desired state as values: which address, port and protocol is answered by which backends."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from balancer.model.meta import IPAddress
from balancer.model.problem import Origin, Problem
from balancer.model.service import Protocol


class Action(enum.StrEnum):
    """What a connection gets: a backend, ECONNREFUSED, or EHOSTUNREACH."""

    FORWARD = "forward"
    REFUSE = "refuse"
    UNREACHABLE = "unreachable"


class FrontendKind(enum.StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_IP = "ExternalIP"
    VIP = "VIP"


class Source(enum.StrEnum):
    """Which kind of object decided, in rising priority."""

    SERVICE = "service"
    BALANCING = "balancing"
    LOCAL_REDIRECT = "localRedirect"


class AddressFlags(enum.IntFlag):
    """What the gate knows of an address; bit values are those of `bpf/types.h`.

    VIP: owned by us, a port it does not have is refused. EXTERNAL: load balancer and external IPs,
    a port it does not have is left alone. NODE: node ports are answered here. LOOPBACK: like NODE,
    but only for clients in the host's own network namespace.
    """

    VIP = 1
    EXTERNAL = 2
    NODE = 4
    LOOPBACK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where a connection goes. `node` is the node of the endpoint, None when not known."""

    address: IPAddress
    port: int
    node: str | None = None
    weight: int = 1

    @property
    def order(self) -> tuple[int, int, int]:
        return (self.address.version, int(self.address), self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """One address:port/protocol and its answer.

    A node port on every node address has the unspecified address (0.0.0.0 or ::) of its family.
    `backends` is sorted by `Backend.order` without repeats, all of the frontend's family, and empty
    unless the action is FORWARD.

    A policy's frontend replaces another one: `beneath` is what the next lower priority would be, None when
    there is none. It is the fallback of a local redirect, for connections above `rate` (per second, 0 for
    no limit) and for those of the redirect's own backends.

    `group` names the set of backends that client affinity and a UDP socket's stickiness are kept
    within: the service port and the scope of its endpoints (for example
    ``default/web:http/TCP/4/cluster``). Two frontends of one group always have the same backends.
    """

    address: IPAddress
    port: int
    protocol: Protocol
    kind: FrontendKind
    object: str
    origin: Origin
    group: str
    port_name: str = ""
    source: Source = Source.SERVICE
    action: Action = Action.FORWARD
    affinity_seconds: int = 0
    backends: tuple[Backend, ...] = ()
    beneath: Frontend | None = None
    rate: int = 0

    @property
    def fallback(self) -> tuple[Backend, ...]:
        """The backends of the next lower priority; empty when it has none."""
        return self.beneath.backends if self.beneath else ()

    @property
    def order(self) -> tuple[int, int, int, str]:
        return (self.address.version, int(self.address), self.port, self.protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedPod:
    """A pod of this node whose processes are left untranslated."""

    namespace: str
    name: str
    uid: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectPod:
    """A pod of this node that is a backend of local redirects: to the frontends of these groups it gets
    the fallback, never itself.
    """

    namespace: str
    name: str
    uid: str
    origin: Origin
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """What became of one policy on this host.

    `applies` says whether it is meant for this host and takes part; `reason` why not, or what keeps it from
    having an effect ("" when nothing does). `frontends` are "address:port/PROTOCOL" that it decides now,
    `backends` "address:port", both sorted as addresses.
    """

    kind: str
    name: str
    origin: Origin
    applies: bool
    reason: str = ""
    frontends: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The whole desired state. `frontends` is sorted by `Frontend.order`, one per address, port and
    protocol. `addresses` holds every address that the gate must let through to a lookup.
    """

    frontends: tuple[Frontend, ...] = ()
    addresses: Mapping[IPAddress, AddressFlags] = field(default_factory=dict)
    skipped_pods: tuple[SkippedPod, ...] = ()
    redirect_pods: tuple[RedirectPod, ...] = ()
    policies: tuple[PolicyStatus, ...] = ()
    problems: tuple[Problem, ...] = ()


class ServiceRedirect(enum.StrEnum):
    """POD_ENDPOINT: to the pod. NODE_PORT: to the pod's node and the service's node port (a host
    without a route to pods).
    """

    POD_ENDPOINT = "podEndpoint"
    NODE_PORT = "nodePort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that change what a Service does; read from the config file.

    `redirect_qos_limit`: connections per second and frontend that a local redirect takes, unless its policy
    says otherwise; 0 for no limit.
    `local_policy_applies_to_all_access`: a Local policy of either kind restricts every way of access.
    `external_ip_cidrs`: external IPs outside these are not served; empty means all are.
    `node_port_cidrs`: node ports are answered only on addresses inside these; a family without one has
    no restriction.
    """

    service_redirect: ServiceRedirect = ServiceRedirect.POD_ENDPOINT
    redirect_qos_limit: int = 0
    local_policy_applies_to_all_access: bool = False
    external_ip_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    node_port_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where the answer is worked out for. `node_name` need not name a Node object: then the host is
    outside the cluster. `addresses` are those of the host's own interfaces, loopback included.
    """

    node_name: str
    addresses: tuple[IPAddress, ...] = ()
