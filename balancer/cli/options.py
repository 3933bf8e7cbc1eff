"""Options that several commands share. Every option is also an environment variable, BALANCER_<OPTION>."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from balancer.config import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
SETTING_OPTIONS = ("node", "cgroup", "bpffs", "state")
# Only what the shell completes: a path that is missing or forbidden is reported by who needs it.
HOST_PATH = click.Path(path_type=Path, file_okay=False, readable=False)
FILE_PATH = click.Path(path_type=Path, dir_okay=False, readable=False)


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """A click option with its variable: --dry-run is also BALANCER_DRY_RUN."""
    long = next(name for name in names if name.startswith("--"))
    variable = "BALANCER_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


def example(*lines: str) -> str:
    """The epilog of a command's help: lines that can be typed as they are, kept as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


output_option = option(
    "--output",
    "-o",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Text for people or JSON for programs.",
)

paths_argument = click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(path_type=Path),
)

from_option = option(
    "--from",
    "sources",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Answer from these manifests instead of the live maps; may be repeated, needs no root.",
)


def with_settings(command: Command) -> Command:
    """Adds the options that make up Settings and passes them on as one `settings` argument."""

    @functools.wraps(command)
    def run(*args: Any, config: Path | None, **values: Any) -> Any:
        overrides = {name: values.pop(name) for name in SETTING_OPTIONS}
        return command(*args, settings=settings_of(config, overrides), **values)

    for add in reversed(
        (
            option(
                "--node",
                metavar="NAME",
                help="This host's Node name.  [default: $NODE_NAME or the host name]",
            ),
            option(
                "--cgroup",
                type=HOST_PATH,
                metavar="DIR",
                help="Serve the processes of this cgroup2 directory.  [default: the cgroup2 root]",
            ),
            option(
                "--bpffs",
                type=HOST_PATH,
                metavar="DIR",
                help="Pin programs and maps here.  [default: /sys/fs/bpf/balancer]",
            ),
            option(
                "--state",
                type=FILE_PATH,
                metavar="FILE",
                help="Keep what the last pass did here.  [default: /var/lib/balancer/state.json]",
            ),
            option("--config", type=FILE_PATH, metavar="FILE", help="Read settings from this YAML file."),
        )
    ):
        run = add(run)
    return run  # type: ignore[return-value]


def settings_of(config: Path | None, overrides: Mapping[str, object]) -> Settings:
    from balancer.config import load_settings

    return load_settings(config, overrides)
