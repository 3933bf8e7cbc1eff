"""status, explain, doctor and detach: one question about this host each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from balancer.cli.options import SETTING_OPTIONS, example, from_option, option, output_option, with_settings
from balancer.cli.sources import load_sources
from balancer.errors import Exit

if TYPE_CHECKING:
    from balancer.cli.facade import Facade
    from balancer.cli.target import Target
    from balancer.config import Settings
    from balancer.explanation import AskedBy, ObjectName
    from balancer.views import Destinations, Explanation, Status

_TYPED = ParameterSource.COMMANDLINE


@click.command(
    short_help="Show what the kernel really does.",
    epilog=example(
        "balancer status", "balancer status -o json | jq '.maps[] | select(.used * 2 > .capacity)'"
    ),
)
@option("--all", "everything", is_flag=True, help="Show every problem, hook, map and counter.")
@with_settings
@output_option
@click.pass_context
def status(ctx: click.Context, *, everything: bool, settings: Settings, output: str) -> None:
    """Show what the kernel really does, on one screen: whether it works, what to do next, and what is wrong.

    A canary, a connection from a child cgroup that is refused before there is a packet, proves that the
    programs run. Exits 0 if they are loaded, every hook is attached and the canary did not fail, else 6.
    """
    from balancer.report.console import emit_json
    from balancer.report.jsonable import status_json
    from balancer.views import Effect

    found: Status = ctx.obj().status(settings)
    options = _given_options(ctx)
    if output == "json":
        emit_json(status_json(found, options))
    else:
        _show_status(found, options, everything=everything)
    if found.effect is Effect.INEFFECTIVE:
        ctx.exit(Exit.HOST)


def _show_status(found: Status, options: str, *, everything: bool) -> None:
    import shutil
    from datetime import UTC, datetime

    from balancer.report import statuses
    from balancer.report.console import emit_lines, emit_table, show_problems

    width = shutil.get_terminal_size((80, 24)).columns
    now = datetime.now(UTC)
    emit_lines(statuses.status_lines(found, now=now, width=width, everything=everything, options=options))
    for table in statuses.status_tables(found) if everything else statuses.faulty_hooks(found):
        emit_lines([""])
        emit_table(table)
    if everything:
        show_problems(found.problems, to_stdout=True)


def _given_options(ctx: click.Context) -> str:
    """The options that name this instance, as they were typed: what is next has to repeat them."""
    import shlex

    given = [name for name in (*SETTING_OPTIONS, "config") if ctx.get_parameter_source(name) is _TYPED]
    return "".join(f" --{name} {shlex.quote(str(ctx.params[name]))}" for name in given)


def _parse_target(ctx: click.Context, param: click.Parameter, text: str) -> Target | ObjectName:
    from balancer.cli.target import parse_target

    return parse_target(ctx, param, text)


def _parse_pod(ctx: click.Context, param: click.Parameter, text: str | None) -> AskedBy | None:
    from balancer.cli.target import parse_pod

    return parse_pod(ctx, param, text)


@click.command(
    short_help="Say what a connection gets, and why.",
    epilog=example(
        "balancer explain 10.96.0.10:53/udp",
        "balancer explain '[fd00:96::a]:443' --from /etc/balancer/manifests",
        "balancer explain default/web:http --pod shop/cart-7d9f",
    ),
)
@click.argument("destination", callback=_parse_target, metavar="ADDR:PORT[/PROTO]")
@option("--pod", callback=_parse_pod, metavar="NAMESPACE/NAME", help="Ask for a connection from this pod.")
@option(
    "--cgroup-of",
    type=click.IntRange(min=1),
    metavar="PID",
    help="Ask for a connection from this process: its cgroup and network namespace.",
)
@from_option
@with_settings
@output_option
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    destination: Target | ObjectName,
    pod: AskedBy | None,
    cgroup_of: int | None,
    sources: tuple[Path, ...],
    settings: Settings,
    output: str,
) -> None:
    """Say what a connection from this host to a destination gets, why, and which file and line say so.

    A Service's name (default/web, default/web:http, web.default.svc:80), a policy's (localredirectpolicy/dns)
    or an address without a port lists all of its destinations.
    """
    from balancer.explanation import AskedBy
    from balancer.report import explanations, jsonable
    from balancer.report.console import emit_json, emit_lines
    from balancer.views import Explanation

    if pod is not None and cgroup_of is not None:
        raise click.UsageError("--pod and --cgroup-of exclude each other")
    asked_by = AskedBy(pid=cgroup_of) if cgroup_of is not None else pod
    found = _explained(ctx.obj(), destination, asked_by, sources, settings)
    if output == "json":
        emit_json(jsonable.to_json(found))
    elif isinstance(found, Explanation):
        emit_lines(explanations.explanation_lines(found))
    else:
        emit_lines(explanations.destinations_lines(found))


def _explained(
    facade: Facade,
    destination: Target | ObjectName,
    asked_by: AskedBy | None,
    sources: tuple[Path, ...],
    settings: Settings,
) -> Explanation | Destinations:
    from balancer.explanation import ObjectName

    if isinstance(destination, ObjectName):
        if not sources:
            return facade.live_destinations(settings, destination, asked_by)
        return facade.file_destinations(
            load_sources(facade, sources, settings), destination, settings, asked_by
        )
    asked = (destination.address, destination.port, destination.protocol)
    if not sources:
        return facade.live_resolve(settings, *asked, asked_by)
    return facade.file_resolve(load_sources(facade, sources, settings), *asked, settings, asked_by)


@click.command(short_help="Check whether this host can run balancer.", epilog=example("balancer doctor"))
@with_settings
@output_option
@click.pass_context
def doctor(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """Check whether this host can run balancer, and say what to do about each thing that is missing.

    Exits 6 if a check fails; limitations alone exit 0.
    """
    from balancer.report.console import emit_json, emit_lines
    from balancer.report.jsonable import to_json
    from balancer.report.text import check_lines

    checks = ctx.obj().doctor(settings)
    fit = all(check.ok for check in checks)
    if output == "json":
        emit_json({"fit": fit, "checks": to_json(checks)})
    else:
        emit_lines(check_lines(checks))
    if not fit:
        ctx.exit(Exit.HOST)


@click.command(short_help="Remove everything of ours from the kernel.", epilog=example("balancer detach"))
@with_settings
@output_option
@click.pass_context
def detach(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """Remove every program, link and map of ours from the kernel; services stop resolving at once."""
    from balancer.report.console import emit_json, emit_lines
    from balancer.report.jsonable import to_json

    removed = ctx.obj().detach(settings)
    if output == "json":
        emit_json({"removed": to_json(removed)})
    else:
        emit_lines([f"removed {item}" for item in removed] or ["nothing was loaded"])
