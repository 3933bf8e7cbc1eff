"""One decision as it is shown, and what is said when a stream of them ends.

Values in between `observe`, which makes them, and `report`, which prints them: nothing here reads a
map, a file or a clock, and nothing here knows text or JSON.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from balancer.desired.types import FrontendKind, Source
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol


class Result(enum.StrEnum):
    """FORWARDED: it got a backend. REJECTED: the call failed."""

    FORWARDED = "forwarded"
    REJECTED = "rejected"


class Call(enum.StrEnum):
    """CONNECT: connect(2). SEND: sendto(2) and the like of a socket that is not connected."""

    CONNECT = "connect"
    SEND = "send"


class Where(enum.StrEnum):
    """POD: in a pod's cgroup. CONTAINER: in a container that no kubelet made. HOST: neither. UNKNOWN: the
    process and its cgroup had gone before anybody could look.
    """

    POD = "pod"
    CONTAINER = "container"
    HOST = "host"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asked. `pid` is the process, not the thread; `command` is its name (15 characters at most, of any
    sort), or that of the thread when the process had gone.

    `cgroup` is a path below the root of the hierarchy, "" when it could not be found. `namespace` and
    `pod` are "" for a pod that no manifest of this node names, `container` likewise. `unit` is a systemd unit.
    """

    pid: int
    command: str
    where: Where = Where.UNKNOWN
    cgroup_id: int = 0
    cgroup: str = ""
    namespace: str = ""
    pod: str = ""
    container: str = ""
    pod_uid: str = ""
    container_id: str = ""
    runtime: str = ""
    unit: str = ""

    @property
    def pod_name(self) -> str:
        """As "namespace/name", "" unless it is a pod with a known name."""
        return f"{self.namespace}/{self.pod}" if self.pod else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The backend; `node` and `pod` ("namespace/name") are "" when not known."""

    address: IPAddress
    port: int
    node: str = ""
    pod: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One decision. `time` is in UTC. `reason` is one of `kernel.reasons` in lower case.

    `address`, `port` and `protocol` are what was asked for, `backend` is None when it was rejected.
    `object` is the Service or policy that decided ("Service default/web"), `file` its place ("a.yaml:12");
    where a redirect gave way (fallback, rate_limited) that is the object beneath it, and `gave_way` is the
    redirect. `service` is the Service ("default/web") that the destination belongs to, whoever decided.
    Texts are "" and `kind` and `source` None when not known.
    """

    time: datetime
    result: Result
    reason: str
    call: Call
    address: IPAddress
    port: int
    protocol: Protocol
    client: Client
    backend: Chosen | None = None
    object: str = ""
    service: str = ""
    port_name: str = ""
    kind: FrontendKind | None = None
    source: Source | None = None
    file: str = ""
    gave_way: str = ""
    netns: int = 0
    socket: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Decisions that were made and cannot be shown, because they came faster than they were read. In the
    `unheard_seconds` nobody was told of any, because the listener was stopped.
    """

    time: datetime
    lost: int
    total: int
    unheard_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a stream came to. `seen` is every decision that was read, `matched` those that passed the filters,
    `shown` those printed after sampling, `lost` those that could not be read; `unheard_seconds` as in `Lost`.

    The counts are of those that matched, the largest first; "" is counted as what could not be named.
    """

    time: datetime
    seconds: float
    seen: int = 0
    matched: int = 0
    shown: int = 0
    lost: int = 0
    unheard_seconds: float = 0.0
    results: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    services: Mapping[str, int] = field(default_factory=dict)
    clients: Mapping[str, int] = field(default_factory=dict)
