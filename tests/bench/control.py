"""What whole commands cost, from the files to the maps: time, processor and memory, against the bare parse."""

from __future__ import annotations

import math
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.balancer import COMMAND, Balancer
from harness.place import Place

from . import addresses, manifests, rulesets, stand
from .result import Report, Row
from .rounds import Plan
from .stand import Stand
from .tools import BenchError, Spent, spend

PART = "control plane"
_BARE = Path(__file__).with_name("bare_main.py")
_LAYOUTS = {"yaml": "one YAML file", "json": "JSON", "files": "a file for each object"}
_SCALE = (10_000, 20_000, 30_000, 40_000, 50_000)
_PART_OBJECTS = 8_000
"""In one file, where all of them would be more bytes than the product takes in a file."""
_COMMANDS = ("apply, cold", "apply, unchanged", "plan", "validate")
_KILLED = "killed, not done yet"
_BARE_OFF, _BARE_ON = "bare parse, gc off", "bare parse, gc on"
_STAGE = re.compile(r'^balancer_stage_duration_seconds_sum{stage="(\w+)"} (\S+)$', re.MULTILINE)
_BARS = {"apply, cold": "<= 2.5", "apply, unchanged": "<= 1.5"}


@dataclass(slots=True, kw_only=True)
class Costs:
    """What each command cost in each round, and the stages of the cold ones in seconds."""

    spent: dict[str, list[Spent]] = field(default_factory=lambda: defaultdict(list))
    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def walls(self, name: str) -> list[float]:
        return [one.wall for one in self.spent[name]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`full` is the size that the bars are for."""

    services: int
    endpoints: int
    rounds: int
    full: bool = False


def sizes(plan: Plan) -> Sequence[Size]:
    if plan.tiny:
        return [Size(services=5, endpoints=2, rounds=1, full=True)]
    known = [Size(services=count, endpoints=10, rounds=2) for count in (100, 1_000)]
    if not plan.quick:
        known.append(Size(services=10_000, endpoints=10, rounds=2, full=True))
    return known


def run(tools: Path, scratch: Path, plan: Plan, report: Report) -> None:
    """Every size in every layout, then the alternatives at every size."""
    for size in sizes(plan):
        for layout, words in list(_LAYOUTS.items())[: 1 if plan.tiny else None]:
            name = f"{size.services:,} services x {size.endpoints}, {words}"
            plan.tell(f"{PART}: {name}")
            path = write(scratch / f"{size.services}-{layout}", layout, size)
            rounds = size.rounds if layout == "yaml" else 1
            costs = _commands(tools, scratch, path, rounds)
            if layout == "yaml":
                _reference(tools, path, costs, plan)
            report.rows.extend(_rows(name, costs, size.full and layout == "yaml"))
        _rulesets(tools, scratch, size, plan, report)


def scale(tools: Path, scratch: Path, plan: Plan, report: Report) -> None:
    """Up to 50,000 services with 5 endpoints each, once, in YAML files of 4,000 services: where the line bends."""
    for services in (20,) if plan.tiny else _SCALE:
        name = f"{services:,} services x 5, YAML"
        plan.tell(f"scale: {name}")
        path = write(scratch / f"scale-{services}", "parts", Size(services=services, endpoints=5, rounds=1))
        report.rows.extend(_rows(name, _commands(tools, scratch, path, 1), full=False, part="scale"))


def write(directory: Path, layout: str, size: Size) -> Path:
    """The manifests of a size on disk."""
    directory.mkdir()
    objects = list(manifests.exported(size.services, size.endpoints))
    if layout == "files":
        manifests.write_tree(directory / "tree", objects)
    elif layout == "yaml":
        manifests.write_yaml(directory / "all.yaml", objects)
    else:
        suffix, writer = (
            ("json", manifests.write_json) if layout == "json" else ("yaml", manifests.write_yaml)
        )
        for start in range(0, len(objects), _PART_OBJECTS):
            writer(directory / f"part-{start}.{suffix}", objects[start : start + _PART_OBJECTS])
    return directory


def _commands(tools: Path, scratch: Path, path: Path, rounds: int) -> Costs:
    """Each command and the bare parse in turns, so many times; every cold apply on a new instance."""
    costs = Costs()
    for _ in range(rounds):
        with ExitStack() as stack:
            made = Stand(stack, tools, scratch)
            instance = made.instance("control", made.namespace("control"))
            for name, arguments in (
                (_BARE_OFF, [sys.executable, str(_BARE), str(path), "nogc"]),
                ("apply, cold", [str(COMMAND), "apply", str(path)]),
                ("apply, unchanged", [str(COMMAND), "apply", str(path)]),
                (_BARE_ON, [sys.executable, str(_BARE), str(path)]),
                ("plan", [str(COMMAND), "plan", str(path)]),
                ("validate", [str(COMMAND), "validate", str(path)]),
            ):
                costs.spent[name].append(_spend(tools, instance, arguments))
                if name == "apply, cold":
                    for stage, seconds in _stages(instance).items():
                        costs.stages[stage].append(seconds)
    return costs


def environment(instance: Balancer) -> dict[str, str]:
    """What makes a command work for this instance."""
    return {
        **os.environ,
        "BALANCER_CGROUP": str(instance.cgroup),
        "BALANCER_BPFFS": str(instance.bpffs),
        "BALANCER_STATE": str(instance.state),
        "BALANCER_NODE": instance.node,
    }


def _spend(tools: Path, instance: Balancer, command: Sequence[str]) -> Spent:
    place = Place(netns=instance.netns)
    spent = spend(tools, command, place=place, environment=environment(instance), limit=300)
    if spent.code:
        raise BenchError(f"{' '.join(command)}: exit {spent.code}: {spent.stderr[-2000:]}")
    return spent


def _stages(instance: Balancer) -> dict[str, float]:
    """Seconds by stage, of the only pass that there was."""
    shown = instance.run("metrics", "--series-limit", "0").stdout
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(shown)}


def _reference(tools: Path, path: Path, costs: Costs, plan: Plan) -> None:
    """The readers that explain every fault, alone, once: no longer than it takes to see that they are 11
    times slower than everything else together.
    """
    plan.tell(f"{PART}: the reference readers alone")
    environment = {**os.environ, "BALANCER_ENGINE": "reference"}
    command = [str(COMMAND), "validate", str(path)]
    limit = 5 + math.ceil(11 * costs.walls("apply, cold")[0])
    costs.spent["reference readers"].append(spend(tools, command, environment=environment, limit=limit))


def _rows(name: str, costs: Costs, full: bool, part: str = PART) -> Iterator[Row]:
    for command in (*_COMMANDS, _BARE_ON):
        yield Row(
            part=part,
            measure=name,
            who=command,
            unit="s",
            values=costs.walls(command),
            against=_BARE_OFF,
            bases=costs.walls(_BARE_OFF),
            bar=_BARS.get(command, "") if full else "",
            more=_beside(costs.spent[command]),
        )
        if command == "apply, cold":
            yield _stage_row(name, costs, part)
    for one in costs.spent.get("reference readers", ()):
        yield Row(
            part=part,
            measure=name,
            who="reference readers alone",
            unit="s",
            values=[one.wall],
            against="apply, cold",
            bases=costs.walls("apply, cold")[:1],
            bar=">= 10" if full else "",
            note="" if one.in_time else _KILLED,
            more=_beside([one]),
        )


def _beside(spent: Sequence[Spent]) -> dict[str, list[float]]:
    """What there is to say of a process besides its time."""
    return {"cpu s": [one.cpu for one in spent], "MiB": [one.peak for one in spent]}


def _stage_row(name: str, costs: Costs, part: str) -> Row:
    """Each stage as a share of the whole process, in percent; the rest is the start and the end."""
    walls = costs.walls("apply, cold")
    shares = {
        f"{stage} %": [100 * one / wall for one, wall in zip(seconds, walls, strict=True)]
        for stage, seconds in costs.stages.items()
    }
    return Row(part=part, measure=name, who="stages of it", unit="", values=[], more=shares)


def _same_rules(size: Size) -> list[rulesets.Rule]:
    return [
        rulesets.Rule(
            name=f"s{number}",
            vip=addresses.vip(number),
            port=addresses.PORT,
            protocol=addresses.protocol(number),
            targets=[addresses.backend(number, k, endpoints=size.endpoints) for k in range(size.endpoints)],
            target=addresses.TARGET,
        )
        for number in range(size.services)
    ]


def _rulesets(tools: Path, scratch: Path, size: Size, plan: Plan, report: Report) -> None:
    """The ready-made rulesets of the same services and endpoints, each in one transaction as kube-proxy does."""
    rules = _same_rules(size)
    for kind, command in (("nft -f", ["nft", "-f"]), ("iptables-restore", ["iptables-legacy-restore"])):
        plan.tell(f"{PART}: {kind}, {size.services:,} services x {size.endpoints}")
        file = scratch / f"{size.services}.{command[0]}"
        text = (
            "".join(rulesets.nftables(rules))
            if kind == "nft -f"
            else "\n".join([*rulesets.iptables(rules), ""])
        )
        file.write_text(text)
        with _room(tools, scratch) as place:
            spent = spend(tools, [*command, str(file)], place=place, limit=60)
        if spent.code and spent.in_time:
            raise BenchError(f"{kind}: {spent.stderr[:2000]}")
        report.rows.append(
            Row(
                part=PART,
                measure=f"{size.services:,} services x {size.endpoints}, the alternatives' own format",
                who=kind,
                unit="s",
                values=[spent.wall],
                note="" if spent.in_time else _KILLED,
                more=_beside([spent]),
            )
        )


@contextmanager
def _room(tools: Path, scratch: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(netns=stand.Stand(stack, tools, scratch).namespace("rules"))
