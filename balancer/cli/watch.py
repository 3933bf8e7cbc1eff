"""watch: the agent that keeps the kernel in line with a directory."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from balancer.cli.options import example, option, paths_argument, with_settings

if TYPE_CHECKING:
    from balancer.config import Settings


@click.command(
    short_help="Keep the kernel in line with a directory.",
    epilog=example(
        "balancer watch /etc/balancer/manifests", "balancer watch --poll --debounce 1 /mnt/nfs/manifests"
    ),
)
@paths_argument
@option(
    "--debounce",
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
@with_settings
@click.pass_context
def watch(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    debounce: float | None,
    poll: bool | None,
    settings: Settings,
) -> None:
    """Keep the kernel in line with a directory, from the first pass until SIGTERM or Ctrl-C.

    A file with errors keeps the objects it had before, a directory that is missing or empty removes
    nothing. SIGHUP looks at every file again. Services stay in force when the agent ends.
    """
    from balancer.agent import Agent, LastGood, signals
    from balancer.manifests import read_file, scan
    from balancer.manifests.watch import Inbox, Wake, Watcher

    settings = replace(
        settings,
        debounce_seconds=settings.debounce_seconds if debounce is None else debounce,
        poll=settings.poll if poll is None else poll,
    )
    inbox = Inbox(clock=time.monotonic, quiet_seconds=settings.debounce_seconds)
    watcher = Watcher(paths, lambda: inbox.put(Wake.CHANGE), poll=settings.poll)
    facade = ctx.obj()
    agent = Agent(
        paths=paths,
        settings=settings,
        compute=facade.compute,
        reconciler=facade.Reconciler,
        files=LastGood(scan, read_file),
        inbox=inbox,
        rewatch=watcher.refresh,
        log=_log(),
    )
    with signals(inbox):
        watcher.start()
        try:
            agent.run()
        finally:
            watcher.stop()


def _log() -> logging.Logger:
    """One line a message, to stderr, with the time in UTC."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log = logging.getLogger("balancer")
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    return log
