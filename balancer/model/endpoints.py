"""EndpointSlice and Endpoints: who can answer for a service, and in what condition."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from balancer.model.meta import IPAddress, Meta
from balancer.model.service import Protocol

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class AddressType(enum.StrEnum):
    IPV4 = "IPv4"
    IPV6 = "IPv6"
    FQDN = "FQDN"


class Endpoint(NamedTuple):
    """One endpoint with the API's defaults applied: ready unset = true, serving unset = ready,
    terminating unset = false. `address` is addresses[0]. `node_name` is None when not exported.

    `pod` is the (namespace, name) of a Pod targetRef, or None. A tuple, since there may be 100,000: it is made
    several times faster than a frozen dataclass.
    """

    address: IPAddress
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    node_name: str | None = None
    hint_nodes: tuple[str, ...] = ()
    hint_zones: tuple[str, ...] = ()
    pod: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPort:
    """`port` is None for "all ports", which no service port can use."""

    name: str = ""
    protocol: Protocol = Protocol.TCP
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSlice:
    """`service_name` is the value of the label kubernetes.io/service-name, "" when it is missing.

    An FQDN slice is read with no endpoints.
    """

    meta: Meta
    service_name: str
    address_type: AddressType = AddressType.IPV4
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """Ready addresses only as `endpoints`; `not_ready` are kept for explanations, never as backends."""

    endpoints: tuple[Endpoint, ...] = ()
    not_ready: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """A v1 Endpoints object; it belongs to the Service of the same namespace and name."""

    meta: Meta
    subsets: tuple[Subset, ...] = ()
