"""The desired state as logical map entries: what every map should say, before slots are placed.

A logical entry holds a list of backends where the map holds a range of slots, so that it can be
compared with what was read back whatever the slots are. This must never look at the actual maps:
the same desired state always gives the same `Wanted`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from balancer.desired.types import Action, Backend, Desired, Frontend, Source
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol
from balancer.plan.entries import (
    ACTION_NUMBER,
    CGROUP_FLAGS,
    CGROUP_ID,
    MEMBER,
    OWNER,
    CgroupFlag,
    FrontendFlag,
    address_bytes,
    backend_bytes,
    frontend_key,
    group_id,
)

BackendList = tuple[bytes, ...]
"""Backends as `backend_bytes`, in the order of `Frontend.backends`."""


class WantedFrontend(NamedTuple):
    """A frontend without its place: `FrontendEntry` with the lists themselves for the ranges.

    `group` is 0 unless the frontend forwards and is UDP, has affinity or is a redirect; `fallback_group` is
    0 unless the next lower priority does the same. `affinity_seconds` is in seconds, 0 for none; `rate`
    in connections per second, 0 for no limit. Actions are `ACTION_NUMBER`s; without a next lower priority
    `fallback_action` refuses.
    """

    group: int
    fallback_group: int
    affinity_seconds: int
    rate: int
    action: int
    flags: int
    fallback_action: int
    backends: BackendList
    fallback: BackendList


class Label(NamedTuple):
    """How to name a frontend to a person: "Service default/web" and "ClusterIP"."""

    object: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What every map should say.

    `frontends` and `labels` are keyed by `frontend_key`, `addresses` by `address_bytes` with
    `AddressFlags` as values. `members` and `owners` are packed keys of those maps. `cgroups` are packed
    keys and values. Labels name things only: two states that differ in them are equal.
    """

    frontends: Mapping[bytes, WantedFrontend] = field(default_factory=dict)
    addresses: Mapping[bytes, int] = field(default_factory=dict)
    members: frozenset[bytes] = frozenset()
    cgroups: Mapping[bytes, bytes] = field(default_factory=dict)
    owners: frozenset[bytes] = frozenset()
    labels: Mapping[bytes, Label] = field(default_factory=dict, compare=False)


def encode(
    desired: Desired,
    skipped_cgroups: Collection[int] = (),
    owner_cgroups: Collection[tuple[str, int]] = (),
) -> Wanted:
    """The logical entries of a desired state.

    `skipped_cgroups` are the ids of cgroups whose processes are left untranslated; `owner_cgroups` are
    (group, cgroup id) of the backends of local redirects. An address and its
    v4-mapped form are one address in the maps: their flags add up, and of two frontends that differ
    in nothing else the first one counts.
    """
    encoder = _Encoder()
    frontends: dict[bytes, WantedFrontend] = {}
    labels: dict[bytes, Label] = {}
    for frontend in desired.frontends:
        key = frontend_key(frontend.address, frontend.port, frontend.protocol)
        if key not in frontends:
            frontends[key] = encoder.frontend(frontend)
            labels[key] = Label(frontend.object, str(frontend.kind))
    return Wanted(
        frontends=frontends,
        addresses=_addresses(desired.addresses),
        members=members_of(frontends.values()),
        cgroups={CGROUP_ID.pack(cgroup): CGROUP_FLAGS.pack(CgroupFlag.SKIP) for cgroup in skipped_cgroups},
        owners=frozenset(OWNER.pack(group_id(group), cgroup) for group, cgroup in owner_cgroups),
        labels=labels,
    )


class _Encoder:
    """Packs frontends; equal lists come back as one tuple, so that comparing them costs nothing.

    Lists are remembered by `id`: hashing addresses is what is slow, and the desired state that is
    being encoded keeps every list alive for as long as this object.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, BackendList] = {}
        self._shared: dict[BackendList, BackendList] = {}
        self._groups: dict[str, int] = {}

    def frontend(self, frontend: Frontend) -> WantedFrontend:
        beneath, redirect = frontend.beneath, frontend.source is Source.LOCAL_REDIRECT
        return WantedFrontend(
            group=self._group(frontend.group) if _is_sticky(frontend) or redirect else 0,
            fallback_group=self._group(beneath.group) if beneath and _is_sticky(beneath) else 0,
            affinity_seconds=frontend.affinity_seconds,
            rate=frontend.rate,
            action=ACTION_NUMBER[frontend.action],
            flags=FrontendFlag.REDIRECT if redirect else 0,
            fallback_action=ACTION_NUMBER[beneath.action if beneath else Action.REFUSE],
            backends=self._backends(frontend.backends),
            fallback=self._backends(frontend.fallback),
        )

    def _backends(self, backends: tuple[Backend, ...]) -> BackendList:
        found = self._by_id.get(id(backends))
        if found is None:
            packed = tuple([backend_bytes(item.address, item.port) for item in backends])
            found = self._by_id[id(backends)] = self._shared.setdefault(packed, packed)
        return found

    def _group(self, name: str) -> int:
        found = self._groups.get(name)
        if found is None:
            found = self._groups[name] = group_id(name)
        return found


def _is_sticky(frontend: Frontend) -> bool:
    """Whether an earlier choice of backend may be kept, and so has to be checked for membership.

    An unconnected UDP socket keeps its backend for one VIP; TCP is kept by ClientIP affinity alone.
    """
    keeps = frontend.affinity_seconds > 0 or frontend.protocol is Protocol.UDP
    return keeps and frontend.action is Action.FORWARD


def _addresses(flags: Mapping[IPAddress, int]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for address, value in flags.items():
        raw = address_bytes(address)
        found[raw] = found.get(raw, 0) | int(value)
    return found


def members_of(frontends: Iterable[WantedFrontend]) -> frozenset[bytes]:
    """Every backend that a kept choice within a group may name."""
    lists: dict[tuple[int, int], tuple[int, BackendList]] = {}
    for item in frontends:
        for group, backends in ((item.group, item.backends), (item.fallback_group, item.fallback)):
            if group:
                lists[group, id(backends)] = (group, backends)
    return frozenset(
        MEMBER.pack(group, backend) for group, backends in lists.values() for backend in backends
    )
