"""The entry point: from a cluster, a host and its settings to the whole desired state.

Nothing is remembered between passes, and the order of the input's objects changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from balancer.desired.addresses import address_flags
from balancer.desired.answers import PortAnswers
from balancer.desired.checks import check_nodes, check_placement, check_services
from balancer.desired.conflicts import Claim, settle
from balancer.desired.endpoints import offers_of
from balancer.desired.node_ports import node_port_claims
from balancer.desired.policies import apply_policies
from balancer.desired.scope import CLUSTER, Scope, local
from balancer.desired.served import Served, served_services
from balancer.desired.surroundings import Surroundings, look_around
from balancer.desired.types import (
    Desired,
    Frontend,
    FrontendKind,
    Host,
    Rules,
    ServiceRedirect,
    SkippedPod,
)
from balancer.model.cluster import Cluster
from balancer.model.problem import Origin, Problem
from balancer.model.service import Protocol


def compute(cluster: Cluster, host: Host, rules: Rules) -> Desired:
    """What the maps of `host` should say. Raises nothing: what cannot be served is in `problems`."""
    return compute_around(cluster, look_around(cluster, host, rules), host, rules)


def compute_around(cluster: Cluster, around: Surroundings, host: Host, rules: Rules) -> Desired:
    """`compute` for who knows the surroundings already; `narrow` passes those of a larger cluster."""
    services = served_services(cluster, rules)
    problems = [*check_services(services, around, rules.service_redirect), *check_nodes(around)]
    claims: list[Claim] = []
    for served in services:
        for answers in port_answers(cluster, served, around, rules):
            claims += _claims(answers, around, rules)
            if rules.service_redirect is ServiceRedirect.NODE_PORT:
                problems += check_placement(answers)
    frontends, conflicts = settle(claims)
    ruling = apply_policies(cluster, services, frontends, around, rules)
    return Desired(
        frontends=tuple(sorted(ruling.frontends, key=_frontend_order)),
        addresses=address_flags(services, around, rules, ruling.vips),
        skipped_pods=tuple(skipped_pods(cluster, host)),
        redirect_pods=ruling.redirect_pods,
        policies=ruling.statuses,
        problems=_in_order([*problems, *conflicts, *ruling.problems]),
    )


def port_answers(
    cluster: Cluster, served: Served, around: Surroundings, rules: Rules
) -> Iterator[PortAnswers]:
    """Each port of the service in each of its families; SCTP is not answered."""
    offers = offers_of(cluster, served.service)
    for index, port in enumerate(served.service.ports):
        if port.protocol is Protocol.SCTP:
            continue
        for version in served.versions:
            yield PortAnswers(
                served, index, version, offers=offers, around=around, mode=rules.service_redirect
            )


def _claims(answers: PortAnswers, around: Surroundings, rules: Rules) -> Iterator[Claim]:
    served = answers.served
    internal, external = _scopes(served, around, rules)
    for vip in served.vips:
        if vip.address.version != answers.version:
            continue
        scope = internal if vip.kind is FrontendKind.CLUSTER_IP else external
        yield Claim(
            frontend=answers.frontend(vip.address, answers.port.port, vip.kind, scope),
            service=served.service,
            port_index=answers.index,
            path=vip.path,
        )
    yield from node_port_claims(answers, around, external)


def _scopes(served: Served, around: Surroundings, rules: Rules) -> tuple[Scope, Scope]:
    """The scope of ClusterIPs, and that of every other way to the service from this host.

    internalTrafficPolicy is for ClusterIPs alone. A client on this host short-circuits an external
    policy of Local to all endpoints, as in kube-proxy, unless the setting says otherwise.
    """
    near = local(around)
    if rules.local_policy_applies_to_all_access and (served.internal_local or served.external_local):
        return near, near
    return (near if served.internal_local else CLUSTER), CLUSTER


def skipped_pods(cluster: Cluster, host: Host) -> list[SkippedPod]:
    """The pods of this node that opted out of translation, by namespace and name."""
    found = [
        SkippedPod(
            namespace=pod.meta.namespace, name=pod.meta.name, uid=pod.running_uid, origin=pod.meta.origin
        )
        for pod in cluster.pods
        if pod.skip and pod.node_name == host.node_name and not pod.terminating
    ]
    return sorted(found, key=lambda pod: (pod.namespace, pod.name))


def _frontend_order(frontend: Frontend) -> tuple[int, int, int, str]:
    return frontend.order


def problem_order(problem: Problem) -> tuple[Origin, str, str, str, str]:
    """The order of `Desired.problems`; no two of them share it."""
    return (problem.origin, problem.object, problem.path, problem.message, problem.severity)


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=problem_order))
