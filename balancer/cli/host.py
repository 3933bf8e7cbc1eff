"""status, explain, doctor and detach: one question about this host each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from balancer.cli.options import example, from_option, output_option, with_settings
from balancer.cli.sources import load_sources
from balancer.cli.target import Target, parse_target
from balancer.errors import Exit
from balancer.report import jsonable, text
from balancer.report.console import emit_json, emit_lines, emit_table, show_problems
from balancer.views import Effect

if TYPE_CHECKING:
    from balancer.config import Settings
    from balancer.views import Status


@click.command(
    short_help="Show what the kernel really does.",
    epilog=example(
        "balancer status", "balancer status -o json | jq '.maps[] | select(.used * 2 > .capacity)'"
    ),
)
@with_settings
@output_option
@click.pass_context
def status(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """Show what the kernel really does: programs, hooks in effect, map fill, last pass, stale files, problems.

    A canary, a connection from a child cgroup that is refused before there is a packet, proves that the
    programs run. Exits 0 if they are loaded, every hook is attached and the canary did not fail, else 6.
    """
    found: Status = ctx.obj().status(settings)
    if output == "json":
        emit_json(jsonable.to_json(found))
    else:
        emit_lines(text.status_lines(found))
        for table in text.status_tables(found):
            emit_lines([""])
            emit_table(table)
        show_problems(found.problems, to_stdout=True)
    if found.effect is Effect.INEFFECTIVE:
        ctx.exit(Exit.HOST)


@click.command(
    short_help="Say what a connection gets, and why.",
    epilog=example(
        "balancer explain 10.96.0.10:53/udp",
        "balancer explain '[fd00:96::a]:443' --from /etc/balancer/manifests",
    ),
)
@click.argument("destination", callback=parse_target, metavar="ADDR:PORT[/PROTO]")
@from_option
@with_settings
@output_option
@click.pass_context
def explain(
    ctx: click.Context, *, destination: Target, sources: tuple[Path, ...], settings: Settings, output: str
) -> None:
    """Say what a connection from this host to a destination gets, and which file and line say so."""
    facade = ctx.obj()
    asked = (destination.address, destination.port, destination.protocol)
    if sources:
        found = facade.file_resolve(load_sources(facade, sources, settings), *asked)
    else:
        found = facade.live_resolve(settings, *asked)
    if output == "json":
        emit_json(jsonable.to_json(found))
    else:
        emit_lines(text.explanation_lines(found))


@click.command(short_help="Check whether this host can run balancer.", epilog=example("balancer doctor"))
@with_settings
@output_option
@click.pass_context
def doctor(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """Check whether this host can run balancer, and say what to do about each thing that is missing.

    Exits 6 if a check fails; limitations alone exit 0.
    """
    checks = ctx.obj().doctor(settings)
    fit = all(check.ok for check in checks)
    if output == "json":
        emit_json({"fit": fit, "checks": jsonable.to_json(checks)})
    else:
        emit_lines(text.check_lines(checks))
    if not fit:
        ctx.exit(Exit.HOST)


@click.command(short_help="Remove everything of ours from the kernel.", epilog=example("balancer detach"))
@with_settings
@output_option
@click.pass_context
def detach(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """Remove every program, link and map of ours from the kernel; services stop resolving at once."""
    removed = ctx.obj().detach(settings)
    if output == "json":
        emit_json({"removed": jsonable.to_json(removed)})
    else:
        emit_lines([f"removed {item}" for item in removed] or ["nothing was loaded"])
