"""What the kernel holds now, for people: read-only, without the lock, with names from the state file."""

from __future__ import annotations

import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from balancer import state
from balancer.config import Settings
from balancer.desired import lookup
from balancer.desired.types import AddressFlags, Backend, Desired, Frontend, FrontendKind
from balancer.errors import NotLoaded
from balancer.kernel import host
from balancer.kernel.layout import COUNTER_SIZE
from balancer.kernel.libbpf import possible_cpus
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Generation, Pins, require_access
from balancer.kernel.reasons import FORWARDING, REJECTING, Reason
from balancer.model.meta import IPAddress
from balancer.model.problem import Origin
from balancer.model.service import Protocol
from balancer.plan.actual import Actual, read_actual
from balancer.plan.changes import destination
from balancer.plan.entries import (
    ACTION_OF,
    AFFINITY,
    AFFINITY_KEY,
    INDEX,
    MEMBER,
    SETTING,
    MapName,
    Setting,
    address_of,
    backend_parts,
    frontend_key_parts,
    group_id,
)
from balancer.views import (
    Explanation,
    LiveAffinity,
    LiveBackend,
    LiveFrontend,
    Loaded,
    Outcome,
)

_UNNAMED = Origin(file="", line=0)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The live maps of one instance and the names that its state file has for them."""

    store: PinnedMaps
    actual: Actual
    names: state.State
    warning: str

    def setting(self, index: Setting) -> int:
        raw = self.store.read(MapName.SETTINGS, [INDEX.pack(index)])[0]
        return int(SETTING.unpack(raw)[0]) if raw else 0


def _live_generation(settings: Settings) -> Generation:
    require_access(settings.bpffs)
    live = Pins(settings.bpffs).live()
    if live is None:
        raise NotLoaded(
            f"no programs are attached from {settings.bpffs}",
            hint="load them with: balancer apply DIRECTORY; or name the right place with --bpffs",
        )
    return live


@contextmanager
def _snapshot(settings: Settings) -> Iterator[_Snapshot]:
    names, warning = state.load(settings.state)
    with PinnedMaps(_live_generation(settings).maps) as store:
        yield _Snapshot(store, read_actual(store), names, warning)


def live_frontends(settings: Settings) -> tuple[LiveFrontend, ...]:
    """Every entry of the frontends map, by address and port."""
    with _snapshot(settings) as snapshot:
        return _frontends(snapshot)


def _frontends(snapshot: _Snapshot) -> tuple[LiveFrontend, ...]:
    actual = snapshot.actual
    indexes = [INDEX.pack(entry.counter) for entry in actual.frontends.values()]
    counters = snapshot.store.read(MapName.COUNTERS, indexes)
    found = [
        _frontend(key, snapshot, by_reason(raw)) for key, raw in zip(actual.frontends, counters, strict=True)
    ]
    return tuple(
        sorted(found, key=lambda item: (item.address.version, int(item.address), item.port, item.protocol))
    )


def _frontend(key: bytes, snapshot: _Snapshot, counts: dict[Reason, int]) -> LiveFrontend:
    address, port, protocol = frontend_key_parts(key)
    entry = snapshot.actual.logical(key)
    label = snapshot.names.labels.get(destination(address, port, protocol))
    return LiveFrontend(
        address=address,
        port=port,
        protocol=protocol,
        action=ACTION_OF[entry.action],
        kind=label.kind if label else None,
        object=label.object if label else "",
        port_name=label.port_name if label else "",
        file=label.file if label else "",
        affinity_seconds=entry.affinity_seconds,
        backends=_backends(entry.backends, snapshot.names),
        fallback=_backends(entry.fallback, snapshot.names),
        forwarded=sum(counts[reason] for reason in FORWARDING),
        rejected=sum(counts[reason] for reason in REJECTING),
    )


def _backends(raw: tuple[bytes, ...], names: state.State) -> tuple[Backend, ...]:
    parts = (backend_parts(item) for item in raw)
    return tuple(
        Backend(address=address, port=port, node=names.nodes.get(str(address))) for address, port in parts
    )


def by_reason(raw: bytes | None) -> dict[Reason, int]:
    """The counts of one entry of the counters map, all CPUs added up."""
    totals = dict.fromkeys(Reason, 0)
    for cpu in range(possible_cpus() if raw else 0):
        values = struct.unpack_from(f"={len(Reason)}Q", raw or b"", cpu * COUNTER_SIZE)
        for reason in Reason:
            totals[reason] += values[reason]
    return totals


def live_backends(settings: Settings) -> tuple[LiveBackend, ...]:
    """Every backend that some frontend sends connections to."""
    users: dict[tuple[IPAddress, int], list[str]] = defaultdict(list)
    nodes: dict[tuple[IPAddress, int], str | None] = {}
    for frontend in live_frontends(settings):
        name = destination(frontend.address, frontend.port, frontend.protocol)
        for backend in (*frontend.backends, *frontend.fallback):
            key = (backend.address, backend.port)
            nodes[key] = backend.node
            if name not in users[key]:
                users[key].append(name)
    order = sorted(users, key=lambda key: (key[0].version, int(key[0]), key[1]))
    return tuple(
        LiveBackend(address=key[0], port=key[1], node=nodes[key], frontends=tuple(sorted(users[key])))
        for key in order
    )


def live_affinity(settings: Settings) -> tuple[LiveAffinity, ...]:
    """Every record of the affinity map, those that no longer count included."""
    with _snapshot(settings) as snapshot:
        names = {group_id(label.group): label.group for label in snapshot.names.labels.values()}
        seconds = {entry.group: entry.affinity_seconds for entry in snapshot.actual.frontends.values()}
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        found = []
        for key, value in snapshot.store.dump(MapName.AFFINITY).items():
            client, group = AFFINITY_KEY.unpack(key)
            backend, seen = AFFINITY.unpack(value)
            address, port = backend_parts(backend)
            age = max(now - seen, 0) / 1e9
            counts = MEMBER.pack(group, backend) in snapshot.actual.members
            found.append(
                LiveAffinity(
                    client=client,
                    group=names.get(group, ""),
                    address=address,
                    port=port,
                    last_seen_seconds_ago=round(age, 3),
                    expires_in_seconds=round(max(seconds.get(group, 0) - age, 0.0), 3) if counts else 0.0,
                )
            )
    return tuple(sorted(found, key=lambda item: (item.group, item.client)))


def live_resolve(settings: Settings, address: IPAddress, port: int, protocol: Protocol) -> Explanation:
    """What a connection from this process's network namespace gets, by the live maps."""
    with _snapshot(settings) as snapshot:
        live = {(item.address, item.port, item.protocol): item for item in _frontends(snapshot)}
        at_home = snapshot.setting(Setting.HOST_NETNS) == host.netns_cookie()
        desired = _as_desired(snapshot, live)
        answer = lookup.resolve(desired, address, port, protocol, in_host_netns=at_home)
        found = answer.frontend
        return Explanation(
            address=address,
            port=port,
            protocol=protocol,
            outcome=Outcome(answer.outcome),
            reason=answer.reason,
            frontend=live[found.address, found.port, found.protocol] if found else None,
            source_files=(str(found.origin.file),) if found and found.origin.file else (),
            notes=(snapshot.warning,) if snapshot.warning else (),
        )


def _as_desired(snapshot: _Snapshot, live: dict[tuple[IPAddress, int, Protocol], LiveFrontend]) -> Desired:
    """The live maps in the form that the pure look-up takes; an origin's file holds "file:line"."""
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
            action=item.action,
            affinity_seconds=item.affinity_seconds,
            backends=item.backends,
            fallback=item.fallback,
        )
        for item in live.values()
    ]
    addresses = {address_of(raw): AddressFlags(flags) for raw, flags in snapshot.actual.addresses.items()}
    return Desired(frontends=tuple(sorted(frontends, key=lambda item: item.order)), addresses=addresses)


def file_resolve(loaded: Loaded, address: IPAddress, port: int, protocol: Protocol) -> Explanation:
    """What a connection from this host would get once these files are applied."""
    answer = lookup.resolve(loaded.desired, address, port, protocol)
    found = answer.frontend
    return Explanation(
        address=address,
        port=port,
        protocol=protocol,
        outcome=Outcome(answer.outcome),
        reason=answer.reason,
        frontend=_planned(found) if found else None,
        source_files=(str(found.origin),) if found else (),
        notes=tuple(
            problem.message for problem in loaded.problems if found and problem.object == found.object
        ),
    )


def _planned(found: Frontend) -> LiveFrontend:
    return LiveFrontend(
        address=found.address,
        port=found.port,
        protocol=found.protocol,
        action=found.action,
        kind=found.kind,
        object=found.object,
        port_name=found.port_name,
        file=str(found.origin),
        affinity_seconds=found.affinity_seconds,
        backends=found.backends,
        fallback=found.fallback,
    )
