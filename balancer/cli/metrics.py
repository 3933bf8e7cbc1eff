"""metrics: what the kernel counted and how passes went, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from balancer.cli.options import FILE_PATH, example, option, with_settings
from balancer.cli.stopping import told_to_stop
from balancer.errors import BalancerError
from balancer.observe.listen import LISTEN
from balancer.report.console import message, show_error

if TYPE_CHECKING:
    from balancer.config import Settings
    from balancer.observe.metrics import Collector

_SUFFIX = ".prom"


@click.command(
    short_help="Show counters and durations for Prometheus.",
    epilog=example(
        "balancer metrics | grep balancer_decisions_total",
        "balancer metrics --listen :9464",
        "balancer metrics --textfile /var/lib/prometheus/node-exporter/balancer.prom --interval 15",
    ),
)
@option(
    "--listen",
    type=LISTEN,
    metavar="ADDR:PORT",
    help="Serve them at http://ADDR:PORT/metrics until a signal; :PORT is loopback.",
)
@option(
    "--textfile",
    type=FILE_PATH,
    metavar="FILE",
    help="Replace this .prom file, for node_exporter's textfile collector.",
)
@option(
    "--interval",
    type=click.FloatRange(min=0.1, max=86400),
    metavar="SECONDS",
    help="With --textfile: write it again and again until a signal.",
)
@option(
    "--series-limit",
    type=click.IntRange(min=0),
    metavar="COUNT",
    help="The most series of each metric about single frontends; the busiest are kept.  [default: 5000]",
)
@with_settings
@click.pass_context
def metrics(
    ctx: click.Context,
    *,
    listen: tuple[str, int] | None,
    textfile: Path | None,
    interval: float | None,
    series_limit: int | None,
    settings: Settings,
) -> None:
    """Show what the kernel counted and how passes went, in the text format of Prometheus; read-only.

    Counters are kept in the kernel's maps and the state file: they go on over restarts and upgrades, and
    every way to ask tells the same. Without an option it is shown once; `watch --metrics-listen` serves it
    from the agent.
    """
    _check(ctx, listen, textfile)
    from balancer.observe.metrics import Collector, exposition

    limit = settings.series_limit if series_limit is None else series_limit
    collector = Collector(settings, series_limit=limit)
    if listen is not None:
        _serve(listen, collector)
    elif textfile is not None:
        _write(textfile, interval, lambda: exposition(collector))
    else:
        click.echo(exposition(collector), nl=False)


def _check(ctx: click.Context, listen: tuple[str, int] | None, textfile: Path | None) -> None:
    if listen is not None and textfile is not None:
        raise click.UsageError("--listen and --textfile exclude each other: run one command for each.")
    given = (
        ctx.get_parameter_source("interval") is ParameterSource.COMMANDLINE
    )  # others have the variable, too
    if given and textfile is None:
        raise click.UsageError("--interval is for --textfile only: Prometheus chooses its own interval.")
    if textfile is not None and textfile.suffix != _SUFFIX:
        raise click.BadParameter(
            f"{textfile} does not end in {_SUFFIX}: node_exporter would not read it", param_hint="--textfile"
        )


def _serve(listen: tuple[str, int], collector: Collector) -> None:
    from balancer.observe.app import App
    from balancer.observe.metrics import exposition, openmetrics, process_collectors
    from balancer.observe.server import serving

    exposition(collector)  # a host that cannot be read is said now, and not at the first scrape
    told = (collector, *process_collectors())
    app = App(metrics=lambda: exposition(*told), openmetrics=lambda: openmetrics(*told))
    with told_to_stop() as stopped, serving(listen, app) as url:
        message(f"balancer: metrics at {url}/metrics")
        stopped.wait()


def _write(path: Path, interval: float | None, told: Callable[[], bytes]) -> None:
    """Once, or again and again: then an error is said when it comes, and only a signal ends it."""
    from balancer.observe.textfile import write_textfile

    write_textfile(path, told())
    if interval is None:
        return
    said = ""
    with told_to_stop() as stopped:
        while not stopped.wait(interval):
            try:
                write_textfile(path, told())
            except BalancerError as error:
                if str(error) != said:
                    show_error(error)
                said = str(error)
            else:
                said = ""
