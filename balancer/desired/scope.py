"""Which endpoints of a service port a destination reaches: all of them, or those of one node.

The scope is what the traffic policies boil down to; it is part of the group's name, so that two
frontends with different scopes never share client affinity.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from balancer.desired.endpoints import Target, last_resort, ready, usable
from balancer.desired.surroundings import Surroundings
from balancer.desired.topology import by_hints
from balancer.desired.types import Action


class Scope(NamedTuple):
    """`node` None means the whole cluster; `label` is how the group's name shows the scope."""

    node: str | None
    label: str


CLUSTER = Scope(None, "cluster")


def local(around: Surroundings) -> Scope:
    return Scope(around.node_name, "local")


def of_node(name: str) -> Scope:
    """The endpoints that a node with externalTrafficPolicy Local would use for its own node port."""
    return Scope(name, f"node:{name}")


class Choice(NamedTuple):
    """FORWARD with at least one target, or another action with none."""

    action: Action
    targets: tuple[Target, ...]


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """The endpoints of one service port in one family, ready to be asked for any scope."""

    targets: tuple[Target, ...]
    around: Surroundings

    @cached_property
    def _by_node(self) -> Mapping[str | None, list[Target]]:
        found: dict[str | None, list[Target]] = defaultdict(list)
        for target in self.targets:
            found[target.endpoint.node_name].append(target)
        return found

    @cached_property
    def _any_usable(self) -> bool:
        return bool(usable(self.targets))

    def choose(self, scope: Scope) -> Choice:
        """No usable endpoint at all refuses; usable ones, but none in a Local scope, is unreachable.

        Readiness is judged within the scope: a node whose only endpoint is terminating keeps it
        although other nodes have ready ones (KEP-1669).
        """
        found = self._whole() if scope.node is None else usable(self._by_node.get(scope.node, ()))
        if found:
            return Choice(Action.FORWARD, tuple(found))
        return Choice(Action.UNREACHABLE if self._any_usable else Action.REFUSE, ())

    def _whole(self) -> list[Target]:
        """Hints narrow the ready endpoints only; the last resort ignores them, as in kube-proxy."""
        healthy = ready(self.targets)
        if healthy:
            return by_hints(healthy, self.around.node_name, self.around.zone)
        return last_resort(self.targets)
