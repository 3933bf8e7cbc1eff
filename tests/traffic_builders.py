"""Short ways to readings and rows for the tests of top."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from balancer.desired.types import Action, Backend, FrontendKind, Source
from balancer.model.service import Protocol
from balancer.observe.rates import rows_of
from balancer.traffic import Counts, Link, Reading, Row, Tracked
from balancer.views import LiveFrontend

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
PODS = ("10.244.0.1", "10.244.0.2")


def tracked(
    service: str,
    forwarded: int = 0,
    *,
    address: str = "10.96.0.1",
    port: int = 80,
    port_name: str = "",
    backends: Sequence[str] = PODS,
    counts: Counts | None = None,
    counter: int = 2,
    chain: Sequence[Link] | None = None,
    **fields: Any,
) -> Tracked:
    """One frontend of a Service ("" for one that nothing is known of)."""
    known = bool(service)
    live = LiveFrontend(
        **{
            "address": ip_address(address),
            "port": port,
            "protocol": Protocol.TCP,
            "action": Action.FORWARD if backends else Action.REFUSE,
            "kind": FrontendKind.CLUSTER_IP if known else None,
            "source": Source.SERVICE if known else None,
            "object": f"Service {service}" if known else "",
            "port_name": port_name,
            "file": "a.yaml:1" if known else "",
            "backends": tuple(Backend(address=ip_address(item), port=8080, node="n1") for item in backends),
            **fields,
        }
    )
    bracketed = f"[{address}]" if ":" in address else address
    own = Link(object=live.object, source=Source.SERVICE, action=live.action, file=live.file)
    return Tracked(
        live=live,
        name=f"{bracketed}:{port}/{live.protocol}",
        counter=counter,
        counts=counts or Counts(forwarded=forwarded),
        service=service,
        chain=tuple(chain) if chain is not None else (own,) if known else (),
    )


def reading(at: float, *frontends: Tracked, **fields: Any) -> Reading:
    """The maps `at` seconds after noon."""
    return Reading(at=at, time=NOON + timedelta(seconds=at), frontends=frontends, **fields)


def row(service: str, rate: float | None = None, **fields: Any) -> Row:
    """The row of one frontend with so many connections per second; None for no rates yet."""
    now = reading(1.0, tracked(service, int(rate or 0), **fields))
    (made,) = rows_of(None if rate is None else reading(0.0), now)
    return made
