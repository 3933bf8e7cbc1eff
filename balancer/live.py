"""What the kernel holds now, for people: read-only, without the lock, with names from the state file."""

from __future__ import annotations

import errno
import struct
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from balancer import state
from balancer.config import Settings
from balancer.desired.types import Backend, Source
from balancer.errors import HostError, KernelCallFailed, NotLoaded
from balancer.kernel.layout import COUNTER_SIZE
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Generation, Pins, require_access
from balancer.kernel.reasons import FORWARDING, REJECTING, Reason
from balancer.model.meta import IPAddress
from balancer.plan.actual import Actual, read_actual
from balancer.plan.changes import destination
from balancer.plan.entries import (
    ACTION_OF,
    AFFINITY,
    AFFINITY_KEY,
    INDEX,
    MEMBER,
    SETTING,
    FrontendFlag,
    MapName,
    Setting,
    backend_parts,
    frontend_key_parts,
    group_id,
)
from balancer.views import LiveAffinity, LiveBackend, LiveFrontend, LivePolicy, Loaded

_COUNTS = struct.Struct(f"={len(Reason)}Q")
_NOTHING = (0,) * len(Reason)
_TRIES, _BETWEEN_TRIES = 20, 0.05  # seconds between


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live maps of one instance and the names that its state file has for them."""

    store: PinnedMaps
    actual: Actual
    names: state.State
    warning: str

    def setting(self, index: Setting) -> int:
        raw = self.store.read(MapName.SETTINGS, [INDEX.pack(index)])[0]
        return int(SETTING.unpack(raw)[0]) if raw else 0


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Generation, PinnedMaps]]:
    """The live generation and its maps, which stay readable for the block even if a pass replaces them.

    Raises NotLoaded when nothing is live. A pass that replaces one generation by another is waited out: for
    an instant what was found is gone again.
    """
    require_access(settings.bpffs)
    pins = Pins(settings.bpffs)
    tries_left = _TRIES
    while True:
        tries_left -= 1
        try:
            generation = pins.live()
            if generation is not None:
                store = PinnedMaps(generation.maps)
                break
            if not tries_left or not pins.linked():
                raise NotLoaded(
                    f"no programs are attached from {settings.bpffs}",
                    hint="load them with: balancer apply DIRECTORY; or name the right place with --bpffs",
                )
        except (KernelCallFailed, FileNotFoundError) as error:
            if not tries_left or error.errno != errno.ENOENT:
                raise
        time.sleep(_BETWEEN_TRIES)
    with store:
        yield generation, store


@contextmanager
def snapshot_of(settings: Settings) -> Iterator[Snapshot]:
    """What is live now, to be read inside the block. Raises NotLoaded when nothing is."""
    names, warning = state.load(settings.state)
    with opened(settings) as (_, store):
        yield Snapshot(store, read_actual(store), names, warning)


def live_frontends(settings: Settings) -> tuple[LiveFrontend, ...]:
    """Every entry of the frontends map, by address and port."""
    with snapshot_of(settings) as snapshot:
        return frontends_of(snapshot)


def frontends_of(snapshot: Snapshot) -> tuple[LiveFrontend, ...]:
    """Every entry of the frontends map, by address and port."""
    actual = snapshot.actual
    indexes = [INDEX.pack(entry.counter) for entry in actual.frontends.values()]
    counters = snapshot.store.read(MapName.COUNTERS, indexes)
    found = [
        _frontend(key, snapshot, by_reason(raw)) for key, raw in zip(actual.frontends, counters, strict=True)
    ]
    return tuple(
        sorted(found, key=lambda item: (item.address.version, int(item.address), item.port, item.protocol))
    )


def _frontend(key: bytes, snapshot: Snapshot, counts: dict[Reason, int]) -> LiveFrontend:
    address, port, protocol = frontend_key_parts(key)
    entry = snapshot.actual.logical(key)
    label = snapshot.names.labels.get(destination(address, port, protocol))
    return LiveFrontend(
        address=address,
        port=port,
        protocol=protocol,
        action=ACTION_OF[entry.action],
        kind=label.kind if label else None,
        source=source_of(entry.flags, label),
        object=label.object if label else "",
        port_name=label.port_name if label else "",
        file=label.file if label else "",
        affinity_seconds=entry.affinity_seconds,
        rate=entry.rate,
        backends=_backends(entry.backends, snapshot.names),
        fallback=_backends(entry.fallback, snapshot.names),
        forwarded=sum(counts[reason] for reason in FORWARDING),
        rejected=sum(counts[reason] for reason in REJECTING),
        fell_back=counts[Reason.FALLBACK],
        rate_limited=counts[Reason.RATE_LIMITED],
    )


def source_of(flags: int, label: state.Label | None) -> Source | None:
    """A redirect is known by the map; the others only by the state file."""
    if flags & FrontendFlag.REDIRECT:
        return Source.LOCAL_REDIRECT
    return label.source if label else None


def _backends(raw: tuple[bytes, ...], names: state.State) -> tuple[Backend, ...]:
    parts = (backend_parts(item) for item in raw)
    return tuple(
        Backend(address=address, port=port, node=names.nodes.get(str(address))) for address, port in parts
    )


def by_reason(raw: bytes | None) -> dict[Reason, int]:
    """The counts of one entry of the counters map, all CPUs added up."""
    return dict(zip(Reason, counts_of(raw), strict=True))


def counts_of(raw: bytes | None) -> tuple[int, ...]:
    """The same, in the order of `Reason`.

    The counts of a CPU stand side by side, so that one addition of large integers adds all of them: with
    ten thousand frontends on a host of many CPUs that is most of the work. No count reaches 2^64.
    """
    if not raw or raw == bytes(len(raw)):
        return _NOTHING
    starts = range(0, len(raw), COUNTER_SIZE)
    total = sum(int.from_bytes(raw[start : start + COUNTER_SIZE], sys.byteorder) for start in starts)
    return _COUNTS.unpack(total.to_bytes(COUNTER_SIZE, sys.byteorder))


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
    with snapshot_of(settings) as snapshot:
        names = {group_id(group): group for group in _groups(snapshot.names)}
        seconds = {
            group: entry.affinity_seconds
            for entry in snapshot.actual.frontends.values()
            for group in (entry.group, entry.fallback_group)
        }
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


def _groups(names: state.State) -> Iterator[str]:
    """The group of every frontend and of what is beneath it."""
    for label in names.labels.values():
        link: state.Label | None = label
        while link is not None:
            yield link.group
            link = link.beneath


def live_policies(settings: Settings) -> tuple[LivePolicy, ...]:
    """What the last pass made of each policy, with the counts of the frontends that the maps still hold.

    Raises HostError if there is no record of a pass to tell from.
    """
    with snapshot_of(settings) as snapshot:
        if snapshot.names.last_pass is None:
            raise HostError(
                snapshot.warning or f"no pass is on record in {settings.state}",
                hint="name the right file with --state, or write it anew with: balancer apply DIRECTORY",
            )
        live = {destination(item.address, item.port, item.protocol): item for item in frontends_of(snapshot)}
        return tuple(_counted(policy, live) for policy in snapshot.names.policies)


def _counted(policy: LivePolicy, live: Mapping[str, LiveFrontend]) -> LivePolicy:
    found = [live[name] for name in policy.frontends if name in live]
    return replace(
        policy,
        frontends=tuple(name for name in policy.frontends if name in live),
        forwarded=sum(item.forwarded for item in found),
        fell_back=sum(item.fell_back for item in found),
        rate_limited=sum(item.rate_limited for item in found),
    )


def file_policies(loaded: Loaded) -> tuple[LivePolicy, ...]:
    """What would become of each policy on this host once these files are applied."""
    return state.label_policies(loaded.manifests.cluster, loaded.desired)
