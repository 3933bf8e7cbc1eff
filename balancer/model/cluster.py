"""All objects of one pass, with the look-ups that the next stage needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from balancer.model.endpoints import Endpoints, EndpointSlice
from balancer.model.node import Namespace, Node, Pod
from balancer.model.policy import BalancingPolicy, LocalRedirectPolicy
from balancer.model.service import Service


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Every tuple is sorted by (namespace, name) and holds each name once. Order of files is gone."""

    services: tuple[Service, ...] = ()
    slices: tuple[EndpointSlice, ...] = ()
    endpoints: tuple[Endpoints, ...] = ()
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    local_redirects: tuple[LocalRedirectPolicy, ...] = ()
    balancings: tuple[BalancingPolicy, ...] = ()

    @cached_property
    def slices_of(self) -> Mapping[tuple[str, str], tuple[EndpointSlice, ...]]:
        """Slices by (namespace, service name)."""
        found: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
        for item in self.slices:
            if item.service_name:
                found[item.meta.namespace, item.service_name].append(item)
        return {key: tuple(value) for key, value in found.items()}

    @cached_property
    def endpoints_of(self) -> Mapping[tuple[str, str], Endpoints]:
        """Endpoints objects by (namespace, name)."""
        return {item.meta.key: item for item in self.endpoints}

    @cached_property
    def node_named(self) -> Mapping[str, Node]:
        return {item.meta.name: item for item in self.nodes}
