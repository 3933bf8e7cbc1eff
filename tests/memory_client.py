"""What a client of a `MemoryStore` would get: the look-up of `bpf/select.h`, in Python, on what the maps mean.

Frontends, gate and rules are given apart, so that a test can also ask what a mixture of two states answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from memory_store import MemoryStore

from balancer.desired.lookup import Outcome
from balancer.desired.types import Action, AddressFlags
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol
from balancer.plan import entries
from balancer.plan.actual import read_actual
from balancer.plan.encode import BackendList, Wanted, WantedFrontend
from balancer.plan.entries import CGROUP_ID, OWNER, FrontendEntry, FrontendFlag, MapName

_OUTCOMES = {number: Outcome(str(action)) for action, number in entries.ACTION_NUMBER.items()}
_FORWARD = entries.ACTION_NUMBER[Action.FORWARD]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A process in cgroup number `cgroup` (0: in none with a rule), above the rate of every redirect or not."""

    cgroup: int = 0
    above_rate: bool = False


class Destination(NamedTuple):
    address: IPAddress
    port: int
    protocol: Protocol


class Reply(NamedTuple):
    """`backends` are those that one connection may reach, each with the same chance."""

    outcome: Outcome
    backends: BackendList = ()


def seen(store: MemoryStore) -> Wanted:
    """What the maps mean; raises AssertionError for a check word that a program would not accept."""
    for key, raw in store.maps[MapName.FRONTENDS].items():
        assert raw == FrontendEntry.unpack(raw).pack(key)
    for key, raw in store.maps[MapName.ADDRESSES].items():
        assert raw == entries.address_value(key, entries.address_flags(raw))
    actual = read_actual(store)
    return Wanted(
        frontends={key: actual.logical(key) for key in actual.frontends},
        addresses=actual.addresses,
        members=actual.members,
        cgroups=actual.cgroups,
        owners=actual.owners,
    )


def reply(state: Wanted, to: Destination, caller: Caller) -> Reply:
    """What one connection gets."""
    return next(_replies((state,), to, caller))


def mixtures(old: Wanted, new: Wanted, to: Destination, caller: Caller) -> set[Reply]:
    """What it may get while one state becomes the other: each entry on its way is an old or a new one."""
    return set(_replies((old, new), to, caller))


def _replies(states: tuple[Wanted, ...], to: Destination, caller: Caller) -> Iterator[Reply]:
    exact = entries.frontend_key(*to)
    unspecified = type(to.address)(0)
    anywhere = entries.frontend_key(unspecified, to.port, to.protocol)
    gate = entries.address_bytes(to.address)
    for first, second, third, fourth in product(states, repeat=4):
        flags = first.addresses.get(gate, 0)
        frontend = second.frontends.get(exact)
        if frontend is None and flags & AddressFlags.NODE:
            frontend = third.frontends.get(anywhere)
        yield _decide(flags, frontend, fourth, caller)


def _decide(flags: int, frontend: WantedFrontend | None, rules: Wanted, caller: Caller) -> Reply:
    if not flags or CGROUP_ID.pack(caller.cgroup) in rules.cgroups:
        return Reply(Outcome.PASS)
    if frontend is None:
        return Reply(Outcome.REFUSE if flags & AddressFlags.VIP else Outcome.PASS)
    if frontend.action != _FORWARD:
        return Reply(_OUTCOMES[frontend.action])
    own = bool(frontend.flags & FrontendFlag.REDIRECT) and (
        OWNER.pack(frontend.group, caller.cgroup) in rules.owners
    )
    chosen = frontend.fallback if own or (frontend.rate and caller.above_rate) else frontend.backends
    return Reply(Outcome.FORWARD, chosen) if chosen else Reply(_OUTCOMES[frontend.fallback_action])
