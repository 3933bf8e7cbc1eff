"""What one destination gets, and the objects that say so: from the live maps, or from files alone.

Both answers come from the same pure look-up. Nothing here writes, and what the state file says only
gives names to what the maps hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from balancer import state
from balancer.config import Settings
from balancer.desired import lookup
from balancer.desired.priority import chain
from balancer.desired.types import Action, AddressFlags, Backend, Desired, Frontend, FrontendKind, Source
from balancer.kernel import host
from balancer.live import Snapshot, file_policies, frontends_of, snapshot_of
from balancer.model.meta import IPAddress
from balancer.model.problem import Origin
from balancer.model.service import Protocol
from balancer.plan.changes import destination
from balancer.plan.entries import ACTION_OF, Setting, address_of, frontend_key
from balancer.views import ChainLink, Explanation, LiveFrontend, LivePolicy, Loaded, Outcome, Use


def live_resolve(settings: Settings, address: IPAddress, port: int, protocol: Protocol) -> Explanation:
    """What a connection from this process's network namespace gets, by the live maps."""
    with snapshot_of(settings) as snapshot:
        live = {(item.address, item.port, item.protocol): item for item in frontends_of(snapshot)}
        at_home = snapshot.setting(Setting.HOST_NETNS) == host.netns_cookie()
        desired = _as_desired(snapshot, live)
        answer = lookup.resolve(desired, address, port, protocol, in_host_netns=at_home)
        found = answer.frontend
        decides = live[found.address, found.port, found.protocol] if found else None
        links = _live_chain(snapshot, decides) if decides else ()
        warning = (snapshot.warning,) if snapshot.warning else ()
        return Explanation(
            address=address,
            port=port,
            protocol=protocol,
            outcome=Outcome(answer.outcome),
            reason=answer.reason,
            frontend=decides,
            chain=links,
            source_files=(decides.file,) if decides and decides.file else (),
            notes=(*warning, *_bystanders(snapshot.names.policies, address, links)),
        )


def _as_desired(snapshot: Snapshot, live: Mapping[tuple[IPAddress, int, Protocol], LiveFrontend]) -> Desired:
    """The live maps in the form that the pure look-up takes; an origin's file holds "file:line".

    What is beneath a frontend is there for its name alone, without backends.
    """
    frontends = [
        Frontend(
            address=item.address,
            port=item.port,
            protocol=item.protocol,
            kind=item.kind or FrontendKind.VIP,
            object=item.object or "an unknown object",
            origin=Origin(file=item.file, line=0),
            group="",
            port_name=item.port_name,
            source=item.source or Source.SERVICE,
            action=item.action,
            affinity_seconds=item.affinity_seconds,
            backends=item.backends,
            beneath=_named(item, _label_beneath(snapshot, item)),
            rate=item.rate,
        )
        for item in live.values()
    ]
    addresses = {address_of(raw): AddressFlags(flags) for raw, flags in snapshot.actual.addresses.items()}
    return Desired(frontends=tuple(sorted(frontends, key=lambda item: item.order)), addresses=addresses)


def _label_beneath(snapshot: Snapshot, item: LiveFrontend) -> state.Label | None:
    label = snapshot.names.labels.get(destination(item.address, item.port, item.protocol))
    return label.beneath if label else None


def _named(top: LiveFrontend, label: state.Label | None) -> Frontend | None:
    if label is None:
        return None
    return Frontend(
        address=top.address,
        port=top.port,
        protocol=top.protocol,
        kind=label.kind,
        object=label.object,
        origin=Origin(file=label.file, line=0),
        group=label.group,
        port_name=label.port_name,
        source=label.source,
        action=label.action,
        beneath=_named(top, label.beneath),
    )


def _live_chain(snapshot: Snapshot, top: LiveFrontend) -> tuple[ChainLink, ...]:
    """Names and order from the state file; actions and backends from the maps, which know two priorities."""
    links = [
        ChainLink(
            use=Use.USED,
            source=top.source,
            kind=top.kind,
            object=top.object,
            port_name=top.port_name,
            file=top.file,
            action=top.action,
            backends=top.backends,
        )
    ]
    beneath = _label_beneath(snapshot, top)
    if beneath or top.fallback:
        entry = snapshot.actual.frontends[frontend_key(top.address, top.port, top.protocol)]
        action = ACTION_OF[entry.fallback_action]
        links.append(_labelled(beneath, _next_use(top.source), action, top.fallback))
    while beneath and (beneath := beneath.beneath):
        links.append(_labelled(beneath, Use.UNUSED, beneath.action, None))
    return tuple(links)


def _labelled(
    label: state.Label | None, use: Use, action: Action, backends: tuple[Backend, ...] | None
) -> ChainLink:
    return ChainLink(
        use=use,
        source=label.source if label else None,
        kind=label.kind if label else None,
        object=label.object if label else "",
        port_name=label.port_name if label else "",
        file=label.file if label else "",
        action=action,
        backends=backends,
    )


def _next_use(top: Source | None) -> Use:
    """Of the priority right below `top`: only a local redirect ever falls back while it is in force."""
    return Use.FALLBACK if top is Source.LOCAL_REDIRECT else Use.UNUSED


def _bystanders(
    policies: Iterable[LivePolicy], address: IPAddress, links: Sequence[ChainLink]
) -> tuple[str, ...]:
    """Why policies that are for this destination have no part in the answer.

    A policy on a Service is for its ClusterIPs only.
    """
    named = {link.object for link in links}
    targets = {str(address), *(link.object for link in links if link.kind is FrontendKind.CLUSTER_IP)}
    return tuple(
        f"{policy.object} ({policy.file}) has no part in this: {policy.reason or 'it is for other ports'}"
        for policy in policies
        if policy.target in targets and policy.object not in named
    )


def file_resolve(loaded: Loaded, address: IPAddress, port: int, protocol: Protocol) -> Explanation:
    """What a connection from this host would get once these files are applied."""
    answer = lookup.resolve(loaded.desired, address, port, protocol)
    found = answer.frontend
    links = _file_chain(found) if found else ()
    objects = {link.object for link in links}
    problems = tuple(
        f"{problem.object}: {problem.message}" for problem in loaded.problems if problem.object in objects
    )
    return Explanation(
        address=address,
        port=port,
        protocol=protocol,
        outcome=Outcome(answer.outcome),
        reason=answer.reason,
        frontend=_planned(found) if found else None,
        chain=links,
        source_files=(str(found.origin),) if found else (),
        notes=(*problems, *_bystanders(file_policies(loaded), address, links)),
    )


def _file_chain(top: Frontend) -> tuple[ChainLink, ...]:
    links = [_planned_link(top, Use.USED)]
    for item in chain(top):
        links.append(_planned_link(item, Use.UNUSED if links[1:] else _next_use(top.source)))
    return tuple(links)


def _planned_link(item: Frontend, use: Use) -> ChainLink:
    return ChainLink(
        use=use,
        source=item.source,
        kind=item.kind,
        object=item.object,
        port_name=item.port_name,
        file=str(item.origin),
        action=item.action,
        backends=item.backends,
    )


def _planned(found: Frontend) -> LiveFrontend:
    return LiveFrontend(
        address=found.address,
        port=found.port,
        protocol=found.protocol,
        action=found.action,
        kind=found.kind,
        source=found.source,
        object=found.object,
        port_name=found.port_name,
        file=str(found.origin),
        affinity_seconds=found.affinity_seconds,
        rate=found.rate,
        backends=found.backends,
        fallback=found.fallback,
    )
