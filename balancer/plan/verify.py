"""Whether the maps say what was wanted, read back after a pass.

Compares logical content only, so it does not depend on the plan that was played and finds its errors
too. It must never correct anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from balancer.plan.actual import Actual
from balancer.plan.changes import FrontendState, address_port, destination
from balancer.plan.encode import Wanted
from balancer.plan.entries import CGROUP_ID, MEMBER, OWNER, address_of, backend_parts, frontend_key_parts


def verify(wanted: Wanted, actual: Actual) -> tuple[str, ...]:
    """One line for each difference, in the order frontends, addresses, members, cgroups; empty if none."""
    members = dict.fromkeys(wanted.members, 1), dict.fromkeys(actual.members, 1)
    owners = dict.fromkeys(wanted.owners, 1), dict.fromkeys(actual.owners, 1)
    return (
        *_frontends(wanted, actual),
        *_entries("address", wanted.addresses, actual.addresses, lambda key: str(address_of(key))),
        *_entries("member", *members, _member_name),
        *_entries("owner", *owners, lambda key: "cgroup {1} of group {0:016x}".format(*OWNER.unpack(key))),
        *_entries("cgroup", wanted.cgroups, actual.cgroups, lambda key: str(CGROUP_ID.unpack(key)[0])),
    )


def _frontends(wanted: Wanted, actual: Actual) -> Iterator[str]:
    for key in sorted(wanted.frontends.keys() | actual.frontends.keys()):
        want = wanted.frontends.get(key)
        live = actual.logical(key) if key in actual.frontends else None
        if want == live:
            continue
        name = f"frontend {destination(*frontend_key_parts(key))}"
        if live is None:
            yield f"{name} is missing"
        elif want is None:
            yield f"{name} should not be there"
        else:
            yield from _differing_fields(name, FrontendState.of(want), FrontendState.of(live))


def _differing_fields(name: str, want: FrontendState, live: FrontendState) -> Iterator[str]:
    for item in fields(FrontendState):
        wanted_text, live_text = _text(getattr(want, item.name)), _text(getattr(live, item.name))
        if wanted_text != live_text:
            yield f"{name}: {item.name.removeprefix('packed_')} is {live_text}, wanted {wanted_text}"


def _text(value: object) -> str:
    """Packed backends as ``10.0.0.1:80, [fd00::1]:80``, "none" for an empty list, anything else as it is."""
    if not isinstance(value, tuple):
        return str(value)
    return ", ".join(address_port(*backend_parts(raw)) for raw in value) or "none"


def _member_name(key: bytes) -> str:
    group, backend = MEMBER.unpack(key)
    return f"{address_port(*backend_parts(backend))} of group {group:016x}"


def _entries(
    what: str, wanted: Mapping[bytes, object], live: Mapping[bytes, object], name: Callable[[bytes], str]
) -> Iterator[str]:
    for key in sorted(wanted.keys() | live.keys()):
        if key not in live:
            yield f"{what} {name(key)} is missing"
        elif key not in wanted:
            yield f"{what} {name(key)} should not be there"
        elif wanted[key] != live[key]:
            yield f"{what} {name(key)} is {_value(live[key])}, wanted {_value(wanted[key])}"


def _value(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
