"""Which pods there are behind cgroups and behind backends: names for people, and nothing for the maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from socket import inet_ntoa
from typing import NamedTuple

from balancer.desired.types import Desired
from balancer.model.cluster import Cluster
from balancer.model.endpoints import Endpoint
from balancer.model.meta import IPAddress
from balancer.plan.changes import address_port

_IPV4_SIZE = 4


class PodName(NamedTuple):
    """A pod of this node. `containers` are names by container id."""

    namespace: str
    name: str
    containers: Mapping[str, str]


def pods_of_node(cluster: Cluster, node: str) -> dict[str, PodName]:
    """The pods of one node by the UID that the kubelet runs them under; those without a UID are left out."""
    return {
        pod.running_uid: PodName(pod.meta.namespace, pod.meta.name, dict(pod.containers))
        for pod in cluster.pods
        if pod.node_name == node and pod.running_uid
    }


def pods_of_backends(cluster: Cluster, desired: Desired) -> dict[str, str]:
    """The pod ("namespace/name") behind each backend, by address.

    What a slice's targetRef says comes first, then the address of a Pod. Pods in their node's network have
    its address: they are told apart by "address:port", and only where a slice names one for that port.
    """
    # As bytes: there may be 100,000, and an address object takes several times as long to look up.
    used = {
        backend.address.packed
        for item in desired.frontends
        for backends in (item.backends, item.fallback)
        for backend in backends
    }
    shared = {entry.address.packed for node in cluster.nodes for entry in node.addresses}
    names: dict[str, str] = {}
    claims: dict[tuple[IPAddress, int], set[str]] = defaultdict(set)
    for endpoint, ports in _endpoints(cluster):
        if endpoint.pod is None or (packed := endpoint.address.packed) not in used:
            continue
        name = "/".join(endpoint.pod)
        if packed not in shared:
            names[inet_ntoa(packed) if len(packed) == _IPV4_SIZE else str(endpoint.address)] = name
        else:
            for port in ports:
                claims[endpoint.address, port].add(name)
    for (address, port), found in claims.items():
        if len(found) == 1:
            names[address_port(address, port)] = found.pop()
    return {**_by_pod_address(cluster, used - shared), **names}


def _endpoints(cluster: Cluster) -> Iterator[tuple[Endpoint, Collection[int]]]:
    """Every endpoint that may be a backend, with the ports of its slice or subset."""
    for item in cluster.slices:
        ports = {port.port for port in item.ports if port.port is not None}
        for endpoint in item.endpoints:
            yield endpoint, ports
    for group in cluster.endpoints:
        for subset in group.subsets:
            ports = {port.port for port in subset.ports if port.port is not None}
            for endpoint in subset.endpoints:
                yield endpoint, ports


def _by_pod_address(cluster: Cluster, used: Collection[bytes]) -> dict[str, str]:
    return {
        str(address): f"{pod.meta.namespace}/{pod.meta.name}"
        for pod in cluster.pods
        if not pod.host_network and not pod.terminating
        for address in pod.addresses
        if address.packed in used
    }
