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
    """What one frontend answers. Backends are packed, as `backend_bytes`, in the order of the map; as (address,
    port) they are worked out when somebody asks: most plans are only counted, and may have 100,000.

    `rate` is in connections per second, 0 for no limit; `group` is 0 where no choice is kept.
    """

    action: Action
    affinity_seconds: int = 0
    packed_backends: BackendList = ()
    packed_fallback: BackendList = ()
    rate: int = 0
    group: int = 0
    redirect: bool = False
    fallback_action: Action = Action.REFUSE
    fallback_group: int = 0

    @property
    def backends(self) -> Destinations:
        return tuple([backend_parts(raw) for raw in self.packed_backends])

    @property
    def fallback(self) -> Destinations:
        return tuple([backend_parts(raw) for raw in self.packed_fallback])

    @classmethod
    def of(cls, frontend: WantedFrontend) -> FrontendState:
        return cls(
            action=ACTION_OF[frontend.action],
            affinity_seconds=frontend.affinity_seconds,
            packed_backends=frontend.backends,
            packed_fallback=frontend.fallback,
            rate=frontend.rate,
            group=frontend.group,
            redirect=bool(frontend.flags & FrontendFlag.REDIRECT),
            fallback_action=ACTION_OF[frontend.fallback_action],
            fallback_group=frontend.fallback_group,
        )


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
    found = [_change(key, wanted, actual) for key in keys]
    return tuple(sorted(found, key=lambda change: change.order))


def _change(key: bytes, wanted: Wanted, actual: Actual) -> Change:
    address, port, protocol = frontend_key_parts(key)
    before = FrontendState.of(actual.logical(key)) if key in actual.frontends else None
    after = FrontendState.of(wanted.frontends[key]) if key in wanted.frontends else None
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
