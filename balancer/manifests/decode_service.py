"""Validated Service data to the model, with the API's defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from balancer.manifests.fields import items, mapping, strings, text
from balancer.manifests.formats import HEADLESS, parse_address
from balancer.model.meta import IPAddress, Meta
from balancer.model.service import (
    DEFAULT_AFFINITY_SECONDS,
    Ingress,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)

Data = Mapping[str, Any]


def decode_service(meta: Meta, data: Data) -> Service:
    """The Service; ExternalName and headless ones have no cluster IPs."""
    spec = mapping(data, "spec")
    kind = ServiceType(text(spec, "type", ServiceType.CLUSTER_IP))
    ingress = items(mapping(data, "status", "loadBalancer"), "ingress")
    return Service(
        meta=meta,
        type=kind,
        cluster_ips=() if kind is ServiceType.EXTERNAL_NAME else _cluster_ips(spec),
        external_ips=tuple(parse_address(address) for address in items(spec, "externalIPs")),
        ingress=tuple(_ingress(entry) for entry in ingress if entry.get("ip")),
        ports=tuple(_port(port) for port in items(spec, "ports")),
        internal_policy=TrafficPolicy(text(spec, "internalTrafficPolicy", TrafficPolicy.CLUSTER)),
        external_policy=TrafficPolicy(text(spec, "externalTrafficPolicy", TrafficPolicy.CLUSTER)),
        affinity_seconds=_affinity_seconds(spec),
        selector=strings(spec, "selector"),
    )


def _cluster_ips(spec: Data) -> tuple[IPAddress, ...]:
    addresses = items(spec, "clusterIPs") or [text(spec, "clusterIP")]
    return tuple(parse_address(address) for address in addresses if address not in ("", HEADLESS))


def _ingress(entry: Data) -> Ingress:
    """An unset ipMode means VIP."""
    return Ingress(address=parse_address(entry["ip"]), proxy=entry.get("ipMode") == "Proxy")


def _port(port: Data) -> ServicePort:
    return ServicePort(
        port=int(port["port"]),
        name=text(port, "name"),
        protocol=Protocol(text(port, "protocol", Protocol.TCP)),
        node_port=int(port.get("nodePort") or 0),
    )


def _affinity_seconds(spec: Data) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    seconds = mapping(spec, "sessionAffinityConfig", "clientIP").get("timeoutSeconds")
    return int(seconds) if seconds is not None else DEFAULT_AFFINITY_SECONDS
