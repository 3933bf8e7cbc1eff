"""From two readings of the counters to connections per second, per service port or per frontend.

Pure: readings in, rows out. A counter only ever grows until it starts again at zero: when its frontend was
removed and came back, or the programs were removed and loaded again. What it then shows has been
counted since, so that a rate is never negative and never counts a connection twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from balancer.desired.types import Action, FrontendKind, Source
from balancer.traffic import Counts, Rates, Reading, Row, Tracked

_KINDS = {kind: place for place, kind in enumerate(FrontendKind)}
_UNKNOWN = len(_KINDS)


def grown(before: Counts | None, now: Counts) -> Counts:
    """What was counted since `before`: everything if there was no such counter, or if it began anew."""
    if before is None or any(new < old for old, new in zip(before, now, strict=True)):
        return now
    return now.minus(before)


def rates_of(growth: Counts, seconds: float) -> Rates:
    """Per second; `seconds` is more than 0."""
    return Rates(*(count / seconds for count in growth[: len(Rates._fields)]))


def growth_by_name(before: Reading, now: Reading) -> dict[str, Counts]:
    """What each frontend of `now` counted since `before`. One that is new counted all it has since."""
    known = {item.name: item.counts for item in before.frontends}
    return {item.name: grown(known.get(item.name), item.counts) for item in now.frontends}


def rows_of(before: Reading | None, now: Reading, *, per_frontend: bool = False) -> tuple[Row, ...]:
    """A row for each service port, or for each frontend, in the order of the readings' frontends.

    Without `before`, or if no time has passed since, there are no rates.
    """
    growth = growth_by_name(before, now) if before is not None and now.at > before.at else None
    seconds = now.at - before.at if before is not None else 0.0
    groups: dict[str, list[Tracked]] = defaultdict(list)
    for item in now.frontends:
        groups[item.name if per_frontend else service_port(item)].append(item)
    return tuple(_row(key, items, growth, seconds) for key, items in groups.items())


def total_of(rows: Iterable[Row]) -> Rates | None:
    """All rows together; None if there are rows without rates."""
    total = Rates()
    for row in rows:
        if row.rates is None:
            return None
        total = Rates(*(left + right for left, right in zip(total, row.rates, strict=True)))
    return total


def service_port(item: Tracked) -> str:
    """The service port that a frontend belongs to, as text; its own name where no Service is known.

    The addresses of a policy without a Service belong together by policy and port.
    """
    live = item.live
    if item.service:
        return f"{item.service}:{live.port_name}/{live.protocol}"
    if live.object:
        return f"{live.object}:{live.port}/{live.protocol}"
    return item.name


def _row(key: str, items: list[Tracked], growth: Mapping[str, Counts] | None, seconds: float) -> Row:
    ordered = tuple(sorted(items, key=_place))
    first = ordered[0].live
    grew = counts = Counts()
    for item in ordered:
        counts = counts.plus(item.counts)
        grew = grew.plus(growth[item.name]) if growth is not None else grew
    return Row(
        key=key,
        service=ordered[0].service,
        port_name=first.port_name,
        port=first.port,
        protocol=first.protocol,
        addresses=tuple(item.name.rpartition("/")[0] for item in ordered),
        counts=counts,
        rates=rates_of(grew, seconds) if growth is not None else None,
        backends=len({(to.address, to.port) for item in ordered for to in item.live.backends}),
        affinity_seconds=max(item.live.affinity_seconds for item in ordered),
        action=_action(ordered),
        policy=next((name for name in map(policy_of, ordered) if name), ""),
        file=first.file,
        frontends=ordered,
    )


def _place(item: Tracked) -> tuple[int, int, int, int, str]:
    """Cluster addresses first, IPv4 before IPv6."""
    live = item.live
    kind = _KINDS[live.kind] if live.kind else _UNKNOWN
    return (kind, live.address.version, int(live.address), live.port, live.protocol)


def _action(items: Iterable[Tracked]) -> Action:
    """What connections get: forward as long as some frontend does."""
    actions = [item.live.action for item in items]
    return Action.FORWARD if Action.FORWARD in actions else actions[0]


def policy_of(item: Tracked) -> str:
    """The policy that decides a frontend, "" when none does or its name is not known."""
    live = item.live
    return live.object if live.source not in {None, Source.SERVICE} else ""
