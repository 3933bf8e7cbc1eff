"""How problems and reasons name a destination, so that all of them name it alike."""

from __future__ import annotations

from collections.abc import Sequence

from balancer.model.meta import IPAddress, Meta


def endpoint_text(address: IPAddress, port: int) -> str:
    """Text such as 10.96.0.10:80, or [fd00::1]:80."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def first_and_more(items: Sequence[str]) -> str:
    """The first of one or more items, and how many others there are."""
    return f"{items[0]} and {len(items) - 1} more" if len(items) > 1 else items[0]


def precedence(winner: Meta, loser: Meta) -> str:
    """Why `Meta.age_order` puts one object before another of its kind."""
    if winner.created == loser.created:
        return "whose name sorts first"
    return "which is older" if loser.created else "which has a creationTimestamp"
