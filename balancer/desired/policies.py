"""Where policies change what services alone would give: the entry to everything about them.

Runs after the services have settled their conflicts. A policy that takes no part on this host leaves
nothing behind but its status and its problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from balancer.desired.conflicts import Key
from balancer.desired.policy_backends import Supply, all_policies
from balancer.desired.policy_checks import check_effects, check_policies
from balancer.desired.policy_standing import (
    Destination,
    Ground,
    Standing,
    address_owners,
    conflict_problem,
    stand,
)
from balancer.desired.policy_status import status_of
from balancer.desired.priority import stack
from balancer.desired.served import Served
from balancer.desired.surroundings import Surroundings
from balancer.desired.types import (
    Action,
    Frontend,
    FrontendKind,
    PolicyStatus,
    RedirectPod,
    Rules,
    Source,
)
from balancer.model.cluster import Cluster
from balancer.model.meta import IPAddress
from balancer.model.node import Pod
from balancer.model.policy import AddressFrontend, LocalRedirectPolicy, Policy
from balancer.model.problem import Problem


class Ruling(NamedTuple):
    """What is left to do of `compute`: the frontends after policies, and the addresses of their own."""

    frontends: Iterable[Frontend]
    vips: frozenset[IPAddress] = frozenset()
    redirect_pods: tuple[RedirectPod, ...] = ()
    statuses: tuple[PolicyStatus, ...] = ()
    problems: tuple[Problem, ...] = ()


def apply_policies(
    cluster: Cluster,
    services: Sequence[Served],
    frontends: Sequence[Frontend],
    around: Surroundings,
    rules: Rules,
) -> Ruling:
    """The frontends with every policy in force. `frontends` are those of the services alone."""
    policies = all_policies(cluster)
    if not policies:
        return Ruling(frontends)
    ground = Ground(
        around=around,
        served={served.service.meta.key: served for served in services},
        frontends={(item.address, item.port, item.protocol): item for item in frontends},
        owners=address_owners(cluster, policies),
    )
    supplies = {str(item.meta): Supply(item, cluster, around) for item in policies if item.enabled}
    balancings, clashes = stand(cluster.balancings, ground)
    redirects, more_clashes = stand(cluster.local_redirects, ground)
    standings = [*balancings, *redirects]
    final = stack(ground.frontends, _offers(standings, supplies, rules))
    problems = [
        *check_policies(policies, cluster, ground, supplies),
        *map(conflict_problem, [*clashes, *more_clashes]),
        *check_effects(balancings, redirects, supplies),
    ]
    return Ruling(
        frontends=final.values(),
        vips=frozenset(_own_addresses(standings)),
        redirect_pods=tuple(_redirect_pods(final, redirects, supplies)),
        statuses=tuple(
            sorted(
                (status_of(standing, final) for standing in standings),
                key=lambda status: (status.kind, status.name),
            )
        ),
        problems=tuple(problems),
    )


def _offers(
    standings: Iterable[Standing], supplies: Mapping[str, Supply], rules: Rules
) -> Iterator[Frontend]:
    for standing in standings:
        for destination in standing.destinations:
            yield _offer(standing.policy, destination, supplies[str(standing.policy.meta)], rules)


def _offer(policy: Policy, destination: Destination, supply: Supply, rules: Rules) -> Frontend:
    """What the policy would answer; it refuses without backends.

    The group is named after the policy and not the service, so that the client affinity of one never
    counts for the other.
    """
    (port, protocol, name, to), version = destination.pair, destination.address.version
    backends = supply.backends(to, version)
    redirect, own = isinstance(policy, LocalRedirectPolicy), isinstance(policy.frontend, AddressFrontend)
    return Frontend(
        address=destination.address,
        port=port,
        protocol=protocol,
        kind=FrontendKind.VIP if own else FrontendKind.CLUSTER_IP,
        object=str(policy.meta),
        origin=policy.meta.origin,
        group=f"{policy.meta}:{port}/{protocol}/{version}/{supply.label}",
        port_name=name,
        source=Source.LOCAL_REDIRECT if redirect else Source.BALANCING,
        action=Action.FORWARD if backends else Action.REFUSE,
        affinity_seconds=destination.affinity_seconds,
        backends=backends,
        rate=_rate(policy, rules) if backends else 0,
    )


def _rate(policy: Policy, rules: Rules) -> int:
    """Connections per second and frontend; a policy's own limit, 0 too, goes before the setting."""
    if not isinstance(policy, LocalRedirectPolicy):
        return 0
    return rules.redirect_qos_limit if policy.rate is None else policy.rate


def _own_addresses(standings: Iterable[Standing]) -> Iterator[IPAddress]:
    """The gate knows them while the policy takes part, whether or not it has backends."""
    for standing in standings:
        if standing.destinations and isinstance(standing.policy.frontend, AddressFrontend):
            yield standing.policy.frontend.address


def _redirect_pods(
    final: Mapping[Key, Frontend], redirects: Iterable[Standing], supplies: Mapping[str, Supply]
) -> Iterator[RedirectPod]:
    """The pods of this node behind local redirects in force, by namespace and name."""
    groups: dict[tuple[str, str], set[str]] = {}
    pods: dict[tuple[str, str], Pod] = {}
    for standing in redirects:
        for destination in standing.destinations:
            frontend = final[destination.key]
            if frontend.object != str(standing.policy.meta):
                continue
            for pod, _ in supplies[frontend.object].usable(destination.address.version):
                pods[pod.meta.key] = pod
                groups.setdefault(pod.meta.key, set()).add(frontend.group)
    for key in sorted(pods):
        meta = pods[key].meta
        yield RedirectPod(
            namespace=meta.namespace,
            name=meta.name,
            uid=pods[key].running_uid,
            origin=meta.origin,
            groups=tuple(sorted(groups[key])),
        )
