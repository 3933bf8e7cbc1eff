"""What commands show: the values that `reconcile` hands to `report`, and nothing about how either works.

They are a file of their own so that the side that fills them and the side that prints them can change
apart. Nothing here reads a map, a file or a clock, and nothing here knows text or JSON.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from balancer.desired.lookup import Outcome as Outcome  # shown as it is worked out
from balancer.desired.step import Step
from balancer.desired.types import Action, Backend, Desired, FrontendKind, Source
from balancer.explanation import Asker, LiveMaps, Neighbour, SourceState, Unused
from balancer.model.edit import Edit
from balancer.model.meta import IPAddress
from balancer.model.problem import Problem
from balancer.model.service import Protocol
from balancer.tally import Ending as Ending
from balancer.tally import Stage as Stage
from balancer.tally import Tally as Tally

if TYPE_CHECKING:
    from balancer.manifests import Manifests
    from balancer.plan.diff import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the files say, read and worked out for one host.

    `problems` are those of every stage, with line, column and excerpt filled in, sorted by file and
    line, each once. `stale_files` are the paths that are served from their last good content; only the
    watch loop sets it. `paths` are the directories and files that were asked for. `stages` is how long
    reading and computing took, in seconds. `step` is how `desired` came of the one before it, None where there
    was none. `edit` is what made the step. `basis` stands for what decided besides the files (`balancer.passes.basis`), "" where nobody took it down.
    """

    manifests: Manifests
    desired: Desired
    problems: tuple[Problem, ...] = ()
    stale_files: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    step: Step | None = None
    basis: str = ""
    edit: Edit | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.is_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """What one pass did. `plan` is what was written; `seconds` is how long the pass took.

    `loaded_programs`: the programs were not there and were compiled or loaded. `attached`: every hook
    is attached at the end of the pass. `sockets_ended`: connected sockets that were closed because their
    backend has gone. `stages` is how long each stage took, in seconds, those of `Loaded` included.
    """

    plan: Plan
    loaded_programs: bool
    attached: bool
    seconds: float
    sockets_ended: int = 0
    problems: tuple[Problem, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrontend:
    """One entry of the frontends map, with what is known of where it comes from.

    `kind` and `source` are None, and `object`, `port_name` and `file` ("a.yaml:12") are "", when the
    state file does not say. A backend's node is None when it is not known. `fallback` is what the next
    lower priority gives, `rate` the connections per second that a local redirect takes, 0 for no limit.

    `forwarded` and `rejected` count connections (for UDP, datagrams of unconnected sockets too) since
    the frontend was written. Of those forwarded, `fell_back` came from the redirect's own backends and
    `rate_limited` were above the rate; both got the fallback.
    """

    address: IPAddress
    port: int
    protocol: Protocol
    action: Action
    kind: FrontendKind | None = None
    source: Source | None = None
    object: str = ""
    port_name: str = ""
    file: str = ""
    affinity_seconds: int = 0
    rate: int = 0
    backends: tuple[Backend, ...] = ()
    fallback: tuple[Backend, ...] = ()
    forwarded: int = 0
    rejected: int = 0
    fell_back: int = 0
    rate_limited: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBackend:
    """One address and port that connections are sent to. `frontends` are "address:port/PROTOCOL",
    sorted; `node` is None when it is not known.
    """

    address: IPAddress
    port: int
    node: str | None = None
    frontends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAffinity:
    """One client that is kept on one backend.

    `client` is the cookie of the client's network namespace, `group` the service port it belongs to
    ("" when not known). `address` and `port` are the backend's. `expires_in_seconds` is 0 for a record
    that no longer counts.
    """

    client: int
    group: str
    address: IPAddress
    port: int
    last_seen_seconds_ago: float
    expires_in_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePolicy:
    """What became of one policy on this host.

    `file` is "a.yaml:12". `target` is what it is for: "Service default/web" or an address, "" when not
    known. `applies` says whether it is meant for this host and takes part, `reason` why not or what
    keeps it from having an effect. `frontends` ("address:port/PROTOCOL") are those that it decides now,
    `backends` ("address:port") where it sends their connections.

    The counts are those of `LiveFrontend`, added up over its frontends; None when no kernel was asked.
    """

    kind: str
    name: str
    file: str
    applies: bool
    reason: str = ""
    target: str = ""
    frontends: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    forwarded: int | None = None
    fell_back: int | None = None
    rate_limited: int | None = None

    @property
    def in_force(self) -> bool:
        """Whether it decides what some destination gets."""
        return bool(self.frontends)

    @property
    def object(self) -> str:
        """As a frontend names what decides it."""
        return f"{self.kind} {self.name}"


class Use(enum.StrEnum):
    """USED: what connections get. FALLBACK: what a local redirect's own backends, and connections above
    its rate, get. UNUSED: takes over once what is above it goes.
    """

    USED = "used"
    FALLBACK = "fallback"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """One of the objects that answer for a destination. `source` and `kind` are None, and texts "", when
    not known; `backends` is None where the live maps do not hold them.
    """

    use: Use
    source: Source | None
    kind: FrontendKind | None
    object: str
    port_name: str
    file: str
    action: Action
    backends: tuple[Backend, ...] | None = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a connection from this host to one destination gets, and why.

    `reason` is one sentence. `frontend` is the entry that decided, None when none did. `chain` is what
    answers for the destination, from the object that decided down to the lowest priority.
    `source_files` are the places ("a.yaml:12") that say so; `notes` is whatever else an operator should
    know.

    `backends` are all that a new connection of the asker may reach. `unused` are the endpoints that are none
    of them, as `sources` say; `differences` is where these disagree with the maps. `maps` is None where
    no kernel was asked. `neighbours` are the other ports of an address that has none here. `pods` are
    "namespace/name" by backend ("address:port"), where known.
    """

    address: IPAddress
    port: int
    protocol: Protocol
    outcome: Outcome
    reason: str
    backends: tuple[Backend, ...] = ()
    asker: Asker | None = None
    frontend: LiveFrontend | None = None
    chain: tuple[ChainLink, ...] = ()
    unused: tuple[Unused, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    maps: LiveMaps | None = None
    sources: SourceState = SourceState.GIVEN
    differences: tuple[str, ...] = ()
    pods: Mapping[str, str] = field(default_factory=dict)
    source_files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Everything that answers under one name; `asked` is the name."""

    asked: str
    destinations: tuple[Explanation, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One hook. `attached` is what the kernel says, not what was asked for; `program_id` is 0 when no
    program is there. `note` says what is wrong or unusual, "" when nothing is.
    """

    hook: str
    attached: bool
    program_id: int = 0
    cgroup: str = ""
    note: str = ""


class CanaryResult(enum.StrEnum):
    """WORKED: the programs answered. FAILED: they did not. UNVERIFIED: it could not be tried."""

    WORKED = "worked"
    FAILED = "failed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A connection that was made only to see whether the programs answer it; `note` says how it went."""

    result: CanaryResult = CanaryResult.UNVERIFIED
    note: str = ""


class Effect(enum.StrEnum):
    """EFFECTIVE: connections are translated, and a canary has shown it. UNVERIFIED: every program is in
    place, but no canary could be sent. INEFFECTIVE: some or all connections are not translated.
    """

    EFFECTIVE = "effective"
    UNVERIFIED = "unverified"
    INEFFECTIVE = "ineffective"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFill:
    """How full a map is, in entries."""

    name: str
    used: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPass:
    """The last pass of any command, as kept in the state file. `time` is timezone-aware; `result` is
    one word or sentence ("converged", or the message of the error it ended with). `paths` are the absolute
    paths that the last pass that converged was given, `digest` stands for the files it found and their
    contents (`balancer.sources`); both empty when not known.
    """

    time: datetime
    result: str
    seconds: float
    frontends: int
    files: int
    changes: int
    paths: tuple[str, ...] = ()
    digest: str = ""

    @property
    def converged(self) -> bool:
        return self.result == Ending.CONVERGED


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCount:
    """How many policies decide what some destination gets, and how many do not."""

    in_force: int = 0
    not_in_force: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The truth of the kernel. `build_id` is "" when nothing is loaded. `policies` counts those of the
    last pass; none is in force when nothing is loaded. `counters` is connections by reason.
    `stale_files` are those that are served from their last good content, `stale_since` says since when each
    is. `holder` says who holds the lock, "" when nobody does.
    """

    loaded: bool
    build_id: str = ""
    attachments: tuple[Attachment, ...] = ()
    canary: Canary = field(default_factory=Canary)
    maps: tuple[MapFill, ...] = ()
    last_pass: LastPass | None = None
    policies: PolicyCount = field(default_factory=PolicyCount)
    counters: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    stale_files: tuple[str, ...] = ()
    stale_since: Mapping[str, datetime] = field(default_factory=dict)
    holder: str = ""

    @property
    def attached(self) -> bool:
        """Whether the kernel says that the programs are loaded and every hook is attached."""
        return self.loaded and bool(self.attachments) and all(item.attached for item in self.attachments)

    @property
    def effect(self) -> Effect:
        """Whether connections are being translated: every hook attached, and the canary answered."""
        if not self.attached or self.canary.result is CanaryResult.FAILED:
            return Effect.INEFFECTIVE
        if self.canary.result is CanaryResult.UNVERIFIED:
            return Effect.UNVERIFIED
        return Effect.EFFECTIVE

    @property
    def effective(self) -> bool:
        return self.effect is Effect.EFFECTIVE


class Level(enum.StrEnum):
    """OK: fine. WARN: works with a limitation. FAIL: cannot work until somebody acts."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the data plane needs of the host: what was found, and the way out ("" when ok)."""

    name: str
    level: Level
    found: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        return self.level is not Level.FAIL
