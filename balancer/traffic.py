"""How much goes where, as values: what `observe` works out of two readings and `report` shows.

Nothing here reads a map, a file or a clock, and nothing here knows text or JSON.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from balancer.desired.types import Action, Source
from balancer.model.problem import Problem
from balancer.model.service import Protocol
from balancer.views import Effect, LastPass, LiveFrontend


class Counts(NamedTuple):
    """Decisions since a counter began: `fell_back` and `rate_limited` are part of `forwarded`, and so is
    `kept`, the datagrams of unconnected UDP sockets that stayed with their backend.
    """

    forwarded: int = 0
    rejected: int = 0
    fell_back: int = 0
    rate_limited: int = 0
    kept: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def minus(self, other: Counts) -> Counts:
        return Counts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class Rates(NamedTuple):
    """Decisions per second, as in `Counts`."""

    forwarded: float = 0.0
    rejected: float = 0.0
    fell_back: float = 0.0
    rate_limited: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One of the objects that answer for a frontend, by priority. `file` is "a.yaml:12"."""

    object: str
    source: Source
    action: Action
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A live frontend and what is known of it. `name` is "address:port/PROTOCOL", `counter` its entry in
    the counters map, `service` "default/web" ("" when no Service is known), `chain` who decides and
    who is beneath (empty when not known). `counts` are those of the reading; those of `live` may be older.
    """

    live: LiveFrontend
    name: str
    counter: int
    counts: Counts
    service: str = ""
    chain: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The live maps at one moment: `at` in seconds of CLOCK_MONOTONIC, `time` timezone-aware.

    `pods` are "namespace/name" by backend address.
    """

    at: float
    time: datetime
    frontends: tuple[Tracked, ...] = ()
    last_pass: LastPass | None = None
    problems: tuple[Problem, ...] = ()
    stale_files: tuple[str, ...] = ()
    pods: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One service port (all its addresses together), or one frontend.

    `key` is the same in every view. `service` is "default/web", or "" when no Service is known. `port` is
    the port of the first of `addresses` ("address:port", cluster addresses first). `rates` are None
    until there are two readings. `backends` counts each once, without fallbacks. `policy` is
    "LocalRedirectPolicy near" where a policy decides, else "". `file` is where the first frontend is
    decided, `trend` the latest rates of forwarded, the newest last.
    """

    key: str
    service: str
    port_name: str
    port: int
    protocol: Protocol
    addresses: tuple[str, ...]
    counts: Counts
    rates: Rates | None
    backends: int
    affinity_seconds: int
    action: Action
    policy: str
    file: str
    frontends: tuple[Tracked, ...]
    trend: tuple[float, ...] = ()


class Column(enum.StrEnum):
    """What rows can be sorted by."""

    SERVICE = "service"
    PORT = "port"
    VIPS = "vips"
    RATE = "rate"
    TOTAL = "total"
    BACKENDS = "backends"
    REJECTED = "rejected"
    FELL_BACK = "fallback"
    RATE_LIMITED = "limited"
    AFFINITY = "affinity"
    POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFound:
    """Whether connections are translated, and the words for it."""

    effect: Effect
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one refresh shows. `seconds` lie between its two readings, 0 when there is only one; `total` are
    the rates of all rows together, whatever is filtered.
    """

    host: str
    reading: Reading
    seconds: float
    rows: tuple[Row, ...]
    total: Rates | None
    effect: EffectFound | None = None
