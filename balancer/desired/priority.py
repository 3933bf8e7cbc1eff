"""localRedirect > balancing > service: who answers a destination, and who stands beneath.

The order is settled here, so that the data plane needs one look-up; it knows nothing of policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from balancer.desired.conflicts import Key
from balancer.desired.types import Frontend, Source

_RANK = {source: rank for rank, source in enumerate(Source)}


def stack(services: Mapping[Key, Frontend], offers: Iterable[Frontend]) -> dict[Key, Frontend]:
    """The frontend of every destination, each with what it replaced in `beneath`.

    `offers` are what the policies would answer, at most one of a source for a destination, in any
    order. An offer without backends leaves the destination to the next lower priority, in this same
    pass; where there is none, it refuses.
    """
    found = dict(services)
    for offer in sorted(offers, key=lambda offer: _RANK[offer.source]):
        key = (offer.address, offer.port, offer.protocol)
        beneath = found.get(key)
        if offer.backends or beneath is None:
            found[key] = replace(offer, beneath=beneath)
    return found


def chain(frontend: Frontend) -> tuple[Frontend, ...]:
    """What stands beneath a frontend, the next lower priority first."""
    found = []
    lower = frontend.beneath
    while lower is not None:
        found.append(lower)
        lower = lower.beneath
    return tuple(found)
