"""What the programs themselves cost, by the kernel's own statistics, against a program that does nothing."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import addresses, stand
from .dataplane import Field
from .result import Report, Row
from .rounds import Plan
from .stand import Contender, Stand
from .tools import Aim

PART = "program"
_SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`hook` is the program looked at while `operation` is done on `aim` of `who`."""

    hook: str
    name: str
    who: Contender
    operation: str
    aim: Aim
    bar: str = ""
    raw_bar: str = ""


@contextlib.contextmanager
def statistics_on() -> Iterator[None]:
    """The kernel times every program meanwhile, which costs a little by itself."""
    before = _SWITCH.read_text()
    _SWITCH.write_text("1")
    try:
        yield
    finally:
        _SWITCH.write_text(before)


def programs(cgroup: Path) -> dict[str, int]:
    """The ids of the programs attached to a cgroup, by name."""
    shown = subprocess.run(["bpftool", "-j", "cgroup", "show", str(cgroup)], capture_output=True, check=True)
    return {item["name"]: item["id"] for item in json.loads(shown.stdout)}


def _run(program: int) -> tuple[int, int]:
    """How often it ran, and for how many nanoseconds."""
    shown = subprocess.run(
        ["bpftool", "-j", "prog", "show", "id", str(program)], capture_output=True, check=True
    )
    found = json.loads(shown.stdout)
    return found.get("run_cnt", 0), found.get("run_time_ns", 0)


def run(made: Stand, everybody: Field, plan: Plan, report: Report) -> None:
    """Every case, in turns with the empty program of the same hook."""
    empty = made.empty()
    cases = _cases(everybody)
    names = {
        who.place.cgroup: programs(who.place.cgroup)
        for who in [empty, *(case.who for case in cases)]
        if who.place.cgroup is not None
    }
    with statistics_on():
        found, bases = _measure(cases, empty, names, plan)
    _report(cases, found, bases, report)
    report.rows.append(_flatness(everybody, cases, found))


def _measure(
    cases: list[Case], empty: Contender, names: Mapping[Path, Mapping[str, int]], plan: Plan
) -> tuple[dict[Case, list[float]], dict[Case, list[float]]]:
    found: dict[Case, list[float]] = {case: [] for case in cases}
    bases: dict[Case, list[float]] = {case: [] for case in cases}
    for number in range(plan.rounds):
        if number % 5 == 0:
            plan.tell(f"{PART} {number + 1}/{plan.rounds}: {len(cases)} cases")
        for case in random.sample(cases, len(cases)):
            six = case.hook.endswith("6")
            nothing = Aim(address=addresses.SIX_BACKEND if six else addresses.PLAIN, port=addresses.TARGET)
            found[case].append(_cost(case, case.who, case.aim, names, plan.runs))
            bases[case].append(_cost(case, empty, nothing, names, plan.runs))
    return found, bases


def _cost(case: Case, who: Contender, aim: Aim, names: Mapping[Path, Mapping[str, int]], runs: int) -> float:
    """Nanoseconds for one run of the hook's program."""
    assert who.place.cgroup is not None
    program = names[who.place.cgroup][case.hook]
    before = _run(program)
    who.traffic.run(case.operation, aim, seconds=20, count=runs)
    after = _run(program)
    return (after[1] - before[1]) / max(1, after[0] - before[0])


def _cases(everybody: Field) -> list[Case]:
    main, policies = everybody.main, everybody.policies
    hot, udp = main.hot(), main.hot("UDP")
    plain = Aim(address=addresses.PLAIN, port=addresses.TARGET)
    cases = []
    for who in everybody.ours:
        bars = {"bar": "<= 5", "raw_bar": "<= 200"} if who is main else {}
        cases.append(
            Case(hook="connect4", name="hit, one service", who=who, operation="tcp", aim=who.hot(), **bars)
        )
        cases.append(
            Case(hook="connect4", name="hit, all in turn", who=who, operation="tcp", aim=who.spread())
        )
        cases.append(Case(hook="connect4", name="miss", who=who, operation="tcp", aim=plain))
    for backends, aim in stand.MANY.items():
        cases.append(
            Case(hook="connect4", name=f"hit, {backends:,} backends", who=main, operation="tcp", aim=aim)
        )
    more = [
        ("connect4", "hit, ClientIP affinity", main, "tcp", stand.AFFINITY),
        ("connect4", "hit, policies elsewhere", policies, "tcp", policies.hot()),
        ("connect4", "hit, BalancingPolicy", policies, "tcp", stand.POLICY),
        ("connect4", "hit, LocalRedirectPolicy", policies, "tcp", stand.REDIRECT),
        ("connect4", "hit, events on", everybody.events, "tcp", everybody.events.hot()),
        ("connect4", "hit, UDP", main, "point", udp),
        ("sendmsg4", "same socket", main, "datagram", udp),
        ("sendmsg4", "new socket", main, "datagram-new", udp),
        ("sendmsg4", "same socket, events on", everybody.events, "datagram", everybody.events.hot("UDP")),
        ("sendmsg4", "miss", main, "datagram", plain),
        ("recvmsg4", "same socket", main, "datagram", udp),
        ("recvmsg4", "no service", main, "datagram", plain),
        ("getpeername4", "of a service", main, "peername", hot),
        ("connect6", "hit, one service", main, "tcp", stand.SIX),
        (
            "connect6",
            "miss",
            main,
            "tcp",
            Aim(address=addresses.SIX_BACKEND, port=addresses.TARGET),
        ),
        ("getpeername6", "of a service", main, "peername", stand.SIX),
    ]
    return cases + [
        Case(hook=hook, name=name, who=who, operation=operation, aim=aim)
        for hook, name, who, operation, aim in more
    ]


def _report(
    cases: list[Case], found: Mapping[Case, list[float]], bases: Mapping[Case, list[float]], report: Report
) -> None:
    for case in cases:
        row = Row(
            part=PART,
            measure=f"{case.hook}: {case.name}",
            who=case.who.name,
            unit="ns",
            values=found[case],
            against="empty program",
            bases=bases[case],
            bar=case.bar,
        )
        report.rows.append(row)
        if case.raw_bar:
            report.rows.append(
                Row(
                    part=PART,
                    measure=f"{row.measure}, absolute",
                    who=row.who,
                    unit="ns",
                    values=row.values,
                    bar=case.raw_bar,
                )
            )


def _flatness(everybody: Field, cases: list[Case], found: Mapping[Case, list[float]]) -> Row:
    """The dearest of all sizes against the cheapest, on one service."""
    hits = [case for case in cases if case.hook == "connect4" and case.name == "hit, one service"]
    ordered = sorted(hits, key=lambda case: statistics.median(found[case]))
    cheap, dear = ordered[0], ordered[-1]
    return Row(
        part=PART,
        measure=f"connect4: hit, {everybody.ours[0].services:,} to {everybody.ours[-1].services:,} services",
        who=dear.who.name,
        unit="ns",
        values=found[dear],
        against=cheap.who.name,
        bases=found[cheap],
        bar="<= 1.2",
    )
