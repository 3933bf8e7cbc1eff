"""From EndpointSlices or Endpoints to the endpoints of one service port, and which are usable.

Never resolves a targetPort: the port number of the slice is the only truth, since pods of one
service may give one port name different numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from balancer.desired.served import ignored_by_label
from balancer.model.cluster import Cluster
from balancer.model.endpoints import AddressType, Endpoint, EndpointPort, EndpointSlice
from balancer.model.problem import Origin
from balancer.model.service import Service, ServicePort

_VERSION = {AddressType.IPV4: 4, AddressType.IPV6: 6}


class Target(NamedTuple):
    """An endpoint and the port number under which it serves one service port."""

    endpoint: Endpoint
    port: int


class Offer(NamedTuple):
    """One slice or subset: all its endpoints serve all its ports. `versions` are the families it may hold.

    `not_ready` are the notReadyAddresses of a subset: never targets, kept for explanations, as is `origin`.
    """

    versions: tuple[int, ...]
    ports: tuple[EndpointPort, ...]
    endpoints: tuple[Endpoint, ...]
    origin: Origin
    not_ready: tuple[Endpoint, ...] = ()


def offers_of(cluster: Cluster, service: Service) -> tuple[Offer, ...]:
    """The service's slices by name; without a slice, the ready addresses of its Endpoints object.

    Slices that another proxy serves, headless ones and FQDN slices are not seen by kube-proxy, so
    they count as absent here too.
    """
    slices = [item for item in cluster.slices_of.get(service.meta.key, ()) if _seen(item)]
    if slices:
        if len(slices) > 1:
            slices.sort(key=lambda item: item.meta.name)
        return tuple(
            Offer((_VERSION[item.address_type],), item.ports, item.endpoints, item.meta.origin)
            for item in slices
        )
    legacy = cluster.endpoints_of.get(service.meta.key)
    if legacy is None or ignored_by_label(legacy.meta):
        return ()
    origin = legacy.meta.origin
    return tuple(
        Offer((4, 6), subset.ports, subset.endpoints, origin, subset.not_ready) for subset in legacy.subsets
    )


def _seen(item: EndpointSlice) -> bool:
    return item.address_type in _VERSION and not ignored_by_label(item.meta)


def port_numbers(offer: Offer, port: ServicePort) -> tuple[int, ...]:
    """The offer's numbers for a service port: the same name and protocol, and a number at all."""
    return tuple(
        item.port
        for item in offer.ports
        if item.port and item.name == port.name and item.protocol is port.protocol
    )


def targets_of(
    offers: Iterable[Offer], port: ServicePort, version: int, node_name: str
) -> tuple[Target, ...]:
    """The endpoints of one service port in one family, each address:port once.

    Of repeats the one on this node counts, otherwise the first by slice name: kube-proxy prefers
    the local one and leaves the rest open.
    """
    # By number and port: within one family, and addresses take several times as long to look up.
    found: dict[tuple[int, int], Target] = {}
    for offer in offers:
        if version not in offer.versions:
            continue
        for number in port_numbers(offer, port):
            for endpoint in offer.endpoints:
                address = endpoint.address
                if address.version != version:
                    continue
                target = Target(endpoint, number)
                key = (int(address), number)
                held = found.setdefault(key, target)
                if held is not target and endpoint.node_name == node_name != held.endpoint.node_name:
                    found[key] = target
    return tuple(found.values())


def ready(targets: Iterable[Target]) -> list[Target]:
    return [target for target in targets if target.endpoint.ready]


def last_resort(targets: Iterable[Target]) -> list[Target]:
    """Endpoints that shut down but still answer (KEP-1669), used only when no other is ready."""
    return [target for target in targets if target.endpoint.serving and target.endpoint.terminating]


def usable(targets: Sequence[Target]) -> list[Target]:
    """The ready ones; without any, those that are terminating and still serving."""
    return ready(targets) or last_resort(targets)
