"""Long-lived connections: requests by wrk to nginx, bytes by iperf3."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Sequence

from .dataplane import Field
from .result import Report, Row
from .rounds import Plan
from .stand import Contender, Stand
from .tools import BenchError

PART = "throughput"


def run(made: Stand, everybody: Field, plan: Plan, report: Report) -> None:
    """Both, in turns; a second for each contender in each round."""
    size = everybody.size
    others = [other for other in everybody.others if other.services == size]
    contenders = [everybody.direct, everybody.main, *([] if plan.tiny else others), everybody.haproxy]
    for contender in contenders:
        made.serve_http(contender)
    rounds = max(1, plan.rounds // 2)
    requests: dict[str, list[float]] = {who.name: [] for who in contenders}
    bytes_: dict[str, list[float]] = {who.name: [] for who in contenders}
    for number in range(rounds):
        plan.tell(f"{PART} {number + 1}/{rounds}")
        for who in random.sample(contenders, len(contenders)):
            requests[who.name].append(_requests(who))
            bytes_[who.name].append(_gigabits(who, plan))
    report.rows.extend(_rows("HTTP requests, 16 connections kept open", "1000/s", requests, everybody))
    report.rows.extend(_rows("bytes over one connection", "Gbit/s", bytes_, everybody))


def _rows(measure: str, unit: str, values: dict[str, list[float]], everybody: Field) -> Sequence[Row]:
    return [
        Row(
            part=PART,
            measure=measure,
            who=who,
            unit=unit,
            values=found,
            against="direct",
            bases=values["direct"],
            bar=">= 0.99" if who == everybody.main.name else "",
        )
        for who, found in values.items()
        if who != "direct"
    ]


def _requests(who: Contender) -> float:
    """Thousands of requests a second."""
    address, port = who.http()
    command = ["wrk", "-t1", "-c16", "-d1s", "--timeout", "30s", f"http://{address}:{port}/"]
    shown = _output(who, command)
    found = re.search(r"Requests/sec:\s+([\d.]+)", shown)
    if not found or "Socket errors" in shown or "Non-2xx" in shown:
        raise BenchError(f"wrk through {who.name}: {shown}")
    return float(found[1]) / 1000


def _gigabits(who: Contender, plan: Plan) -> float:
    address, port = who.bulk()
    shown = _output(
        who, ["iperf3", "-c", address, "-p", str(port), *(["-n", "64M"] if plan.tiny else ["-t", "1"]), "-J"]
    )
    return float(json.loads(shown)["end"]["sum_received"]["bits_per_second"]) / 1e9


def _output(who: Contender, command: Sequence[str]) -> str:
    ended = subprocess.run(
        who.place.command(command), capture_output=True, text=True, check=False, timeout=60
    )
    if ended.returncode:
        raise BenchError(f"{command[0]} through {who.name}: {ended.stdout} {ended.stderr}")
    return ended.stdout
