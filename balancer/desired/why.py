"""Why an endpoint of a service is not a backend of a frontend; worked out on demand only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from balancer.desired.answers import PortAnswers
from balancer.desired.compute import port_answers
from balancer.desired.dropped import Dropped, Reason
from balancer.desired.endpoints import Offer, offers_of, port_numbers, ready
from balancer.desired.policy_backends import Supply, all_policies
from balancer.desired.scope import CLUSTER, Scope, local, of_node
from balancer.desired.served import served_services
from balancer.desired.surroundings import Surroundings, look_around
from balancer.desired.types import Frontend, FrontendKind, Host, Rules, Source
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
                return tuple(_dropped(_Words(frontend, answers, around), offers))
    return ()


def _makes(answers: PortAnswers, frontend: Frontend) -> bool:
    port = answers.port
    return (port.name, port.protocol, answers.version) == (
        frontend.port_name,
        frontend.protocol,
        frontend.address.version,
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """Reasons in full for one frontend of a service."""

    frontend: Frontend
    answers: PortAnswers
    around: Surroundings

    @property
    def scope(self) -> Scope:
        """Read back from the last part of the group's name."""
        label = self.frontend.group.rpartition("/")[2].removeprefix("edge-")
        if label == CLUSTER.label:
            return CLUSTER
        near = local(self.around)
        return near if label == near.label else of_node(label.removeprefix("node:"))

    def drop(self, offer: Offer, endpoint: Endpoint, port: int | None, reason: Reason) -> Dropped:
        words = self._words(endpoint, reason)
        return Dropped(endpoint=endpoint, port=port, reason=reason, words=words, origin=offer.origin)

    def _words(self, endpoint: Endpoint, reason: Reason) -> str:
        version, port = self.answers.version, self.answers.port
        match reason:
            case Reason.OTHER_FAMILY:
                return f"an IPv{endpoint.address.version} address, and this is an IPv{version} destination"
            case Reason.NO_PORT:
                named = f"named {port.name!r}" if port.name else "without a name"
                return f"it has no {port.protocol} port {named}"
            case Reason.NOT_LOCAL:
                return (
                    f"{_on(endpoint.node_name)}, and {self._policy()} takes those of {self.scope.node} only"
                )
            case Reason.OTHER_ZONE:
                return self._hints(endpoint)
            case Reason.NO_NODE:
                return f"{_on(endpoint.node_name)}, which has no IPv{version} address to send to"
            case Reason.NO_NODE_PORT:
                return "connections go to node ports here, and the service has none"
            case _:
                return _condition(endpoint, reason)

    def _policy(self) -> str:
        """The traffic policy that makes the scope a single node."""
        service = self.answers.served
        if self.frontend.kind is FrontendKind.CLUSTER_IP:
            return "internalTrafficPolicy Local" if service.internal_local else "externalTrafficPolicy Local"
        return "externalTrafficPolicy Local" if service.external_local else "internalTrafficPolicy Local"

    def _hints(self, endpoint: Endpoint) -> str:
        """KEP-3015: node hints count before zone hints, if every ready endpoint has them and one is for us."""
        healthy = [target.endpoint.hint_nodes for target in ready(self.answers.targets)]
        if all(healthy) and any(self.around.node_name in nodes for nodes in healthy):
            return f"its hints are for node {', '.join(endpoint.hint_nodes)}, this is {self.around.node_name}"
        return f"its hints are for zone {', '.join(endpoint.hint_zones)}, this node is in {self.around.zone}"


def _on(node: str | None) -> str:
    return f"on node {node}" if node else "on an unknown node"


def _condition(endpoint: Endpoint, reason: Reason) -> str:
    if reason is Reason.NOT_READY:
        return "not ready"
    return "terminating, and others are ready" if endpoint.serving else "terminating, and serving no more"


def _dropped(words: _Words, offers: tuple[Offer, ...]) -> Iterator[Dropped]:
    answers, scope = words.answers, words.scope
    choice = answers.choose(scope)
    backends, left = answers.place(choice.targets)
    selected = {(target.endpoint.address, target.port) for target in choice.targets}
    unplaced = {(target.endpoint.address, target.port) for target, _ in left}
    chosen = selected - unplaced if backends else set()
    for offer in offers:
        numbers = port_numbers(offer, answers.port)
        for endpoint in (*offer.endpoints, *offer.not_ready):
            if endpoint.address.version != answers.version or answers.version not in offer.versions:
                yield words.drop(offer, endpoint, None, Reason.OTHER_FAMILY)
            elif not numbers:
                yield words.drop(offer, endpoint, None, Reason.NO_PORT)
            for number in numbers if endpoint.address.version == answers.version else ():
                key = (endpoint.address, number)
                if key in selected - chosen:
                    reason = Reason.NO_NODE if key in unplaced else Reason.NO_NODE_PORT
                    yield words.drop(offer, endpoint, number, reason)
                elif key not in chosen:
                    listed_ready = endpoint.ready and endpoint not in offer.not_ready
                    yield words.drop(offer, endpoint, number, _reason(endpoint, scope, listed_ready))


def _dropped_pods(cluster: Cluster, around: Surroundings, frontend: Frontend) -> Iterator[Dropped]:
    """A pod without any address has nothing to be shown by, and is not ready either."""
    version = frontend.address.version
    for policy in all_policies(cluster):
        if str(policy.meta) != frontend.object:
            continue
        supply = Supply(policy, cluster, around)
        for pod in supply.selected:
            reason = supply.fault(pod, version)
            if reason is not None and pod.addresses:
                endpoint = _endpoint(pod, version)
                words = _pod_words(endpoint, reason, around, version)
                yield Dropped(
                    endpoint=endpoint, port=None, reason=reason, words=words, origin=pod.meta.origin
                )


def _pod_words(endpoint: Endpoint, reason: Reason, around: Surroundings, version: int) -> str:
    match reason:
        case Reason.NOT_LOCAL:
            return f"{_on(endpoint.node_name)}, and a local redirect takes pods of {around.node_name} only"
        case Reason.TERMINATING:
            return "terminating"
        case Reason.OTHER_FAMILY:
            return f"it has no IPv{version} address"
        case Reason.NO_NODE:
            return f"{_on(endpoint.node_name)}, which has no IPv{version} address to send to"
        case _:
            return "not ready"


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


def _reason(endpoint: Endpoint, scope: Scope, listed_ready: bool) -> Reason:
    if scope.node is not None and endpoint.node_name != scope.node:
        return Reason.NOT_LOCAL
    if listed_ready:
        return Reason.OTHER_ZONE
    return Reason.TERMINATING if endpoint.terminating else Reason.NOT_READY
