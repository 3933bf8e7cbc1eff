"""The two places that an answer can come from, the live maps and manifests, in one form.

A side only says what it has; `answer` decides what is said of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol as Interface

from balancer import state
from balancer.config import Settings
from balancer.desired.lookup import gate_flags
from balancer.desired.priority import chain
from balancer.desired.types import Action, AddressFlags, Desired, Frontend, FrontendKind, Rules, Source
from balancer.explain.asker import Client
from balancer.explanation import LiveMaps, MapEntry
from balancer.kernel import host
from balancer.live import Snapshot, by_reason, file_policies, frontends_of
from balancer.model.meta import IPAddress
from balancer.model.problem import Origin, Problem
from balancer.model.service import Protocol
from balancer.plan.changes import destination
from balancer.plan.entries import (
    ACTION_OF,
    INDEX,
    FrontendFlag,
    MapName,
    Setting,
    address_of,
    frontend_key,
    group_id,
)
from balancer.sources import Sources
from balancer.state.pod_names import pods_of_backends
from balancer.views import ChainLink, LiveFrontend, LivePolicy, Loaded, Use

Place = tuple[IPAddress, int, Protocol]
UNKNOWN_OBJECT = "an unknown object"


class Side(Interface):
    """`desired` is what is looked up. `pods` are names by a backend's address or address and port."""

    desired: Desired
    sources: Sources
    rules: Rules
    client: Client | None
    in_host_netns: bool
    policies: tuple[LivePolicy, ...]
    problems: tuple[Problem, ...]
    stale_files: tuple[str, ...]
    notes: tuple[str, ...]
    pods: Mapping[str, str]

    def shown(self, found: Frontend) -> LiveFrontend:
        """The entry as it is, with its counts where there are any."""
        ...

    def chain(self, found: Frontend) -> tuple[ChainLink, ...]:
        """What answers, from the object that decides down to the lowest priority."""
        ...

    def group(self, found: Frontend) -> int:
        """The id of the group that says which pods are its own backends."""
        ...

    def maps(self, address: IPAddress, found: Frontend | None) -> LiveMaps | None:
        """What the maps hold, None where there are none."""
        ...


def next_use(top: Source | None) -> Use:
    """Of the priority right below `top`: only a local redirect ever falls back while it is in force."""
    return Use.FALLBACK if top is Source.LOCAL_REDIRECT else Use.UNUSED


def _link(item: LiveFrontend, use: Use, *, known: bool = True) -> ChainLink:
    return ChainLink(
        use=use,
        source=item.source,
        kind=item.kind,
        object=item.object,
        port_name=item.port_name,
        file=item.file,
        action=item.action,
        backends=item.backends if known else None,
    )


class PlannedSide:
    """What the manifests ask for, once they are applied."""

    in_host_netns = True
    notes: tuple[str, ...] = ()

    def __init__(self, loaded: Loaded, sources: Sources, settings: Settings, client: Client | None) -> None:
        self.desired = loaded.desired
        self.sources = sources
        self.rules = settings.rules
        self.client = client
        self.policies = file_policies(loaded)
        self.problems = loaded.problems
        self.stale_files = loaded.stale_files
        self.pods: Mapping[str, str] = pods_of_backends(loaded.manifests.cluster, loaded.desired)

    def shown(self, found: Frontend) -> LiveFrontend:
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

    def chain(self, found: Frontend) -> tuple[ChainLink, ...]:
        links = [_link(self.shown(found), Use.USED)]
        for item in chain(found):
            links.append(_link(self.shown(item), Use.UNUSED if links[1:] else next_use(found.source)))
        return tuple(links)

    def group(self, found: Frontend) -> int:
        return group_id(found.group) if found.source is Source.LOCAL_REDIRECT else 0

    def maps(self, address: IPAddress, found: Frontend | None) -> LiveMaps | None:
        return None


@dataclass(frozen=True, slots=True)
class LiveView:
    """The frontends of the live maps, as they are and in the form that the pure look-up takes."""

    live: Mapping[Place, LiveFrontend]
    desired: Desired

    @classmethod
    def of(cls, snapshot: Snapshot) -> LiveView:
        """What is beneath a frontend is there for its name alone, without backends."""
        live = {(item.address, item.port, item.protocol): item for item in frontends_of(snapshot)}
        frontends = [_as_frontend(item, label_of(snapshot, place)) for place, item in live.items()]
        addresses = {address_of(raw): AddressFlags(flags) for raw, flags in snapshot.actual.addresses.items()}
        ordered = tuple(sorted(frontends, key=lambda item: item.order))
        return cls(live, Desired(frontends=ordered, addresses=addresses))


def label_of(snapshot: Snapshot, place: Place) -> state.Label | None:
    return snapshot.names.labels.get(destination(*place))


def _as_frontend(item: LiveFrontend, label: state.Label | None) -> Frontend:
    return Frontend(
        address=item.address,
        port=item.port,
        protocol=item.protocol,
        kind=item.kind or FrontendKind.VIP,
        object=item.object or UNKNOWN_OBJECT,
        origin=Origin(file=item.file, line=0),
        group=label.group if label else "",
        port_name=item.port_name,
        source=item.source or Source.SERVICE,
        action=item.action,
        affinity_seconds=item.affinity_seconds,
        backends=item.backends,
        beneath=_as_frontend(_named(item, label.beneath), label.beneath) if label and label.beneath else None,
        rate=item.rate,
    )


def _named(top: LiveFrontend, label: state.Label | None) -> LiveFrontend:
    """What the state file says of something beneath `top`; its backends are not known here."""
    return LiveFrontend(
        address=top.address,
        port=top.port,
        protocol=top.protocol,
        action=label.action if label else top.action,
        kind=label.kind if label else None,
        source=label.source if label else None,
        object=label.object if label else "",
        port_name=label.port_name if label else "",
        file=label.file if label else "",
    )


class LiveSide:
    """What the maps hold. The state file gives names and order; actions and backends are the maps'."""

    def __init__(
        self,
        snapshot: Snapshot,
        view: LiveView,
        sources: Sources,
        settings: Settings,
        client: Client | None,
    ) -> None:
        self._snapshot = snapshot
        self._live = view.live
        self.desired = view.desired
        self.sources = sources
        self.rules = settings.rules
        self.client = client
        self.in_host_netns = snapshot.setting(Setting.HOST_NETNS) == host.netns_cookie()
        self.policies = snapshot.names.policies
        self.problems = snapshot.names.problems
        self.stale_files = snapshot.names.stale_files
        self.notes: tuple[str, ...] = (snapshot.warning,) if snapshot.warning else ()
        self.pods: Mapping[str, str] = snapshot.names.backend_pods

    def shown(self, found: Frontend) -> LiveFrontend:
        return self._live[found.address, found.port, found.protocol]

    def chain(self, found: Frontend) -> tuple[ChainLink, ...]:
        """The maps know two priorities, the state file all of them."""
        top = self.shown(found)
        links = [_link(top, Use.USED)]
        label = label_of(self._snapshot, (found.address, found.port, found.protocol))
        beneath = label.beneath if label else None
        if beneath or top.fallback:
            item = replace(_named(top, beneath), action=self._fallback_action(top), backends=top.fallback)
            links.append(_link(item, next_use(top.source)))
        while beneath and (beneath := beneath.beneath):
            links.append(_link(_named(top, beneath), Use.UNUSED, known=False))
        return tuple(links)

    def _fallback_action(self, top: LiveFrontend) -> Action:
        entry = self._snapshot.actual.frontends[frontend_key(top.address, top.port, top.protocol)]
        return ACTION_OF[entry.fallback_action]

    def group(self, found: Frontend) -> int:
        key = frontend_key(found.address, found.port, found.protocol)
        entry = self._snapshot.actual.frontends[key]
        return entry.group if entry.flags & FrontendFlag.REDIRECT else 0

    def maps(self, address: IPAddress, found: Frontend | None) -> LiveMaps | None:
        gate = tuple(flag.name or "" for flag in gate_flags(self.desired, address))
        return LiveMaps(gate=gate, entry=self._entry(found) if found else None)

    def _entry(self, found: Frontend) -> MapEntry:
        entry = self._snapshot.actual.frontends[frontend_key(found.address, found.port, found.protocol)]
        (raw,) = self._snapshot.store.read(MapName.COUNTERS, [INDEX.pack(entry.counter)])
        counts = {reason.name.lower(): count for reason, count in by_reason(raw).items() if count}
        return MapEntry(
            action=ACTION_OF[entry.action],
            fallback_action=ACTION_OF[entry.fallback_action],
            slot_base=entry.base,
            slot_length=entry.length,
            fallback_base=entry.fallback_base,
            fallback_length=entry.fallback_length,
            affinity_seconds=entry.affinity_seconds,
            rate=entry.rate,
            redirect=bool(entry.flags & FrontendFlag.REDIRECT),
            counter=entry.counter,
            group=found.group if found.group and group_id(found.group) == entry.group else "",
            group_id=entry.group,
            counters=counts,
        )
