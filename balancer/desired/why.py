"""Why an endpoint of a service is not a backend of a frontend; worked out on demand only."""

from __future__ import annotations

from collections.abc import Iterator

from balancer.desired.answers import PortAnswers
from balancer.desired.compute import port_answers
from balancer.desired.dropped import Dropped, Reason
from balancer.desired.endpoints import Offer, offers_of, port_numbers
from balancer.desired.policy_backends import Supply, all_policies
from balancer.desired.scope import CLUSTER, Scope, local, of_node
from balancer.desired.served import served_services
from balancer.desired.surroundings import Surroundings, look_around
from balancer.desired.types import Frontend, Host, Rules, Source
from balancer.model.cluster import Cluster
from balancer.model.endpoints import Endpoint
from balancer.model.node import Pod


def dropped_endpoints(cluster: Cluster, host: Host, rules: Rules, frontend: Frontend) -> tuple[Dropped, ...]:
    """The endpoints of the frontend's service that are not among its backends, in slice order.

    `frontend` is one that `compute` made from the same arguments. For one of a policy these are the pods
    that the policy selects; fixed addresses give nothing.
    """
    around = look_around(cluster, host, rules)
    if frontend.source is not Source.SERVICE:
        return tuple(_dropped_pods(cluster, around, frontend))
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


def _dropped_pods(cluster: Cluster, around: Surroundings, frontend: Frontend) -> Iterator[Dropped]:
    """A pod without any address has nothing to be shown by, and is not ready either."""
    for policy in all_policies(cluster):
        if str(policy.meta) != frontend.object:
            continue
        supply = Supply(policy, cluster, around)
        for pod in supply.selected:
            reason = supply.fault(pod, frontend.address.version)
            if reason is not None and pod.addresses:
                yield Dropped(endpoint=_endpoint(pod, frontend.address.version), port=None, reason=reason)


def _endpoint(pod: Pod, version: int) -> Endpoint:
    """The pod as a slice would list it, by its address of the family or else its first."""
    address = next((item for item in pod.addresses if item.version == version), pod.addresses[0])
    return Endpoint(
        address=address,
        ready=pod.ready,
        serving=pod.ready,
        terminating=pod.terminating,
        node_name=pod.node_name or None,
        pod=pod.meta.key,
    )


def _reason(endpoint: Endpoint, scope: Scope, *, listed_ready: bool) -> Reason:
    if scope.node is not None and endpoint.node_name != scope.node:
        return Reason.NOT_LOCAL
    if listed_ready:
        return Reason.OTHER_ZONE
    return Reason.TERMINATING if endpoint.terminating else Reason.NOT_READY
