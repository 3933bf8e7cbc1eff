"""What became different in the objects of a cluster from one look at the files to the next, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from balancer.model.endpoints import Endpoints, EndpointSlice
from balancer.model.node import Namespace, Node, Pod
from balancer.model.policy import BalancingPolicy, LocalRedirectPolicy
from balancer.model.service import Service

AnyObject = (
    Service | EndpointSlice | Endpoints | Pod | Node | Namespace | LocalRedirectPolicy | BalancingPolicy
)

ObjectKey = tuple[str, str, str]
"""Kind, namespace ("" for a cluster-scoped kind), name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """An object that is new is only in `after`, one that is gone only in `before`, one that was replaced in both.

    Objects that compare equal, the place they were read from included, are in neither.
    """

    before: Mapping[ObjectKey, AnyObject] = field(default_factory=dict)
    after: Mapping[ObjectKey, AnyObject] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.before or self.after)
