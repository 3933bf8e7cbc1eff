"""The parts of an explanation: what one destination gets, who asks, and what was left out and why.

Values only; nothing here reads a map or a file, and nothing here knows text or JSON.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from balancer.desired.dropped import Reason
from balancer.desired.types import Action, FrontendKind
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol


class SourceState(enum.StrEnum):
    """What the manifests that an answer about unused endpoints comes from are.

    GIVEN: those that were asked about. UNCHANGED: those of the last pass. LAST_GOOD: those of the last
    pass, some of them as the agent kept them. CHANGED: on disk now, not what the last pass worked from.
    UNREADABLE: they cannot be read now. SKIPPED: they are too many to read for one answer. UNKNOWN: no pass is on record that says which.
    """

    GIVEN = "given"
    UNCHANGED = "unchanged"
    LAST_GOOD = "last_good"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """An endpoint that `object` has and does not send connections to. `port` is None where it has none,
    `pod` is "namespace/name" or "", `node` None when not known. `words` says why in words; `file` is the
    "a.yaml:12" of the slice or pod.
    """

    object: str
    address: IPAddress
    port: int | None
    pod: str
    node: str | None
    reason: Reason
    words: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another port of the address that was asked about."""

    address: IPAddress
    port: int
    protocol: Protocol
    kind: FrontendKind | None
    object: str
    port_name: str
    action: Action
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBy:
    """Whose connection is asked about: a pod by (namespace, name), or a process by its id."""

    pod: tuple[str, str] | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """Destinations asked for by name: those of a Service "namespace/name" or of a policy "Kind name", all ports
    or one by its name or number; or, with `address`, all that answer there.
    """

    name: str = ""
    port: str = ""
    protocol: Protocol | None = None
    address: IPAddress | None = None


class Standing(enum.StrEnum):
    """SERVED: the same as everybody. OWN_BACKEND: of the redirect that decides, so it gets the fallback.
    OPTED_OUT: its pod is left untranslated. OUTSIDE: the programs do not see it. UNKNOWN: no way to tell.
    """

    SERVED = "served"
    OWN_BACKEND = "own_backend"
    OPTED_OUT = "opted_out"
    OUTSIDE = "outside"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whose connection the answer is for. `name` is "pod default/web-1" or "process 4711"; `cgroup` is a
    path, "" when none was found. `in_host_netns` is None when not known. `words` is one sentence.
    """

    name: str
    standing: Standing
    words: str
    cgroup: str = ""
    in_host_netns: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEntry:
    """One entry of the frontends map as it is. Slots are [base, base + length). `group` is "" when the state
    file has no name for it; `counters` are connections by reason since the entry was written.
    """

    action: Action
    fallback_action: Action
    slot_base: int
    slot_length: int
    fallback_base: int
    fallback_length: int
    affinity_seconds: int
    rate: int
    redirect: bool
    counter: int
    group: str
    group_id: int
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMaps:
    """What the maps hold for a destination. `gate` are the flags of its address, none for an address that
    is not looked up at all; `entry` is None where no frontend answers.
    """

    gate: tuple[str, ...]
    entry: MapEntry | None = None
