"""Keeping traffic near by the hints that the EndpointSlice controller writes (KEP-2433, KEP-3015).

Only hints count; no annotation or trafficDistribution field is looked at, since the controller has
already turned those into hints.
"""

from __future__ import annotations

from collections.abc import Sequence

from balancer.desired.endpoints import Target


def by_hints(targets: Sequence[Target], node_name: str, zone: str) -> list[Target]:
    """The ready `targets` that the hints give to this node.

    Node hints count if every endpoint has them and one names this node, otherwise zone hints by
    the same test; otherwise all endpoints are used. `zone` "" means that the zone is not known.
    """
    if all(target.endpoint.hint_nodes for target in targets):
        near = [target for target in targets if node_name in target.endpoint.hint_nodes]
        if near:
            return near
    if zone and all(target.endpoint.hint_zones for target in targets):
        near = [target for target in targets if zone in target.endpoint.hint_zones]
        if near:
            return near
    return list(targets)
