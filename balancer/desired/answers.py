"""One service port in one family: its frontends' answers, each scope worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from balancer.desired.endpoints import Offer, Target, targets_of
from balancer.desired.redirect import Unplaced, to_node_ports
from balancer.desired.scope import Choice, Chooser, Scope
from balancer.desired.served import Served
from balancer.desired.surroundings import Surroundings
from balancer.desired.types import Action, Backend, Frontend, FrontendKind, ServiceRedirect
from balancer.model.meta import IPAddress
from balancer.model.service import ServicePort


class PortAnswers:
    """Makes the frontends of `served.service.ports[index]` for IP family `version` (4 or 6)."""

    def __init__(
        self,
        served: Served,
        index: int,
        version: int,
        *,
        offers: Iterable[Offer],
        around: Surroundings,
        mode: ServiceRedirect,
    ) -> None:
        self.served = served
        self.index = index
        self.version = version
        self.port: ServicePort = served.service.ports[index]
        self.targets = targets_of(offers, self.port, version, around.node_name)
        self._around = around
        self._edge = mode is ServiceRedirect.NODE_PORT
        self._chooser = Chooser(targets=self.targets, around=around)
        self._answers: dict[Scope, tuple[str, Action, tuple[Backend, ...]]] = {}

    def frontend(self, address: IPAddress, number: int, kind: FrontendKind, scope: Scope) -> Frontend:
        """The frontend on `address`:`number`, answered by the endpoints of the scope."""
        answer = self._answers.get(scope)
        if answer is None:
            answer = self._answers[scope] = self._answer(scope)
        group, action, backends = answer
        service = self.served.service
        return Frontend(
            address=address,
            port=number,
            protocol=self.port.protocol,
            kind=kind,
            object=str(service.meta),
            origin=service.meta.origin,
            group=group,
            port_name=self.port.name,
            action=action,
            affinity_seconds=service.affinity_seconds,
            backends=backends,
        )

    def choose(self, scope: Scope) -> Choice:
        """The endpoints that the scope gives, before the edge mode replaces them by their nodes."""
        return self._chooser.choose(scope)

    def place(self, targets: Sequence[Target]) -> tuple[list[Backend], list[Unplaced]]:
        """The backends that stand for the targets, and the targets that nothing can stand for.

        In the edge mode a service without a nodePort has no backends, which refuses connections.
        """
        if not self._edge:
            return _to_endpoints(targets), []
        node_port = self.served.node_port(self.port)
        return to_node_ports(targets, self._around, node_port, self.version) if node_port else ([], [])

    def _answer(self, scope: Scope) -> tuple[str, Action, tuple[Backend, ...]]:
        action, targets = self.choose(scope)
        backends = in_backend_order(self.place(targets)[0])
        if action is Action.FORWARD and not backends:
            action = Action.REFUSE
        return self._group(scope), action, backends

    def _group(self, scope: Scope) -> str:
        meta = self.served.service.meta
        label = f"edge-{scope.label}" if self._edge else scope.label
        return f"{meta.namespace}/{meta.name}:{self.port.name}/{self.port.protocol}/{self.version}/{label}"


def _to_endpoints(targets: Iterable[Target]) -> list[Backend]:
    return [
        Backend(address=target.endpoint.address, port=target.port, node=target.endpoint.node_name)
        for target in targets
    ]


def in_backend_order(backends: list[Backend]) -> tuple[Backend, ...]:
    """By `Backend.order`, each address:port once (two Node objects may share an address)."""
    orders = [backend.order for backend in backends]
    ordered = sorted(set(orders))
    if orders == ordered:  # as the endpoints of most slices stand
        return tuple(backends)
    unique = dict(zip(reversed(orders), reversed(backends), strict=True))
    return tuple([unique[order] for order in ordered])
