"""Why an endpoint of a service is not a backend of a frontend; worked out on demand only."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from balancer.desired.answers import PortAnswers
from balancer.desired.compute import port_answers
from balancer.desired.endpoints import Offer, offers_of, port_numbers
from balancer.desired.scope import CLUSTER, Scope, local, of_node
from balancer.desired.served import served_services
from balancer.desired.surroundings import Surroundings, look_around
from balancer.desired.types import Frontend, Host, Rules, Source
from balancer.model.cluster import Cluster
from balancer.model.endpoints import Endpoint


class Reason(enum.StrEnum):
    """The first test that the endpoint failed."""

    OTHER_FAMILY = "other_family"
    NO_PORT = "no_port"
    NOT_LOCAL = "not_local"
    TERMINATING = "terminating"
    NOT_READY = "not_ready"
    OTHER_ZONE = "other_zone"
    NO_NODE = "no_node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """`port` is the endpoint's own port number, None where it has none for this service port.

    OTHER_ZONE covers node hints as well; NO_NODE is the edge mode's: the endpoint's node has no
    known address.
    """

    endpoint: Endpoint
    port: int | None
    reason: Reason


def dropped_endpoints(cluster: Cluster, host: Host, rules: Rules, frontend: Frontend) -> tuple[Dropped, ...]:
    """The endpoints of the frontend's service that are not among its backends, in slice order.

    `frontend` is one that `compute` made from the same arguments; one of a policy gives nothing.
    """
    if frontend.source is not Source.SERVICE:
        return ()
    around = look_around(cluster, host, rules)
    for served in served_services(cluster, rules):
        if str(served.service.meta) != frontend.object:
            continue
        offers = offers_of(cluster, served.service)
        for answers in port_answers(cluster, served, around, rules):
            if _makes(answers, frontend):
                return tuple(_dropped(answers, offers, _scope_of(frontend, around)))
    return ()


def _makes(answers: PortAnswers, frontend: Frontend) -> bool:
    port = answers.port
    return (port.name, port.protocol, answers.version) == (
        frontend.port_name,
        frontend.protocol,
        frontend.address.version,
    )


def _scope_of(frontend: Frontend, around: Surroundings) -> Scope:
    """Read back from the last part of the group's name."""
    label = frontend.group.rpartition("/")[2].removeprefix("edge-")
    if label == CLUSTER.label:
        return CLUSTER
    near = local(around)
    return near if label == near.label else of_node(label.removeprefix("node:"))


def _dropped(answers: PortAnswers, offers: tuple[Offer, ...], scope: Scope) -> Iterator[Dropped]:
    choice = answers.choose(scope)
    unplaced = {(target.endpoint.address, target.port) for target, _ in answers.place(choice.targets)[1]}
    chosen = {(target.endpoint.address, target.port) for target in choice.targets} - unplaced
    for offer in offers:
        numbers = port_numbers(offer, answers.port)
        for endpoint in (*offer.endpoints, *offer.not_ready):
            if endpoint.address.version != answers.version or answers.version not in offer.versions:
                yield Dropped(endpoint=endpoint, port=None, reason=Reason.OTHER_FAMILY)
            elif not numbers:
                yield Dropped(endpoint=endpoint, port=None, reason=Reason.NO_PORT)
            for number in numbers if endpoint.address.version == answers.version else ():
                key = (endpoint.address, number)
                if key in unplaced:
                    yield Dropped(endpoint=endpoint, port=number, reason=Reason.NO_NODE)
                elif key not in chosen:
                    listed_ready = endpoint.ready and endpoint not in offer.not_ready
                    reason = _reason(endpoint, scope, listed_ready=listed_ready)
                    yield Dropped(endpoint=endpoint, port=number, reason=reason)


def _reason(endpoint: Endpoint, scope: Scope, *, listed_ready: bool) -> Reason:
    if scope.node is not None and endpoint.node_name != scope.node:
        return Reason.NOT_LOCAL
    if listed_ready:
        return Reason.OTHER_ZONE
    return Reason.TERMINATING if endpoint.terminating else Reason.NOT_READY
