"""``python -m tests.bench``: sets up, measures in turns, prints one table and writes JSON. Needs root."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `harness`, as the tests have it

from harness import bpffs, cgroups, netns, prerequisites

from . import control, dataplane, hooks, throughput, tools, watching
from .result import Report
from .rounds import Plan
from .stand import Stand
from .tools import BenchError

_NOTES = (
    "A ratio is of the same round, in which all took turns in an order of chance; median, min and max are over rounds.",
    "Data plane: the operation in the middle counts, so that what else the machine does is left out; client and"
    " server are one thread over loopback, which is the hardest case for whatever comes on top.",
    "nftables and iptables are kube-proxy's shape with one endpoint for each service; connection tracking forgets at"
    " once what is over. With 50,000 services nine in ten go to their endpoint without the random choice.",
    "throughput: a second each over two processes, so only a quiet machine gives ratios that mean something.",
    "haproxy serves one service, with a thread for each processor.",
    "program: raw nanoseconds of a run, interruptions included, from kernel.bpf_stats_enabled.",
    "control plane: whole processes; the base is the parse of the same bytes by rapidyaml and orjson and nothing"
    " else, in a Python of its own.",
)
PARTS = ("dataplane", "throughput", "hooks", "control", "watch")
EXTRA = ("scale",)
"""Only when asked for."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Small sizes and few rounds, about two minutes.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*PARTS, *EXTRA]),
    help="Only this part; may be given again. scale (50,000 services) runs only so.",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), help="How often everything is measured.  [default: 7; quick: 3]"
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write everything here too."
)
def main(quick: bool, only: tuple[str, ...], rounds: int | None, file: Path | None) -> None:
    """Measure what the product costs against direct, nftables, iptables, haproxy and the bare parse."""
    missing = [*prerequisites.missing(), *(f"{name} is not there" for name in tools.missing())]
    if missing:
        raise click.ClickException("; ".join(missing))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is taken down then, too
    for made in (cgroups, netns, bpffs):
        made.remove_leftovers()
    plan = Plan(rounds=rounds or (3 if quick else 7), quick=quick)
    report = Report(notes=list(_NOTES))
    complete = False
    try:
        complete = measure(set(only or PARTS), plan, report)
    finally:
        if file is not None:
            report.write(file)
        report.print(Console(width=None if sys.stdout.isatty() else 200))
    if not complete:
        sys.exit(1)


def measure(parts: set[str], plan: Plan, report: Report) -> bool:
    """The parts by name, into the report. A part that cannot be measured is told in the notes, the others go
    on; whether all of them were.
    """
    complete = True

    def attempt(name: str, part: Callable[[], None]) -> None:
        nonlocal complete
        if name not in parts:
            return
        try:
            part()
        except (BenchError, subprocess.SubprocessError) as error:
            complete = False
            plan.tell(f"{name} failed: {error}")
            report.notes.append(f"{name} failed: {error}")

    with tempfile.TemporaryDirectory(prefix="balancer-bench-") as directory:
        scratch = Path(directory)
        helpers = scratch / "bin"
        helpers.mkdir()
        tools.build(helpers)
        if parts & {"dataplane", "throughput", "hooks"}:
            with contextlib.ExitStack() as stack:
                stand = Stand(stack, helpers, scratch)
                everybody = dataplane.set_up(stand, plan)
                attempt("dataplane", lambda: dataplane.run(everybody, plan, report))
                attempt("throughput", lambda: throughput.run(stand, everybody, plan, report))
                attempt("hooks", lambda: hooks.run(stand, everybody, plan, report))
        attempt("control", lambda: control.run(helpers, scratch, plan, report))
        attempt("watch", lambda: watching.run(helpers, scratch, plan, report))
        attempt("scale", lambda: control.scale(helpers, scratch, plan, report))
    plan.tell("done" if complete else "not everything could be measured")
    return complete


if __name__ == "__main__":
    main()
