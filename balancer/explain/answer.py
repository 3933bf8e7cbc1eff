"""Explanations, put together from one side, the pure look-up and the manifests behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from balancer.config import Settings
from balancer.desired import lookup
from balancer.desired.priority import chain
from balancer.desired.types import Backend, Frontend, Host, Source
from balancer.errors import OperatorError
from balancer.explain.asker import live_client, planned_client
from balancer.explain.sides import LiveSide, LiveView, PlannedSide, Side
from balancer.explain.why import as_neighbour, differences, idle_policies, unused_of
from balancer.explanation import AskedBy, Asker, Neighbour, ObjectName, SourceState, Standing
from balancer.kernel import host
from balancer.live import snapshot_of
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol
from balancer.plan.changes import address_port
from balancer.sources import Sources, read_again
from balancer.views import ChainLink, Destinations, Explanation, LiveFrontend, Loaded, Outcome

_TOLD = {
    SourceState.LAST_GOOD: "some manifests on disk are not in force: endpoints that are not used are told from"
    " their last good content",
    SourceState.CHANGED: "the manifests have changed since the last pass: endpoints that are not used are told"
    " as the files say now, which the kernel does not do yet",
    SourceState.UNREADABLE: "the manifests of the last pass cannot be read now, so that it is not known which"
    " endpoints are not used and why",
    SourceState.SKIPPED: "the manifests are too many to read for one answer, so that it is not known which"
    " endpoints are not used and why; to wait for it, use --from",
    SourceState.UNKNOWN: "no pass is on record that says where its manifests are, so that it is not known which"
    " endpoints are not used and why; see --from",
}


def live_resolve(
    settings: Settings,
    address: IPAddress,
    port: int,
    protocol: Protocol,
    asked_by: AskedBy | None = None,
) -> Explanation:
    """What a connection gets by the live maps: one of this process's network namespace, or of `asked_by`.

    Raises NotLoaded, and OperatorError for a pod or process that is not there.
    """
    with _live_side(settings, asked_by, _Asked(address=address, port=port, protocol=protocol)) as side:
        return _explain(side, address, port, protocol)


def live_destinations(settings: Settings, asked: ObjectName, asked_by: AskedBy | None = None) -> Destinations:
    """The same for everything that answers under a name. Raises OperatorError where nothing does."""
    with _live_side(settings, asked_by, asked) as side:
        return _destinations(side, asked)


def file_resolve(
    loaded: Loaded,
    address: IPAddress,
    port: int,
    protocol: Protocol,
    settings: Settings | None = None,
    asked_by: AskedBy | None = None,
) -> Explanation:
    """What a connection from this host, or from the pod `asked_by`, would get once these files are applied."""
    return _explain(_planned_side(loaded, settings or Settings(), asked_by), address, port, protocol)


def file_destinations(
    loaded: Loaded, asked: ObjectName, settings: Settings | None = None, asked_by: AskedBy | None = None
) -> Destinations:
    """The same for everything that would answer under a name. Raises OperatorError where nothing does."""
    return _destinations(_planned_side(loaded, settings or Settings(), asked_by), asked)


class _Asked(NamedTuple):
    address: IPAddress
    port: int
    protocol: Protocol


@contextmanager
def _live_side(settings: Settings, asked_by: AskedBy | None, asked: _Asked | ObjectName) -> Iterator[Side]:
    with snapshot_of(settings) as snapshot:
        view = LiveView.of(snapshot)
        sources = read_again(settings, snapshot.names.last_pass, set(_words(view, asked, asked_by)))
        client = live_client(snapshot, sources, settings, asked_by) if asked_by else None
        yield LiveSide(snapshot, view, sources, settings, client)


def _words(view: LiveView, asked: _Asked | ObjectName, asked_by: AskedBy | None) -> Iterator[str]:
    """Names and addresses that every file with a part in the answer has at least one of."""
    if asked_by is not None and asked_by.pod is not None:
        yield asked_by.pod[1]
    if isinstance(asked, ObjectName) and asked.name:
        yield asked.name.rpartition("/")[2].rpartition(" ")[2]
        return
    if asked.address is not None:
        yield str(asked.address)
    if isinstance(asked, ObjectName):
        found: Sequence[Frontend | None] = (
            lookup.ports_of(view.desired, asked.address) if asked.address else ()
        )
    else:
        found = (lookup.resolve(view.desired, *asked).frontend,)
    for item in found:
        for link in (item, *chain(item)) if item else ():
            yield link.object.rpartition("/")[2].rpartition(" ")[2]


def _planned_side(loaded: Loaded, settings: Settings, asked_by: AskedBy | None) -> Side:
    here = Host(node_name=settings.node, addresses=host.interface_addresses())
    sources = Sources(
        state=SourceState.GIVEN, cluster=loaded.manifests.cluster, host=here, desired=loaded.desired
    )
    client = planned_client(loaded, settings.node, asked_by) if asked_by else None
    return PlannedSide(loaded, sources, settings, client)


def _explain(side: Side, address: IPAddress, port: int, protocol: Protocol) -> Explanation:
    client = side.client
    known = client.in_host_netns if client else None
    answer = lookup.resolve(
        side.desired, address, port, protocol, in_host_netns=side.in_host_netns if known is None else known
    )
    found = answer.frontend
    shown = side.shown(found) if found else None
    links = side.chain(found) if found else ()
    asker = (
        client.before(side.group(found) if found else 0, found.object if found else "") if client else None
    )
    outcome, reason, backends = _what_it_gets(answer, shown, links, asker)
    idle = idle_policies(side.policies, address, links)
    planned = lookup.find(side.sources.desired, *_place(shown, address, port, protocol))
    if planned is None and shown is not None and side.sources.complete is not None:
        side.sources = side.sources.complete()
        planned = lookup.find(side.sources.desired, *_place(shown, address, port, protocol))
    return Explanation(
        address=address,
        port=port,
        protocol=protocol,
        outcome=outcome,
        reason=reason,
        backends=backends,
        asker=asker,
        frontend=shown,
        chain=links,
        unused=unused_of(side.sources, side.rules, shown, idle) if shown else (),
        neighbours=() if found else tuple(_neighbours(side, address)),
        maps=side.maps(address, found),
        sources=side.sources.state,
        differences=tuple(differences(side.sources, shown, planned)),
        pods=_pods(side, (*shown.backends, *shown.fallback) if shown else ()),
        source_files=(shown.file,) if shown and shown.file else (),
        notes=tuple(_notes(side, found, links, address)),
    )


def _neighbours(side: Side, address: IPAddress) -> Iterator[Neighbour]:
    for item in lookup.ports_of(side.desired, address):
        yield as_neighbour(side.shown(item))


def _place(
    shown: LiveFrontend | None, address: IPAddress, port: int, protocol: Protocol
) -> tuple[IPAddress, int, Protocol]:
    """Where the entry is that decided, or would be: node ports have one for every address."""
    return (shown.address, shown.port, shown.protocol) if shown else (address, port, protocol)


def _what_it_gets(
    answer: lookup.Answer, shown: LiveFrontend | None, links: Sequence[ChainLink], asker: Asker | None
) -> tuple[Outcome, str, tuple[Backend, ...]]:
    standing = asker.standing if asker else Standing.SERVED
    if asker and standing in (Standing.OPTED_OUT, Standing.OUTSIDE):
        return Outcome.PASS, f"{asker.name} is left alone: {asker.words}", ()
    if asker and shown and standing is Standing.OWN_BACKEND and answer.outcome is Outcome.FORWARD:
        return _fallback(asker, shown, links)
    return answer.outcome, answer.reason, shown.backends if shown else ()


def _fallback(
    asker: Asker, shown: LiveFrontend, links: Sequence[ChainLink]
) -> tuple[Outcome, str, tuple[Backend, ...]]:
    """What is beneath a redirect, or a refusal where nothing is."""
    beneath = links[1] if len(links) > 1 else None
    outcome = Outcome(beneath.action) if beneath else Outcome.REFUSE
    next_ = (beneath.object or "what is beneath it") if beneath else "nothing, which refuses"
    return outcome, f"{asker.name} is a backend of {shown.object}, and gets {next_}", shown.fallback


def _pods(side: Side, backends: Sequence[Backend]) -> dict[str, str]:
    found = {}
    for item in backends:
        target = address_port(item.address, item.port)
        name = side.pods.get(target) or side.pods.get(str(item.address))
        if name:
            found[target] = name
    return found


def _notes(
    side: Side, found: Frontend | None, links: Sequence[ChainLink], address: IPAddress
) -> Iterator[str]:
    yield from side.notes
    objects = {link.object for link in links}
    for problem in side.problems:
        if problem.object in objects:
            yield f"{problem.object}: {problem.message}"
    for policy in idle_policies(side.policies, address, links):
        yield (
            f"{policy.object} ({policy.file}) has no part in this: {policy.reason or 'it is for other ports'}"
        )
    files = {link.file.rpartition(":")[0] for link in links}
    for file in side.stale_files:
        if file in files:
            yield f"{file} is stale: its last good content is in force"
    if found is not None and side.sources.state in _TOLD and _has_endpoints(found, links):
        yield _TOLD[side.sources.state]


def _has_endpoints(found: Frontend, links: Sequence[ChainLink]) -> bool:
    """Whether there may be endpoints to tell of, or nobody knows."""
    return bool(links) or found.source is Source.SERVICE


def _destinations(side: Side, asked: ObjectName) -> Destinations:
    found = tuple(item for item in side.desired.frontends if _is_asked(side, item, asked))
    if asked.address is not None:
        found = lookup.ports_of(side.desired, asked.address)
    told = asked.name or str(asked.address)
    told += f":{asked.port}" if asked.port else ""
    if not found:
        raise OperatorError(
            f"nothing answers for {told}",
            hint="see what does with: balancer get frontends; or give a destination as ADDR:PORT[/PROTO]",
        )
    places = [(item.address, item.port, item.protocol) for item in found]
    if asked.address is not None:
        places = [(asked.address, port, protocol) for _, port, protocol in places]
    return Destinations(asked=told, destinations=tuple(_explain(side, *place) for place in places))


def _is_asked(side: Side, item: Frontend, asked: ObjectName) -> bool:
    """Whatever has a part in the answer counts, not only what decides."""
    links = side.chain(item)
    objects = {link.object.removeprefix("Service ") for link in links}
    ports = {str(item.port), *(link.port_name for link in links)}
    right_protocol = asked.protocol is None or asked.protocol is item.protocol
    return asked.name in objects and right_protocol and (not asked.port or asked.port in ports)
