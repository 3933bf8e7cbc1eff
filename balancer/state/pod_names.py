"""Which pods there are behind cgroups and behind backends: names for people, and nothing for the maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from socket import inet_ntoa
from typing import NamedTuple

from balancer.desired.types import Backend, Desired
from balancer.model.cluster import Cluster
from balancer.model.edit import Edit
from balancer.model.endpoints import Endpoint, Endpoints, EndpointSlice
from balancer.model.meta import IPAddress
from balancer.model.node import Pod
from balancer.plan.changes import address_port

_IPV4_SIZE = 4

Owner = tuple[str, str]
"""Namespace and name of a service."""


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
    shared = _shared(cluster)
    return {**_by_pod_address(cluster, used - shared), **_by_endpoint(cluster, shared, used)}


def _shared(cluster: Cluster) -> set[bytes]:
    """The addresses of nodes, which pods in their network share."""
    return {entry.address.packed for node in cluster.nodes for entry in node.addresses}


def _by_endpoint(
    cluster: Cluster, shared: Collection[bytes], used: Collection[bytes] | None = None
) -> dict[str, str]:
    """What slices and Endpoints say of the addresses `used`, None for all."""
    names: dict[str, str] = {}
    claims: dict[tuple[IPAddress, int], set[str]] = defaultdict(set)
    for endpoint, ports in _endpoints(cluster):
        packed = endpoint.address.packed
        if endpoint.pod is None or (used is not None and packed not in used):
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
    return names


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
    return {str(address): name for address, name in _of_pods(cluster) if address.packed in used}


def _of_pods(cluster: Cluster) -> Iterator[tuple[IPAddress, str]]:
    """The addresses that are a pod's own, with its name."""
    for pod in cluster.pods:
        if not pod.host_network and not pod.terminating:
            for address in pod.addresses:
                yield address, f"{pod.meta.namespace}/{pod.meta.name}"


class PodsOfServices:
    """The pods behind the endpoints of each service, kept up edit by edit."""

    def __init__(self, cluster: Cluster) -> None:
        self._shared = _shared(cluster)
        self._pods = {address.packed: name for address, name in _of_pods(cluster)}
        self._slices: dict[Owner, dict[str, EndpointSlice]] = defaultdict(dict)
        self._endpoints: dict[Owner, Endpoints] = {item.meta.key: item for item in cluster.endpoints}
        for item in cluster.slices:
            self._slices[item.meta.namespace, item.service_name][item.meta.name] = item

    def follow(self, edit: Edit) -> set[Owner] | None:
        """The services whose endpoints are others now; None for an edit whose names may be anywhere."""
        touched = set()
        for one in edit.before.values():
            if isinstance(one, EndpointSlice):
                owner = (one.meta.namespace, one.service_name)
                self._slices[owner].pop(one.meta.name, None)
                touched.add(owner)
            elif isinstance(one, Endpoints):
                self._endpoints.pop(one.meta.key, None)
                touched.add(one.meta.key)
        for one in edit.after.values():
            if isinstance(one, EndpointSlice):
                owner = (one.meta.namespace, one.service_name)
                self._slices[owner][one.meta.name] = one
                touched.add(owner)
            elif isinstance(one, Endpoints):
                self._endpoints[one.meta.key] = one
                touched.add(one.meta.key)
        pods = any(isinstance(one, Pod) for side in (edit.before, edit.after) for one in side.values())
        return None if pods else touched

    def names(self, owners: Iterable[Owner], backends: Iterable[Backend]) -> dict[str, str]:
        """As `pods_of_backends` for these backends and all endpoints of these services, whether they are backends
        or not.
        """
        known = list(owners)
        part = Cluster(
            slices=tuple(item for owner in known for item in self._slices.get(owner, {}).values()),
            endpoints=tuple(self._endpoints[owner] for owner in known if owner in self._endpoints),
        )
        own = {
            str(item.address): self._pods[item.address.packed]
            for item in backends
            if item.address.packed in self._pods and item.address.packed not in self._shared
        }
        return {**own, **_by_endpoint(part, self._shared)}
