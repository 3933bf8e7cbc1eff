"""Validated EndpointSlice and Endpoints data to the model, with the API's defaults filled in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from balancer.manifests.fields import items, text
from balancer.manifests.formats import parse_address
from balancer.model.endpoints import (
    SERVICE_NAME_LABEL,
    AddressType,
    Endpoint,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Subset,
)
from balancer.model.meta import Meta
from balancer.model.service import Protocol

Data = Mapping[str, Any]


def decode_slice(meta: Meta, data: Data) -> EndpointSlice:
    """The slice; one of type FQDN keeps no endpoints."""
    kind = AddressType(data["addressType"])
    endpoints = [] if kind is AddressType.FQDN else items(data, "endpoints")
    return EndpointSlice(
        meta=meta,
        service_name=meta.labels.get(SERVICE_NAME_LABEL, ""),
        address_type=kind,
        endpoints=tuple(_slice_endpoint(endpoint, meta) for endpoint in endpoints),
        ports=tuple(_port(port) for port in items(data, "ports")),
    )


def decode_endpoints(meta: Meta, data: Data) -> Endpoints:
    """The Endpoints object with its subsets in their order."""
    return Endpoints(meta=meta, subsets=tuple(_subset(subset, meta) for subset in items(data, "subsets")))


def _slice_endpoint(endpoint: Data, meta: Meta) -> Endpoint:
    """Unset conditions: ready is true, serving is what ready is, terminating is false."""
    conditions = endpoint.get("conditions") or {}
    ready = _unless_unset(conditions.get("ready"), default=True)
    hints = endpoint.get("hints") or {}
    return Endpoint(
        address=parse_address(endpoint["addresses"][0]),
        ready=ready,
        serving=_unless_unset(conditions.get("serving"), default=ready),
        terminating=_unless_unset(conditions.get("terminating"), default=False),
        node_name=_shared(endpoint.get("nodeName")),
        hint_nodes=tuple(node["name"] for node in items(hints, "forNodes")) if hints else (),
        hint_zones=tuple(zone["name"] for zone in items(hints, "forZones")) if hints else (),
        pod=_pod(endpoint, meta),
    )


def _unless_unset(value: bool | None, *, default: bool) -> bool:
    return default if value is None else value


def _subset(subset: Data, meta: Meta) -> Subset:
    return Subset(
        endpoints=tuple(_subset_endpoint(entry, meta, ready=True) for entry in items(subset, "addresses")),
        not_ready=tuple(
            _subset_endpoint(entry, meta, ready=False) for entry in items(subset, "notReadyAddresses")
        ),
        ports=tuple(_port(port) for port in items(subset, "ports")),
    )


def _subset_endpoint(entry: Data, meta: Meta, *, ready: bool) -> Endpoint:
    return Endpoint(
        address=parse_address(entry["ip"]),
        ready=ready,
        serving=ready,
        node_name=_shared(entry.get("nodeName")),
        pod=_pod(entry, meta),
    )


def _pod(data: Data, meta: Meta) -> tuple[str, str] | None:
    target = data.get("targetRef")
    if not target or target.get("kind") != "Pod" or not target.get("name"):
        return None
    return (sys.intern(target.get("namespace") or meta.namespace), target["name"])


def _shared(name: str | None) -> str | None:
    """The name of a node, one text in memory for all of its endpoints; None when unset or empty."""
    return sys.intern(name) if name else None


def _port(port: Data) -> EndpointPort:
    number = port.get("port")
    return EndpointPort(
        name=text(port, "name"),
        protocol=Protocol(text(port, "protocol", Protocol.TCP)),
        port=int(number) if number is not None else None,
    )
