"""What a connection or a datagram costs its client, against one that names the backend itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from . import addresses, stand
from .result import Report, Row
from .rounds import Plan, cost
from .stand import Contender, Stand
from .tools import Aim

PART = "data plane"
_FULL = 10_000
"""The size that the bars are for."""
_BARS = {"nftables": ">= 1.3", "iptables": ">= 4"}


@dataclass(slots=True, kw_only=True)
class Field:
    """Everybody who takes part. `events` and `policies` are ours with a listener, and with policies."""

    direct: Contender
    haproxy: Contender
    ours: Sequence[Contender]
    others: Sequence[Contender]
    events: Contender
    policies: Contender
    size: int
    setups: dict[str, float] = field(default_factory=dict)

    @property
    def everybody(self) -> list[Contender]:
        return [self.direct, *self.ours, *self.others]

    @property
    def main(self) -> Contender:
        """Ours, at the size that the bars are for."""
        return next(made for made in self.ours if made.services == self.size)


def sizes(plan: Plan, kind: str) -> Sequence[int]:
    """How many services each kind is tried with: a linear ruleset is hopeless at the largest."""
    if plan.tiny:
        return (20,)
    if plan.quick:
        return (100, 1_000)
    return (100, 1_000, 10_000) if kind == "iptables" else (100, 1_000, 10_000, 50_000)


def set_up(made: Stand, plan: Plan) -> Field:
    """All contenders, ready to be used."""
    ours, others = [], []
    for services in sizes(plan, "ours"):
        plan.tell(f"set up ours, {services:,} services")
        more = stand.affinity_objects() if services == _size(plan) else ()
        ours.append(made.ours(f"ours {services:,}", services, more))
    for kind, build in (("nftables", made.nftables), ("iptables", made.iptables)):
        for services in sizes(plan, kind):
            plan.tell(f"set up {kind}, {services:,} services")
            others.append(build(services))
    plan.tell("set up ours with a listener to events, and with policies; haproxy; direct")
    size = _size(plan)
    events = made.ours(f"ours {size:,}, events on", size, stand.policy_objects() if plan.tiny else ())
    made.follow_events(events)
    policies = events if plan.tiny else made.ours(f"ours {size:,}, policies", size, stand.policy_objects())
    direct, haproxy = made.direct(), made.haproxy()
    return Field(
        direct=direct, haproxy=haproxy, ours=ours, others=others, events=events, policies=policies, size=size
    )


def _size(plan: Plan) -> int:
    return min(_FULL, sizes(plan, "ours")[-1])


Pick = Callable[[Contender], Aim]


def _plain(contender: Contender) -> Aim:
    return Aim(address=addresses.PLAIN, port=addresses.TARGET)


def run(made: Field, plan: Plan, report: Report) -> None:
    """Every measure, in turns among all that it makes sense for."""
    size = made.size

    def hot(contender: Contender) -> Aim:
        return contender.hot(like=size)

    def hot_udp(contender: Contender) -> Aim:
        return contender.hot("UDP", like=size)

    def spread(contender: Contender) -> Aim:
        return contender.spread(like=size)

    measures: list[tuple[str, str, Pick, Iterable[Contender], str]] = [
        (
            "TCP connect+close, one service",
            "tcp",
            hot,
            [*made.everybody, made.events, made.policies],
            "<= 1.05",
        ),
        ("TCP connect+close, all services in turn", "tcp", spread, made.everybody, ""),
        ("TCP connect, a byte each way, close", "talk", hot, [*made.everybody, made.haproxy], ""),
        ("UDP connected: question, answer, close", "udp", hot_udp, [*made.everybody, made.events], ""),
        ("UDP unconnected, one socket", "datagram", hot_udp, [*made.everybody, made.events], ""),
        ("UDP unconnected, a socket each time", "datagram-new", hot_udp, made.everybody, ""),
        ("TCP to what is no service", "tcp", _plain, made.everybody, "<= 1.02"),
    ]
    for number, (name, operation, pick, contenders, bar) in enumerate(measures, 1):
        plan.tell(f"{PART} {number}/{len(measures) + 1}: {name}")
        values = cost({who.name: (who, operation, pick(who)) for who in contenders}, plan)
        report.rows.extend(_rows(name, values, made, bar))
    plan.tell(f"{PART} {len(measures) + 1}/{len(measures) + 1}: affinity and policies")
    report.rows.extend(_features(made, plan))


def _rows(name: str, values: dict[str, list[float]], made: Field, bar: str) -> Iterable[Row]:
    """Each one against direct; then the others against ours, where the bars are."""
    main = made.main.name
    for who, found in values.items():
        if who != "direct":
            yield Row(
                part=PART,
                measure=name,
                who=who,
                unit="us",
                values=found,
                against="direct",
                bases=values["direct"],
                bar=bar if who == main else "",
            )
    for other in made.others:
        if bar == "<= 1.05" and other.services == made.size:
            yield Row(
                part=PART,
                measure=name,
                who=other.name,
                unit="us",
                values=values[other.name],
                against=main,
                bases=values[main],
                bar=_BARS[other.kind] if made.size == _FULL else "",
            )


def _features(made: Field, plan: Plan) -> Iterable[Row]:
    """Ours with what makes a decision longer, against ours without, and against direct."""
    main = made.main
    cases = {
        "direct": (made.direct, "tcp", made.direct.hot(like=made.size)),
        main.name: (main, "tcp", main.hot()),
        f"{main.name}, ClientIP affinity": (main, "tcp", stand.AFFINITY),
        f"{main.name}, 1,000 backends": (main, "tcp", stand.MANY[1000]),
        f"{main.name}, BalancingPolicy": (made.policies, "tcp", stand.POLICY),
        f"{main.name}, LocalRedirectPolicy": (made.policies, "tcp", stand.REDIRECT),
        f"{main.name}, IPv6": (main, "tcp", stand.SIX),
    }
    values = cost(cases, plan)
    for who in list(cases)[2:]:
        yield Row(
            part=PART,
            measure="TCP connect+close, more to decide",
            who=who,
            unit="us",
            values=values[who],
            against="direct",
            bases=values["direct"],
        )
