"""What a plan does to frontends, in the terms of the person who reads it.

Derived from the same difference as the writes and shown instead of them. This must hold nothing that
`execute` needs: what is printed never decides what is written.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from balancer.desired.types import Action
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol
from balancer.plan.actual import Actual
from balancer.plan.encode import BackendList, Label, Wanted, WantedFrontend
from balancer.plan.entries import ACTION_OF, FrontendFlag, backend_parts, frontend_key_parts

Destinations = tuple[tuple[IPAddress, int], ...]


class Verb(enum.StrEnum):
    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendState:
    """What one frontend answers. Backends are (address, port) in the order of the map.

    `rate` is in connections per second, 0 for no limit; `group` is 0 where no choice is kept.
    """

    action: Action
    affinity_seconds: int = 0
    backends: Destinations = ()
    fallback: Destinations = ()
    rate: int = 0
    group: int = 0
    redirect: bool = False
    fallback_action: Action = Action.REFUSE
    fallback_group: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One frontend that a plan adds (`before` is None), changes or deletes (`after` is None).

    `object` and `kind` name what asks for it; both are "" for a frontend that nothing asks for any more.
    """

    verb: Verb
    address: IPAddress
    port: int
    protocol: Protocol
    before: FrontendState | None
    after: FrontendState | None
    object: str = ""
    kind: str = ""

    @property
    def order(self) -> tuple[int, int, int, str]:
        """The order of `Frontend.order`."""
        return (self.address.version, int(self.address), self.port, self.protocol)


def destination(address: IPAddress, port: int, protocol: Protocol) -> str:
    """How a frontend is written for people: ``10.96.0.10:53/UDP``, ``[fd00::1]:80/TCP``."""
    return f"{address_port(address, port)}/{protocol}"


def address_port(address: IPAddress, port: int) -> str:
    """``10.96.0.10:53`` or ``[fd00::1]:80``."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def find_changes(keys: Iterable[bytes], wanted: Wanted, actual: Actual) -> tuple[Change, ...]:
    """The changes to the frontends under `keys`, each of which is wanted, live or both, in order."""
    describe = Describer()
    found = [_change(key, wanted, actual, describe) for key in keys]
    return tuple(sorted(found, key=lambda change: change.order))


def _change(key: bytes, wanted: Wanted, actual: Actual, describe: Describer) -> Change:
    address, port, protocol = frontend_key_parts(key)
    before = describe.state(actual.logical(key)) if key in actual.frontends else None
    after = describe.state(wanted.frontends[key]) if key in wanted.frontends else None
    verb = Verb.ADD if before is None else Verb.DELETE if after is None else Verb.CHANGE
    label = wanted.labels.get(key, Label("", ""))
    return Change(
        verb=verb,
        address=address,
        port=port,
        protocol=protocol,
        before=before,
        after=after,
        object=label.object,
        kind=label.kind,
    )


class Describer:
    """Unpacks frontends; every list and every backend is unpacked once."""

    def __init__(self) -> None:
        self._lists: dict[BackendList, Destinations] = {}
        self._backends: dict[bytes, tuple[IPAddress, int]] = {}

    def state(self, frontend: WantedFrontend) -> FrontendState:
        return FrontendState(
            action=ACTION_OF[frontend.action],
            affinity_seconds=frontend.affinity_seconds,
            backends=self._destinations(frontend.backends),
            fallback=self._destinations(frontend.fallback),
            rate=frontend.rate,
            group=frontend.group,
            redirect=bool(frontend.flags & FrontendFlag.REDIRECT),
            fallback_action=ACTION_OF[frontend.fallback_action],
            fallback_group=frontend.fallback_group,
        )

    def _destinations(self, backends: BackendList) -> Destinations:
        found = self._lists.get(backends)
        if found is None:
            found = self._lists[backends] = tuple([self._destination(raw) for raw in backends])
        return found

    def _destination(self, raw: bytes) -> tuple[IPAddress, int]:
        found = self._backends.get(raw)
        if found is None:
            found = self._backends[raw] = backend_parts(raw)
        return found
