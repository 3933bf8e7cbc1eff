"""Validated Node, Pod and Namespace data to the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from balancer.manifests.fields import items, mapping, text
from balancer.manifests.formats import parse_address
from balancer.model.meta import IPAddress, Meta
from balancer.model.node import Namespace, Node, NodeAddress, NodeAddressType, Pod

Data = Mapping[str, Any]
_ADDRESS_TYPES = frozenset(NodeAddressType)
_FINISHED = ("Succeeded", "Failed")
_CONTAINER_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def decode_node(meta: Meta, data: Data) -> Node:
    """The node with those of its addresses that are IP addresses."""
    addresses = items(mapping(data, "status"), "addresses")
    return Node(
        meta=meta,
        addresses=tuple(
            NodeAddress(type=NodeAddressType(entry["type"]), address=parse_address(entry["address"]))
            for entry in addresses
            if entry["type"] in _ADDRESS_TYPES
        ),
    )


def decode_pod(meta: Meta, data: Data) -> Pod:
    """The pod; one that has finished, or is being deleted, is terminating."""
    spec, status = mapping(data, "spec"), mapping(data, "status")
    deleted = bool(mapping(data, "metadata").get("deletionTimestamp"))
    return Pod(
        meta=meta,
        node_name=text(spec, "nodeName"),
        addresses=_pod_addresses(status),
        ready=any(
            entry["type"] == "Ready" and entry["status"] == "True" for entry in items(status, "conditions")
        ),
        terminating=deleted or text(status, "phase") in _FINISHED,
        host_network=bool(spec.get("hostNetwork")),
        containers=tuple(_containers(status)),
    )


def decode_namespace(meta: Meta, data: Data) -> Namespace:
    """Only the metadata of a namespace matters."""
    return Namespace(meta=meta)


def _containers(status: Data) -> Iterator[tuple[str, str]]:
    """Kubernetes: ContainerStatus - containerID is "<type>://<container_id>", unset until it has started."""
    for key in _CONTAINER_STATUSES:
        for entry in items(status, key):
            identity = text(entry, "containerID").rpartition("://")[2]
            if identity:
                yield identity, entry["name"]


def _pod_addresses(status: Data) -> tuple[IPAddress, ...]:
    several = [entry["ip"] for entry in items(status, "podIPs")] or [text(status, "podIP")]
    return tuple(parse_address(address) for address in several if address)
