"""The command line: options in, exit codes out.

A command reads its options, calls the rest of the package through `backend()`, and hands the values it
gets to `report`. The one place that turns a `BalancerError` into a message and an exit code is
`Commands.invoke`. Whatever is slow to import (YAML, schemas, the kernel) is imported by the command
that needs it, never for `--help` or completion.
"""

from __future__ import annotations

import errno
from typing import Any

import click

from balancer import __version__
from balancer.cli import completion, converge, events, host, live, metrics, top, watch
from balancer.cli.facade import Facade
from balancer.cli.options import example
from balancer.cli.real import RealFacade
from balancer.errors import BalancerError, of_os_error
from balancer.report.console import show_error


def backend() -> Facade:
    """The implementation behind the commands."""
    return RealFacade()


class Commands(click.Group):
    """A group that ends a command with the exit code of the error it raised."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BalancerError as error:
            show_error(error)
            ctx.exit(error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has gone; click ends quietly
                raise
            told = of_os_error(error)
            show_error(told)
            ctx.exit(told.exit_code)


EXIT_CODES = """\b
Exit codes:
  0 done or in sync     3 invalid manifests     5 refused by a brake
  1 failed              4 changes pending       6 kernel or permission
  2 wrong usage"""
EXAMPLES = example(
    "balancer validate /etc/balancer/manifests",
    "balancer apply /etc/balancer/manifests",
    "balancer explain 10.96.0.10:53/udp",
)


@click.group(
    cls=Commands,
    epilog=f"{EXAMPLES}\n\n{EXIT_CODES}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="balancer")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Kubernetes Service load balancing in eBPF for any Linux host, from a directory of YAML.

    Every option can also be set as an environment variable, shown beside it. An option wins over its
    variable, the variable over the config file, the config file over the default.
    """
    ctx.obj = lambda: backend()


for command in (
    converge.validate,
    converge.plan,
    converge.apply,
    watch.watch,
    host.status,
    live.get,
    host.explain,
    events.events,
    metrics.metrics,
    top.top,
    host.doctor,
    host.detach,
    completion.completion,
):
    main.add_command(command)
