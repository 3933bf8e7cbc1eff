"""Records of the ring as events, which of them are wanted, and what they come to. Pure.

What can be told from the record alone is asked first, so that decisions nobody wants cost little.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network

from balancer.kernel.reasons import REJECTING, Reason
from balancer.kernel.ring import EventFlag, RawEvent
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol
from balancer.observe.identity import Identity
from balancer.observe.names import Names
from balancer.plan.entries import PROTOCOL_OF, backend_parts
from balancer.views_event import Call, Client, Event, Result, Summary, Where

MAX_NAMES = 10_000
OTHERS = "(others)"
HOST_NAME = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Addresses, and one port of them or (0) every one."""

    network: IPv4Network | IPv6Network
    port: int = 0

    def holds(self, address: IPAddress, port: int) -> bool:
        same = address.version == self.network.version
        return same and address in self.network and self.port in (0, port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events to show: those that fit one value of every field that has any.

    `services` and `pods` are "namespace/name" with * and ? as in a shell, a name alone in any namespace;
    "host" among the pods is every process outside of pods. `commands` likewise.
    """

    services: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    reasons: frozenset[Reason] = frozenset(Reason)
    addresses: tuple[Place, ...] = ()
    backends: tuple[Place, ...] = ()
    protocols: tuple[Protocol, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def only_rejected(self) -> bool:
        """Whether nothing that was forwarded can fit."""
        return self.reasons <= frozenset(REJECTING)

    def fits_record(self, raw: RawEvent) -> bool:
        """What can be told without names."""
        return (
            raw.reason in self.reasons
            and (not self.protocols or PROTOCOL_OF.get(raw.protocol) in self.protocols)
            and (not self.addresses or _in(self.addresses, raw.asked))
            and (not self.backends or _in(self.backends, raw.chosen))
        )

    def fits(self, event: Event) -> bool:
        """What takes names, of an event whose record fits."""
        command = event.client.command
        return (
            (not self.services or _named(self.services, event.service))
            and (not self.pods or _is_client(self.pods, event.client))
            and (not self.commands or any(fnmatchcase(command, item) for item in self.commands))
        )


def _in(places: tuple[Place, ...], raw: bytes) -> bool:
    address, port = backend_parts(raw)
    return any(place.holds(address, port) for place in places)


def _named(patterns: tuple[str, ...], name: str) -> bool:
    """Whether "namespace/name" is one of these."""
    if not name:
        return False
    short = name.rpartition("/")[2]
    return any(fnmatchcase(name if "/" in item else short, item) for item in patterns)


def _is_client(patterns: tuple[str, ...], client: Client) -> bool:
    if client.where in (Where.HOST, Where.CONTAINER) and HOST_NAME in patterns:
        return True
    return (
        client.pod_uid in patterns
        if client.where is Where.POD and not client.pod
        else _named(patterns, client.pod_name)
    )


def event_of(
    raw: RawEvent, names: Names, path: str, found: tuple[Identity, ...] | None, offset_ns: int
) -> Event:
    """The event of a record. `path` and `found` are what `Cgroups.find` gave, `offset_ns` is how far UTC is
    ahead of CLOCK_MONOTONIC.
    """
    reason = Reason(raw.reason)
    address, port = backend_parts(raw.asked)
    protocol = PROTOCOL_OF[raw.protocol]
    rejected = reason in REJECTING
    decider = names.decider(address, port, protocol, reason, node_port=bool(raw.flags & EventFlag.NODE_PORT))
    return Event(
        time=datetime.fromtimestamp((raw.time + offset_ns) / 1e9, UTC),
        result=Result.REJECTED if rejected else Result.FORWARDED,
        reason=reason.name.lower(),
        call=Call.CONNECT if raw.flags & EventFlag.CONNECT else Call.SEND,
        address=address,
        port=port,
        protocol=protocol,
        client=names.client(pid=raw.pid, command=raw.comm, cgroup_id=raw.cgroup, path=path, found=found),
        backend=None if rejected else names.chosen(*backend_parts(raw.chosen)),
        object=decider.object,
        service=decider.service,
        port_name=decider.port_name,
        kind=decider.kind,
        source=decider.source,
        file=decider.file,
        gave_way=decider.gave_way,
        netns=raw.netns,
        socket=raw.socket,
    )


class Tally:
    """Counts events as they come, by names whose number is bounded."""

    def __init__(self) -> None:
        self.seen = 0
        self.matched = 0
        self.shown = 0
        self._results: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._services: Counter[str] = Counter()
        self._clients: Counter[str] = Counter()

    def add(self, event: Event) -> None:
        """One that matched."""
        self.matched += 1
        self._results[event.result] += 1
        self._reasons[event.reason] += 1
        _count(self._services, event.service or event.object)
        _count(self._clients, client_name(event.client))

    def summary(self, time: datetime, seconds: float, lost: int, unheard: float = 0.0) -> Summary:
        """What it came to; `lost` decisions could not be read, in the `unheard` seconds none was told."""
        return Summary(
            time=time,
            seconds=seconds,
            seen=self.seen,
            matched=self.matched,
            shown=self.shown,
            lost=lost,
            unheard_seconds=unheard,
            results=dict(self._results.most_common()),
            reasons=dict(self._reasons.most_common()),
            services=dict(self._services.most_common()),
            clients=dict(self._clients.most_common()),
        )


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < MAX_NAMES else OTHERS] += 1


def client_name(client: Client) -> str:
    """A pod's "namespace/name", or what else is known of who asked."""
    if client.where is Where.POD:
        return client.pod_name or f"pod {client.pod_uid}"
    if client.where is Where.CONTAINER:
        return f"container {client.container_id[:12]}"
    return client.where.value
