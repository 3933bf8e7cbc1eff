"""Cutting a part out of a cluster without looking at all of it, before an edit and after it.

Keeps the objects by what asks for them. Which services a part must have to mean something on its own is not
decided here but in `ties`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from balancer.desired.policy_backends import all_policies, source_of
from balancer.desired.surroundings import Surroundings
from balancer.desired.ties import POLICIES, Member, addresses_named
from balancer.model.cluster import Cluster
from balancer.model.edit import Edit
from balancer.model.endpoints import Endpoints, EndpointSlice
from balancer.model.node import Pod
from balancer.model.policy import AddressFrontend, PodBackends, Policy
from balancer.model.service import Service


class Holdings:
    """The objects of one cluster, and of the next after `follow`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.services = {service.meta.key: service for service in cluster.services}
        self._slices = dict(cluster.slices_of)
        self._endpoints = dict(cluster.endpoints_of)
        self._chosen = chosen_pods(cluster.pods, cluster)

    def follow(self, edit: Edit, cluster: Cluster) -> None:
        """`cluster` is the one that the edit leads to."""
        for one in edit.before.values():
            if isinstance(one, Service):
                self.services.pop(one.meta.key, None)
            elif isinstance(one, EndpointSlice):
                self._drop_slice(one)
            elif isinstance(one, Endpoints):
                self._endpoints.pop(one.meta.key, None)
            elif isinstance(one, Pod):
                self._chosen.pop(one.meta.key, None)
        for one in edit.after.values():
            if isinstance(one, Service):
                self.services[one.meta.key] = one
            elif isinstance(one, EndpointSlice):
                self._add_slice(one)
            elif isinstance(one, Endpoints):
                self._endpoints[one.meta.key] = one
        if any(isinstance(one, Policy) for one in (*edit.before.values(), *edit.after.values())):
            self._chosen = chosen_pods(cluster.pods, cluster)
        else:
            self._chosen |= chosen_pods((one for one in edit.after.values() if isinstance(one, Pod)), cluster)
        self._cluster = cluster

    def is_chosen(self, pod: Pod) -> bool:
        return pod.meta.key in self._chosen

    def part(self, members: Collection[Member]) -> Cluster:
        """The members with what belongs to them, and all nodes and namespaces. With the policies come the pods
        that one of them selects: policies see no other one.
        """
        whole = self._cluster
        keys = sorted(member for member in members if member != POLICIES)
        services = tuple(self.services[key] for key in keys if key in self.services)
        slices = [item for key in keys for item in self._slices.get(key, ())]
        return Cluster(
            services=services,
            slices=tuple(sorted(slices, key=lambda item: item.meta.key)),
            endpoints=tuple(self._endpoints[key] for key in keys if key in self._endpoints),
            nodes=whole.nodes,
            pods=tuple(self._chosen.values()) if POLICIES in members else (),
            namespaces=whole.namespaces,
            local_redirects=whole.local_redirects if POLICIES in members else (),
            balancings=whole.balancings if POLICIES in members else (),
        )

    def _drop_slice(self, item: EndpointSlice) -> None:
        owner = (item.meta.namespace, item.service_name)
        left = tuple(one for one in self._slices.pop(owner, ()) if one.meta.name != item.meta.name)
        if left:
            self._slices[owner] = left

    def _add_slice(self, item: EndpointSlice) -> None:
        if item.service_name:
            owner = (item.meta.namespace, item.service_name)
            self._slices[owner] = (*self._slices.get(owner, ()), item)


def around_parts(around: Surroundings, *parts: Cluster) -> Surroundings:
    """The surroundings as far as the addresses go that the parts name.

    Of the addresses of machines `compute` asks only whether these are among them, but for the flags that each has
    at the gate and the problems of nodes, which no service changes.
    """
    named = {address for part in parts for service in part.services for address in addresses_named(service)}
    for part in parts:
        fronts = (policy.frontend for policy in all_policies(part))
        named.update(front.address for front in fronts if isinstance(front, AddressFrontend))
    return replace(
        around,
        own=around.own & named,
        node_of={address: around.node_of[address] for address in named if address in around.node_of},
        shared=(),
    )


def chosen_pods(pods: Iterable[Pod], cluster: Cluster) -> dict[tuple[str, str], Pod]:
    """Those of `pods` that the selector of some policy of the cluster accepts."""
    sources = [source_of(policy) for policy in all_policies(cluster)]
    selectors = [source.selector for source in sources if isinstance(source, PodBackends)]
    if not selectors:
        return {}
    return {
        pod.meta.key: pod for pod in pods if any(selector.accepts(pod.meta.labels) for selector in selectors)
    }
