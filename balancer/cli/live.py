"""get: tables read from the live maps, and what became of policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancer.cli.options import example, from_option, output_option, with_settings
from balancer.cli.sources import load_sources

if TYPE_CHECKING:
    from balancer.cli.facade import Facade
    from balancer.config import Settings
    from balancer.report.console import Table


@click.group(
    short_help="Show what the kernel's maps hold now.",
    epilog=example("balancer get frontends", "balancer get backends -o json"),
)
def get() -> None:
    """Show what the kernel's maps hold now, as a table or as JSON."""


@get.command(short_help="Who answers what.", epilog=example("balancer get frontends | grep default/web"))
@with_settings
@output_option
@click.pass_context
def frontends(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """List every frontend: who answers it, how often it did, and which file says so."""
    from balancer.report.text import frontends_table

    _show("frontends", ctx.obj().live_frontends(settings), frontends_table, output)


@get.command(short_help="Who is sent connections.", epilog=example("balancer get backends | grep 10.244.1.5"))
@with_settings
@output_option
@click.pass_context
def backends(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """List every backend with the frontends that send connections to it."""
    from balancer.report.text import backends_table

    _show("backends", ctx.obj().live_backends(settings), backends_table, output)


@get.command(short_help="Which client stays where.", epilog=example("balancer get affinity -o json"))
@with_settings
@output_option
@click.pass_context
def affinity(ctx: click.Context, *, settings: Settings, output: str) -> None:
    """List which client (a network namespace) is kept on which backend, and for how long."""
    from balancer.report.text import affinity_table

    _show("affinity", ctx.obj().live_affinity(settings), affinity_table, output)


@get.command(
    short_help="What became of each policy.",
    epilog=example(
        "balancer get policies", "balancer get policies --node edge-1 --from /etc/balancer/manifests"
    ),
)
@from_option
@with_settings
@output_option
@click.pass_context
def policies(ctx: click.Context, *, sources: tuple[Path, ...], settings: Settings, output: str) -> None:
    """List every policy: whether it applies on this host, what it decides, where it sends connections, and
    why not.
    """
    from balancer.report.text import policies_table

    facade: Facade = ctx.obj()
    if sources:
        found = facade.file_policies(load_sources(facade, sources, settings))
    else:
        found = facade.live_policies(settings)
    _show("policies", found, policies_table, output)


def _show(name: str, found: Sequence[Any], table: Callable[[Any], Table], output: str) -> None:
    from balancer.report.console import emit_json, emit_table
    from balancer.report.jsonable import to_json

    if output == "json":
        emit_json({name: to_json(found)})
    else:
        emit_table(table(found))
