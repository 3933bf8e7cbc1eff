"""completion: the script that teaches a shell our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from balancer.cli.options import example

VARIABLE = "_BALANCER_COMPLETE"


@click.command(
    short_help="Print the completion script of a shell.",
    epilog=example(
        "balancer completion bash > /etc/bash_completion.d/balancer",
        "balancer completion fish > ~/.config/fish/completions/balancer.fish",
    ),
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}", ctx)
    click.echo(kind(ctx.find_root().command, {}, "balancer", VARIABLE).source())
