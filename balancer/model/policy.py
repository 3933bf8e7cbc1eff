"""LocalRedirectPolicy and BalancingPolicy (balancing.elf.io/v1beta1): a destination answered otherwise."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from balancer.model.meta import IPAddress, Meta
from balancer.model.selector import Selector
from balancer.model.service import Protocol

REDIRECT_RATE_ANNOTATION = "balancing.elf.io/redirectQosLimit"
NODE_PROXY_ANNOTATION = {4: "balancing.elf.io/nodeProxyIpv4", 6: "balancing.elf.io/nodeProxyIpv6"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPort:
    """One item of toPorts. `name` is "" when there is none; name and protocol join the two sides."""

    port: int
    protocol: Protocol
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFrontend:
    """A virtual address of the policy's own."""

    address: IPAddress
    ports: tuple[PolicyPort, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFrontend:
    """The ClusterIPs of a Service, and nothing else of it. No `ports` means all of its ports."""

    namespace: str
    name: str
    ports: tuple[PolicyPort, ...] = ()


PolicyFrontend = AddressFrontend | ServiceFrontend


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """Where a policy works. `nodes` None: on every node of the cluster. `outside`: also on hosts that are
    no node of the cluster, whatever `nodes` says.
    """

    nodes: Selector | None = None
    outside: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRedirectPolicy:
    """To the pods of this very node that `selector` accepts, in any namespace.

    `rate` is the policy's own limit in connections per second and frontend, 0 for none, None when the
    policy does not say.
    """

    meta: Meta
    frontend: PolicyFrontend
    selector: Selector
    ports: tuple[PolicyPort, ...]
    enabled: bool = True
    applies: Applies = field(default_factory=Applies)
    rate: int | None = None


class RedirectMode(enum.StrEnum):
    """POD_ENDPOINT: pod IP. HOST_PORT: the node's address. NODE_PROXY: the node's entry address."""

    POD_ENDPOINT = "podEndpoint"
    HOST_PORT = "hostPort"
    NODE_PROXY = "nodeProxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodBackends:
    selector: Selector
    ports: tuple[PolicyPort, ...]
    mode: RedirectMode = RedirectMode.POD_ENDPOINT


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedBackends:
    addresses: tuple[IPAddress, ...]
    ports: tuple[PolicyPort, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancingPolicy:
    """To pods anywhere in the cluster, their nodes, or fixed addresses."""

    meta: Meta
    frontend: PolicyFrontend
    backends: PodBackends | FixedBackends
    enabled: bool = True
    applies: Applies = field(default_factory=Applies)


Policy = LocalRedirectPolicy | BalancingPolicy
