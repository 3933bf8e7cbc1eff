"""top: services by connection rate, full-screen on a terminal, as text or JSON lines elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from balancer.cli.options import example, option, output_option, with_settings
from balancer.cli.stopping import told_to_stop

if TYPE_CHECKING:
    from balancer.config import Settings

SHORTEST_INTERVAL = 0.1
COLUMNS = (
    *("service", "port", "vips", "rate", "total", "backends"),
    *("rejected", "fallback", "limited", "affinity", "policy"),
)


@click.command(
    short_help="Watch services by connection rate.",
    epilog=example(
        "balancer top",
        "balancer top --sort rejected --filter kube-system",
        "balancer top --plain --interval 5 --count 1",
        "balancer top -o json | jq '.rows[] | select(.rates.rejected > 0)'",
    ),
)
@option(
    "--interval",
    type=click.FloatRange(min=SHORTEST_INTERVAL, max=3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait between two readings.",
)
@option(
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    help="End after N tables; plain text.  [default: until interrupted]",
)
@option("--plain", is_flag=True, help="A table at each interval, as where the output is no terminal.")
@option("--per-frontend", is_flag=True, help="A row for each address and port, not for each service port.")
@option(
    "--sort",
    type=click.Choice(COLUMNS),
    default="rate",
    show_default=True,
    help="Sort by this column.",
)
@option("--reverse", is_flag=True, help="Sort the other way.")
@option(
    "--filter",
    "words",
    default="",
    metavar="TEXT",
    help="Only rows with each of these words in service, port, address, policy or file.",
)
@with_settings
@output_option
@click.pass_context
def top(
    ctx: click.Context,
    *,
    interval: float,
    count: int | None,
    plain: bool,
    per_frontend: bool,
    sort: str,
    reverse: bool,
    words: str,
    settings: Settings,
    output: str,
) -> None:
    """Watch services by connection rate: what is forwarded and rejected, by how many backends, on whose word.

    Full-screen on a terminal, with keys to sort, to filter and to look into one service; press ? there. Rates
    are of the kernel's own counters and cost connections nothing. While one service is looked into, the
    programs also report each choice of a backend, to show how connections are spread.
    """
    from balancer.observe.top.look import Look
    from balancer.observe.top.plain import run_plain
    from balancer.observe.top.world import source_of
    from balancer.traffic import Column

    look = Look(
        interval=interval, column=Column(sort), reverse=reverse, words=words, per_frontend=per_frontend
    )
    source = source_of(settings, ctx.obj().status)
    if plain or count is not None or output == "json" or not _full_screen():
        with told_to_stop() as stopped:
            run_plain(source, look, as_json=output == "json", count=count, wait=stopped.wait)
        return
    from balancer.observe.top.app import run_app

    run_app(source, look, settings)


def _full_screen() -> bool:
    """Whether there is a terminal on both sides that can do more than lines."""
    dumb = os.environ.get("TERM", "dumb") in {"dumb", ""}
    return sys.stdin.isatty() and sys.stdout.isatty() and not dumb
