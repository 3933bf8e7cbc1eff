"""watch: the agent that keeps the kernel in line with a directory."""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
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
    nothing; both come back from the state file after a reboot. SIGHUP looks at every file again.
    Services stay in force when the agent ends.
    """
    from balancer.agent import Agent, World, signals
    from balancer.lastgood import LastGood
    from balancer.lastgood_file import LastGoodFile
    from balancer.manifests import scan
    from balancer.manifests.files import read_bytes
    from balancer.manifests.limits import DEFAULT_LIMITS
    from balancer.manifests.patience import Patience
    from balancer.manifests.reader import read_bytes_as
    from balancer.manifests.watch import Inbox, Wake, Watcher
    from balancer.notify import notifier, watchdog_seconds
    from balancer.state import last_good_path, note

    settings = replace(
        settings,
        debounce_seconds=settings.debounce_seconds if debounce is None else debounce,
        poll=settings.poll if poll is None else poll,
    )
    log = _log()  # before anything may want to say something
    inbox = Inbox(clock=time.monotonic, quiet_seconds=settings.debounce_seconds)
    watcher = Watcher(
        paths,
        lambda: inbox.put(Wake.CHANGE),
        poll=settings.poll,
        quiet_seconds=settings.debounce_seconds,
    )
    patience = Patience(
        scan=scan,
        read=watcher.whole(lambda path: read_bytes(path, DEFAULT_LIMITS)),
        bustle=watcher,
        clock=time.monotonic,
    )
    facade = ctx.obj()
    files = LastGood(
        scan=patience.scan,
        read=patience.read,
        parse=read_bytes_as,
        kept=LastGoodFile(last_good_path(settings.state)),
    )
    world = World(
        compute=facade.compute,
        reconciler=facade.Reconciler,
        rewatch=watcher.refresh,
        note=partial(note, settings.state),
        clock=lambda: datetime.now(UTC),
        notify=notifier(os.environ),
        alive_seconds=watchdog_seconds(os.environ, os.getpid()),
    )
    agent = Agent(paths=paths, settings=settings, files=files, inbox=inbox, world=world, log=log)
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
