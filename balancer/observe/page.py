"""What the status page shows, read from the live maps and the state file, and read seldom.

A page that stays open asks every few seconds. Names and backends are worked out anew only when a pass was
made or the frontends map is another; between these only counters are read. Nothing loaded is an answer.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from balancer import __version__, durable, state
from balancer.config import Settings
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Generation, Pins
from balancer.live import Snapshot, frontends_of, snapshot_of
from balancer.observe.page_parts import (
    Backends,
    Json,
    counts_part,
    frontend_part,
    health_part,
    problem_part,
)
from balancer.plan.entries import ACTION_OF, INDEX, MapName, frontend_key
from balancer.state.outcome_json import policy_to_json
from balancer.status import status
from balancer.views import Status

STATUS_SECONDS = 5.0
COUNTS_SECONDS = 0.5
"""How old an answer may be: that of `status`, whose canary is a process, and that of the counters."""

Stamp = tuple[object, ...] | None


def page_state(settings: Settings) -> Mapping[str, Any]:
    """All that the page shows, once. Raises BalancerError; nothing loaded is no error."""
    return Page(settings)()


@dataclass(frozen=True, slots=True)
class _Names:
    """What stays while no pass is made. `counters` are keys of the counters map, one a frontend."""

    stamp: Stamp
    part: Json
    digest: str
    counters: tuple[bytes, ...] = ()


class Page:
    """What the page shows, for an `App`: one for all that ask, in any thread."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._names = _Names((), {}, "")
        self._status: tuple[float, Stamp, Status] | None = None
        self._state: tuple[float, Json] | None = None

    def __call__(self) -> Mapping[str, Any]:
        """Names, backends, problems, and as "live" what changes with traffic and time. "version" changes
        with everything but that. Raises BalancerError.
        """
        with self._lock:
            now = self._clock()
            if self._state is None or now - self._state[0] >= COUNTS_SECONDS:
                self._state = (now, self._look(now))
            return self._state[1]

    def _look(self, now: float) -> Json:
        told = self._told(now)
        counts = self._counts()
        said = _said(told)
        version = _digest([self._names.digest, said])
        live = {"version": version, "health": health_part(told), "counts": counts}
        return {"version": version, "host": _host(self._settings), **self._names.part, **said, "live": live}

    def _told(self, now: float) -> Status:
        """The status, renewed after a while and after every pass."""
        stamp = durable.stamp(self._settings.state)
        if self._status is None or now - self._status[0] >= STATUS_SECONDS or stamp != self._status[1]:
            self._status = (now, stamp, status(self._settings))
        return self._status[2]

    def _counts(self) -> dict[str, list[int]]:
        """The counts, after the names were renewed if they may have changed."""
        generation = Pins(self._settings.bpffs).live()
        if generation is None:
            self._names = _nothing_loaded(self._settings)
            return {}
        with PinnedMaps(generation.maps) as store:
            stamp = _stamp(self._settings, generation, store)
            if stamp != self._names.stamp:
                with snapshot_of(self._settings) as snapshot:
                    self._names = _names(stamp, snapshot)
            return counts_part(store.read(MapName.COUNTERS, self._names.counters))


def _stamp(settings: Settings, generation: Generation, store: PinnedMaps) -> Stamp:
    """What is another one as soon as names or backends may be. A list of backends is never changed in its
    place, and whoever changes a map replaces the state file.
    """
    frontends = hashlib.sha256()
    for key, value in sorted(store.dump(MapName.FRONTENDS).items()):
        frontends.update(key + value)
    files = [durable.stamp(path) for path in (settings.state, state.names_path(settings.state))]
    return (generation.build_id, frontends.digest(), *files)


def _names(stamp: Stamp, snapshot: Snapshot) -> _Names:
    backends = Backends(snapshot.names.backend_pods)
    parts, counters = [], []
    for item in frontends_of(snapshot):
        entry = snapshot.actual.frontends[frontend_key(item.address, item.port, item.protocol)]
        parts.append(frontend_part(item, snapshot.names, backends, ACTION_OF[entry.fallback_action]))
        counters.append(INDEX.pack(entry.counter))
    policies = [policy_to_json(policy) for policy in snapshot.names.policies]
    part = {"frontends": parts, "backends": backends.rows, "policies": policies}
    return _Names(stamp, part, _digest(part), tuple(counters))


def _nothing_loaded(settings: Settings) -> _Names:
    """Policies are known from the last pass, and none has an effect."""
    names, _ = state.load(settings.state)
    policies = [{**policy_to_json(policy), "frontends": []} for policy in names.policies]
    part: Json = {"frontends": [], "backends": [], "policies": policies}
    return _Names((), part, _digest(part))


def _said(told: Status) -> Json:
    return {
        "problems": [problem_part(problem) for problem in told.problems],
        "stale_files": list(told.stale_files),
    }


def _host(settings: Settings) -> Json:
    return {
        "node": settings.node,
        "name": socket.gethostname(),
        "version": __version__,
        "resync_seconds": settings.resync_seconds,
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
