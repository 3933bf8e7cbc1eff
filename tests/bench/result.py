"""What was measured: rows of ratios, printed as one table and written as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_SYMBOLS = {"<=": lambda value, bar: value <= bar, ">=": lambda value, bar: value >= bar}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison. `ratios` are `value` by `base` of each round, in `values` and `bases` (of `unit`).

    `against` says what the base is; without one the values stand for themselves. `bar` is "<= 1.05" or ">= 0.99",
    what the median ratio (the median value, without a base) should be. `note` says what a reader must know.
    `more` are further values of the same rounds, by name and unit.
    """

    part: str
    measure: str
    who: str
    unit: str
    values: Sequence[float]
    against: str = ""
    bases: Sequence[float] = ()
    bar: str = ""
    note: str = ""
    more: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        return [value / base for value, base in zip(self.values, self.bases, strict=False) if base]

    @property
    def judged(self) -> bool | None:
        """Whether the bar is met; None without one."""
        found = self.ratios or self.values
        if not self.bar or not found:
            return None
        symbol, number = self.bar.split()
        return bool(_SYMBOLS[symbol](statistics.median(found), float(number)))

    def jsonable(self) -> dict[str, Any]:
        return {**asdict(self), "ratios": self.ratios, "met": self.judged}


@dataclass(slots=True, kw_only=True)
class Report:
    """All rows of a run, what it ran on, and what a reader should know of how it was measured."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    load_before: tuple[float, float, float] = field(default_factory=os.getloadavg)

    def machine(self) -> Mapping[str, Any]:
        """The kernel, processors, memory, load, and the commit that was measured."""
        memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
        model = {
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        }
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
        return {
            "kernel": platform.release(),
            "processors": os.cpu_count(),
            "model": ", ".join(sorted(model)),
            "memory_mib": int(memory.split()[1]) // 1024,
            "commit": commit.stdout.strip(),
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
            "seconds": round(time.time() - self.started, 1),
            "load_before": self.load_before,
            "load_after": os.getloadavg(),
        }

    def write(self, file: Path) -> None:
        value = {
            "machine": self.machine(),
            "notes": self.notes,
            "rows": [row.jsonable() for row in self.rows],
        }
        file.write_text(json.dumps(value, indent=2) + "\n")

    def print(self, console: Console) -> None:
        """The one table, then the notes and the machine."""
        machine = self.machine()
        load = f"load average {self.load_before[0]:.1f} before, {os.getloadavg()[0]:.1f} after"
        title = f"{machine['date']}, kernel {machine['kernel']}, {machine['processors']} processors, {load}"
        table = Table(title=title, title_justify="left", caption_justify="left")
        for name in ("part", "measure", "who", "absolute", "against"):
            table.add_column(name, overflow="fold")
        for name in ("median", "min", "max"):
            table.add_column(name, justify="right")
        table.add_column("bar", no_wrap=True)
        before = None
        for row in self.rows:
            if before is not None and row.part != before.part:
                table.add_section()
            table.add_row(*_cells(row, before))
            before = row
        console.print(table)
        for note in self.notes:
            console.print(f"* {note}", highlight=False)


def _cells(row: Row, before: Row | None) -> list[str]:
    part = "" if before is not None and before.part == row.part else row.part
    measure = "" if not part and before is not None and before.measure == row.measure else row.measure
    shown = [f"{number(statistics.median(row.values))} {row.unit}"] if row.values else []
    shown += [f"{name} {number(statistics.median(values))}" for name, values in row.more.items() if values]
    base = f"{row.against} ({number(statistics.median(row.bases))} {row.unit})" if row.bases else ""
    found, show = (row.ratios, "{:.2f}".format) if row.ratios else (row.values, number)
    spread = [show(value) for value in spread_of(found)] if found else ["", "", ""]
    verdict = {True: f"[green]{row.bar} yes[/]", False: f"[red]{row.bar} NO[/]", None: ""}[row.judged]
    return [part, measure, row.who, ", ".join([*shown, *filter(None, [row.note])]), base, *spread, verdict]


def spread_of(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


def number(value: float) -> str:
    """Three digits that count, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
