"""Validated EndpointSlice and Endpoints data to the model, with the API's defaults filled in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from balancer.manifests.fields import items, text
from balancer.manifests.formats import is_plain_ipv4, parse_address, plain_ipv4
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
_NOTHING: Data = {}


def decode_slice(meta: Meta, data: Data) -> EndpointSlice:
    """The slice; one of type FQDN keeps no endpoints."""
    kind = AddressType(data["addressType"])
    endpoints = [] if kind is AddressType.FQDN else items(data, "endpoints")
    return EndpointSlice(
        meta=meta,
        service_name=meta.labels.get(SERVICE_NAME_LABEL, ""),
        address_type=kind,
        endpoints=tuple([_slice_endpoint(endpoint, meta.namespace) for endpoint in endpoints]),
        ports=tuple(_port(port) for port in items(data, "ports")),
    )


def decode_endpoints(meta: Meta, data: Data) -> Endpoints:
    """The Endpoints object with its subsets in their order."""
    return Endpoints(meta=meta, subsets=tuple(_subset(subset, meta) for subset in items(data, "subsets")))


def _slice_endpoint(endpoint: Data, namespace: str) -> Endpoint:
    """Unset conditions: ready is true, serving is what ready is, terminating is false."""
    conditions = endpoint.get("conditions") or _NOTHING
    ready = conditions.get("ready")
    if ready is None:
        ready = True
    serving = conditions.get("serving")
    address = endpoint["addresses"][0]
    hints = endpoint.get("hints")
    node = endpoint.get("nodeName")
    return Endpoint(
        plain_ipv4(address) if is_plain_ipv4(address) else parse_address(address),
        ready,
        ready if serving is None else serving,
        bool(conditions.get("terminating")),
        sys.intern(node) if node else None,
        tuple([node["name"] for node in items(hints, "forNodes")]) if hints else (),
        tuple([zone["name"] for zone in items(hints, "forZones")]) if hints else (),
        _pod(endpoint, namespace),
    )


def _subset(subset: Data, meta: Meta) -> Subset:
    return Subset(
        endpoints=tuple(_subset_endpoint(entry, meta, ready=True) for entry in items(subset, "addresses")),
        not_ready=tuple(
            _subset_endpoint(entry, meta, ready=False) for entry in items(subset, "notReadyAddresses")
        ),
        ports=tuple(_port(port) for port in items(subset, "ports")),
    )


def _subset_endpoint(entry: Data, meta: Meta, *, ready: bool) -> Endpoint:
    node = entry.get("nodeName")
    return Endpoint(
        address=parse_address(entry["ip"]),
        ready=ready,
        serving=ready,
        node_name=sys.intern(node) if node else None,
        pod=_pod(entry, meta.namespace),
    )


def _pod(data: Data, namespace: str) -> tuple[str, str] | None:
    """Names that many endpoints share, as those of nodes, are one text in memory."""
    target = data.get("targetRef")
    if not target or target.get("kind") != "Pod":
        return None
    name = target.get("name")
    return (sys.intern(target.get("namespace") or namespace), name) if name else None


def _port(port: Data) -> EndpointPort:
    number = port.get("port")
    return EndpointPort(
        name=text(port, "name"),
        protocol=Protocol(text(port, "protocol", Protocol.TCP)),
        port=int(number) if number is not None else None,
    )
