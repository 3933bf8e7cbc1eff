"""watch: the agent that keeps the kernel in line with a directory."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancer.cli.options import example, option, paths_argument, with_settings
from balancer.errors import BalancerError

if TYPE_CHECKING:
    import logging

    from balancer.agent import Agent
    from balancer.cli.facade import Facade
    from balancer.config import Settings
    from balancer.lastgood.content import LastGood
    from balancer.manifests.watch import Inbox, Watcher

LISTEN = "ADDR:PORT"
FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")


@click.command(
    short_help="Keep the kernel in line with a directory.",
    epilog=example(
        "balancer watch /etc/balancer/manifests",
        "balancer watch --poll --debounce 1 /mnt/nfs/manifests",
        "balancer watch --metrics-listen :9464 --http-listen :8080 /etc/balancer/manifests",
    ),
)
@paths_argument
@option(
    "--debounce",
    "debounce_seconds",
    type=click.FloatRange(min=0, max=60),
    metavar="SECONDS",
    help="How long files must be quiet before they are read.  [default: 0.1]",
)
@option(
    "--poll",
    is_flag=True,
    default=None,
    help="List the directory every second (NFS and others without events).",
)
@option(
    "--log-format",
    type=click.Choice(FORMATS, case_sensitive=False),
    help="A line of text or a JSON object for each message.  [default: text]",
)
@option(
    "--log-level",
    type=click.Choice(LEVELS, case_sensitive=False),
    help="The least to log; debug adds passes with nothing to do.  [default: info]",
)
@option(
    "--metrics-listen",
    metavar=LISTEN,
    help="Serve /metrics, /healthz and /readyz here; loopback if only :PORT is given.",
)
@option("--http-listen", metavar=LISTEN, help="Serve the status page here, and the same three.")
@option(
    "--series-limit",
    type=click.IntRange(min=0),
    metavar="COUNT",
    help="The most series of metrics about single frontends.  [default: 5000]",
)
@with_settings
@click.pass_context
def watch(ctx: click.Context, /, *, paths: tuple[Path, ...], settings: Settings, **given: object) -> None:
    """Keep the kernel in line with a directory, from the first pass until SIGTERM or Ctrl-C.

    A file with errors keeps the objects it had before, a directory that is missing or empty removes
    nothing; both come back from the state file after a reboot. SIGHUP looks at every file again.
    Services stay in force when the agent ends.
    """
    from balancer.cli.log import log_faults_of_threads, log_to
    from balancer.config import LogFormat

    settings = _overridden(settings, given)
    log = log_to(sys.stderr, form=settings.log_format, level=settings.log_level, environment=os.environ)
    log_faults_of_threads(log)  # before anything may want to say something
    try:
        _run(paths, settings, log, ctx.obj())
    except BalancerError as error:
        if settings.log_format is LogFormat.TEXT:
            raise
        from balancer.agent.journal import fatal

        fatal(log, error)  # whoever reads JSON reads nothing else
        ctx.exit(error.exit_code)


def _overridden(settings: Settings, given: dict[str, Any]) -> Settings:
    """With the options that are given on top."""
    from balancer.config import LogFormat, LogLevel

    names = {item.name for item in fields(settings)}
    values = {name: value for name, value in given.items() if name in names and value is not None}
    for name, kind in (("log_format", LogFormat), ("log_level", LogLevel)):
        if name in values:
            values[name] = kind(values[name])
    return replace(settings, **values)


def _run(paths: tuple[Path, ...], settings: Settings, log: logging.Logger, facade: Facade) -> None:
    """Watches, serves and runs passes until a signal ends it."""
    from balancer.agent import signals
    from balancer.cli.listeners import listening
    from balancer.manifests.garbage import seldom_collected
    from balancer.manifests.watch import Inbox, Wake, Watcher

    inbox = Inbox(clock=time.monotonic, quiet_seconds=settings.debounce_seconds)
    watcher = Watcher(
        paths,
        lambda: inbox.put(Wake.CHANGE),
        poll=settings.poll,
        quiet_seconds=settings.debounce_seconds,
    )
    agent = _agent(paths, settings, log, facade, inbox, watcher)
    with ExitStack() as stack:
        stack.enter_context(seldom_collected())
        stack.enter_context(signals(inbox))
        stack.enter_context(listening(settings, agent, facade, log))
        stack.callback(watcher.stop)
        watcher.start()
        agent.run()


def _agent(
    paths: tuple[Path, ...],
    settings: Settings,
    log: logging.Logger,
    facade: Facade,
    inbox: Inbox,
    watcher: Watcher,
) -> Agent:
    from balancer.agent import Agent, World
    from balancer.manifests.garbage import set_aside
    from balancer.notify import notifier, watchdog_seconds
    from balancer.state import note

    world = World(
        compute=facade.continued(),
        reconciler=facade.Reconciler,
        rewatch=watcher.refresh,
        heard=watcher.heard,
        note=partial(note, settings.state),
        clock=lambda: datetime.now(UTC),
        ticks=time.monotonic,
        notify=notifier(os.environ),
        settle=set_aside,
        alive_seconds=watchdog_seconds(os.environ, os.getpid()),
    )
    files = _files(settings, watcher)
    return Agent(paths=paths, settings=settings, files=files, inbox=inbox, world=world, log=log)


def _files(settings: Settings, watcher: Watcher) -> LastGood:
    """The files as they are in force, read when nobody writes to them."""
    from balancer.lastgood.content import LastGood
    from balancer.lastgood.database import LastGoodFile
    from balancer.manifests.discover import Scanner
    from balancer.manifests.files import read_bytes
    from balancer.manifests.limits import DEFAULT_LIMITS
    from balancer.manifests.patience import Patience
    from balancer.manifests.reader import read_bytes_as
    from balancer.state import last_good_path

    patience = Patience(
        scan=Scanner().scan,
        read=watcher.whole(lambda path: read_bytes(path, DEFAULT_LIMITS)),
        bustle=watcher,
        clock=time.monotonic,
    )
    return LastGood(
        scan=patience.scan,
        glance=patience.glance,
        read=patience.read,
        parse=read_bytes_as,
        kept=LastGoodFile(last_good_path(settings.state)),
    )
