"""Why something is not part of an answer: endpoints left out, other ports, policies without a part, and where
the manifests and the maps disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from balancer.desired import lookup
from balancer.desired.dropped import Dropped
from balancer.desired.priority import chain
from balancer.desired.types import Action, Backend, Frontend, FrontendKind, Rules, Source
from balancer.desired.why import dropped_endpoints
from balancer.explanation import Neighbour, SourceState, Unused
from balancer.model.meta import IPAddress
from balancer.plan.changes import address_port
from balancer.sources import Sources
from balancer.views import ChainLink, LiveFrontend, LivePolicy

_LOCAL_REDIRECT = "LocalRedirectPolicy"
_WHO = {
    SourceState.UNCHANGED: "the manifests of the last pass",
    SourceState.LAST_GOOD: "the manifests of the last pass",
    SourceState.CHANGED: "the manifests as they are on disk now",
}


def unused_of(
    sources: Sources, rules: Rules, shown: LiveFrontend, idle: Sequence[LivePolicy]
) -> tuple[Unused, ...]:
    """The endpoints that the objects behind a frontend have and do not use, and those of `idle` policies.

    What the frontend does send connections to is never listed, whatever the manifests say of it now.
    """
    planned = lookup.find(sources.desired, shown.address, shown.port, shown.protocol)
    if planned is None:
        return ()
    found: list[Unused] = []
    for number, item in enumerate((planned, *chain(planned))):
        used = (shown.backends, shown.fallback)[number] if number < 2 else ()
        found += _unused(sources, rules, item, used)
    for policy in idle:
        source = Source.LOCAL_REDIRECT if policy.kind == _LOCAL_REDIRECT else Source.BALANCING
        found += _unused(sources, rules, replace(planned, object=policy.object, source=source), ())
    return tuple(found)


def _unused(
    sources: Sources, rules: Rules, frontend: Frontend, used: Collection[Backend]
) -> Iterator[Unused]:
    targets = {(item.address, item.port) for item in used}
    addresses = {item.address for item in used}
    for item in dropped_endpoints(sources.cluster, sources.host, rules, frontend):
        address = item.endpoint.address
        if (address, item.port) in targets or (item.port is None and address in addresses):
            continue
        yield _as_unused(item, frontend.object)


def _as_unused(item: Dropped, of: str) -> Unused:
    endpoint = item.endpoint
    return Unused(
        object=of,
        address=endpoint.address,
        port=item.port,
        pod="/".join(endpoint.pod) if endpoint.pod else "",
        node=endpoint.node_name,
        reason=item.reason,
        words=item.words,
        file=str(item.origin),
    )


def as_neighbour(item: LiveFrontend) -> Neighbour:
    """One of the ports that do answer on an address."""
    return Neighbour(
        address=item.address,
        port=item.port,
        protocol=item.protocol,
        kind=item.kind,
        object=item.object,
        port_name=item.port_name,
        action=item.action,
        file=item.file,
    )


def idle_policies(
    policies: Sequence[LivePolicy], address: IPAddress, links: Sequence[ChainLink]
) -> tuple[LivePolicy, ...]:
    """Policies that are for this destination and have no part in the answer.

    A policy on a Service is for its ClusterIPs only.
    """
    named = {link.object for link in links}
    targets = {str(address), *(link.object for link in links if link.kind is FrontendKind.CLUSTER_IP)}
    return tuple(policy for policy in policies if policy.target in targets and policy.object not in named)


def differences(sources: Sources, shown: LiveFrontend | None, planned: Frontend | None) -> Iterator[str]:
    """Where the maps do not hold what the manifests ask for; nothing where these are not known."""
    who = _WHO.get(sources.state)
    if who is None or (shown is None and planned is None):
        return
    if shown is None or planned is None:
        there = f"{planned.object} ({planned.origin})" if planned else ""
        yield f"{who} have {there} here, the maps do not" if there else f"the maps answer here, {who} do not"
        return
    if shown.action is not planned.action:
        yield f"{who} say {planned.action}, the maps say {shown.action}"
    yield from _moved("", who, shown.backends, planned.backends)
    if shown.source is Source.LOCAL_REDIRECT:
        yield from _moved("fallback ", who, shown.fallback, planned.fallback)
    if shown.affinity_seconds != planned.affinity_seconds:
        yield f"{who} say affinity {planned.affinity_seconds} s, the maps {shown.affinity_seconds} s"
    rate = planned.rate if planned.action is Action.FORWARD else 0
    if shown.rate != rate:
        yield f"{who} say a rate of {rate}/s, the maps {shown.rate}/s"


def _moved(what: str, who: str, live: Sequence[Backend], planned: Sequence[Backend]) -> Iterator[str]:
    held = {(item.address, item.port) for item in live}
    wanted = {(item.address, item.port) for item in planned}
    for address, port in sorted(wanted - held, key=str):
        yield f"{what}{address_port(address, port)} is in {who}, not in the maps"
    for address, port in sorted(held - wanted, key=str):
        yield f"{what}{address_port(address, port)} is in the maps, not in {who}"
