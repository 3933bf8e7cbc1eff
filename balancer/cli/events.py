"""events: decisions as they are made, with who asked, who answers and which file says so."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING

import click

from balancer.cli.options import example, option, output_option, with_settings
from balancer.cli.stopping import told_to_stop

if TYPE_CHECKING:
    from balancer.config import Settings
    from balancer.kernel.reasons import Reason
    from balancer.observe.event import Place, Wanted
    from balancer.observe.follow import Limits
    from balancer.views_event import Event, Lost, Summary

REASONS = (
    *("forwarded", "affinity", "fallback", "rate_limited"),
    *("refused", "unreachable", "unknown_port"),
)
RESULTS = ("forwarded", "rejected")
_MAX_PORT = 65535


def _several(*names: str, **settings: object) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return option(*names, multiple=True, **settings)


@click.command(
    short_help="Show decisions as they are made.",
    epilog=example(
        "balancer events",
        "balancer events --rejected --pod 'default/shop-*'",
        "balancer events --service kube-system/kube-dns --sample 100 --duration 60",
        "balancer events -o json | jq -c 'select(.type == \"event\")'",
    ),
)
@_several("--service", metavar="[NS/]NAME", help="Only what is for this Service; * and ? as in a shell.")
@_several("--pod", metavar="[NS/]NAME", help="Only what this pod asked for; host for what is in no pod.")
@_several("--result", type=click.Choice(RESULTS), help="Only what came out so.")
@option("--rejected", is_flag=True, help="Only what was refused; the same as --result rejected.")
@_several("--reason", type=click.Choice(REASONS), help="Only what was decided for this reason.")
@_several("--address", metavar="ADDR[:PORT]", help="Only what asked for this address; also 10.96.0.0/16.")
@_several("--backend", metavar="ADDR[:PORT]", help="Only what was sent there; also 10.244.1.0/24.")
@_several("--protocol", type=click.Choice(("tcp", "udp"), case_sensitive=False), help="Only this protocol.")
@_several("--command", metavar="NAME", help="Only what processes of this name asked for; * and ? too.")
@option(
    "--sample", type=click.IntRange(min=1), default=1, metavar="N", help="Show one in N; all are counted."
)
@option("--count", type=click.IntRange(min=0), default=0, metavar="N", help="End after N were shown.")
@option("--duration", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="End after so long.")
@with_settings
@output_option
def events(
    *,
    service: tuple[str, ...],
    pod: tuple[str, ...],
    result: tuple[str, ...],
    rejected: bool,
    reason: tuple[str, ...],
    address: tuple[str, ...],
    backend: tuple[str, ...],
    protocol: tuple[str, ...],
    command: tuple[str, ...],
    sample: int,
    count: int,
    duration: float,
    settings: Settings,
    output: str,
) -> None:
    """Show every decision as it is made: who asked (process, pod and container, or host), for what, which
    backend it got, and which Service or policy in which file says so.

    An option given several times shows what fits any of its values; different options must all fit.
    Ctrl-C, SIGTERM, --count and --duration end it with a summary. What is lost because it came too fast is
    counted and said.
    """
    from balancer.model.service import Protocol
    from balancer.observe import follow
    from balancer.observe.event import Wanted

    results = {*result, "rejected"} if rejected else set(result)
    wanted = Wanted(
        services=service,
        pods=pod,
        reasons=_reasons(results, reason),
        addresses=tuple(_place(item, "--address") for item in address),
        backends=tuple(_place(item, "--backend") for item in backend),
        protocols=tuple(Protocol(item.upper()) for item in protocol),
        commands=command,
    )
    limits = follow.Limits(sample=sample, count=count, seconds=duration)
    _follow(settings, wanted, limits, _writer(output))


def _reasons(results: set[str], names: tuple[str, ...]) -> frozenset[Reason]:
    from balancer.kernel.reasons import FORWARDING, REJECTING, Reason

    chosen = frozenset(Reason[name.upper()] for name in names) or frozenset(Reason)
    if results == {"rejected"}:
        return chosen & frozenset(REJECTING)
    return chosen & frozenset(FORWARDING) if results == {"forwarded"} else chosen


def _place(text: str, name: str) -> Place:
    """`10.96.0.10`, `10.96.0.0/16`, `10.96.0.10:53`, `fd00::a`, `[fd00::a]:53`."""
    from balancer.observe.event import Place

    network, port = text, "0"
    if text.startswith("[") or text.count(":") == 1:
        network, _, port = text.rpartition(":")
        network = network.removeprefix("[").removesuffix("]")
    try:
        place = Place(network=ip_network(network, strict=False), port=int(port))
    except ValueError:
        place = None
    if place is None or not 0 <= place.port <= _MAX_PORT:
        raise click.BadParameter(
            f"{text!r} is neither an address such as 10.96.0.10, 10.96.0.10:53, [fd00::a]:53 nor a range",
            param_hint=name,
        )
    return place


def _follow(
    settings: Settings, wanted: Wanted, limits: Limits, write: Callable[[list[Event | Lost | Summary]], None]
) -> None:
    from balancer.observe import follow
    from balancer.report.console import message

    with _stopped() as stopped, follow.listen(settings, wanted) as source:
        names = follow.NamesFile(settings.state)
        if names.warning:
            message(f"balancer: {names.warning}")
        follower = follow.follower(settings, source, names, wanted, limits, stopped)
        message("balancer: listening; Ctrl-C ends it")
        for items in follower.run():
            write(items)


@contextmanager
def _stopped() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came, or nobody reads the output any more."""
    unread = _reader_has_gone()
    with told_to_stop() as told:
        yield lambda: told.is_set() or unread()


def _reader_has_gone() -> Callable[[], bool]:
    """poll(2): the writing end of a pipe has POLLERR when nobody holds the reading end."""
    try:
        stdout = sys.stdout.fileno()
        os.fstat(stdout)
    except (OSError, ValueError):
        return lambda: False
    poll = select.poll()
    poll.register(stdout, 0)
    return lambda: any(event & select.POLLERR for _, event in poll.poll(0))


def _writer(output: str) -> Callable[[list[Event | Lost | Summary]], None]:
    """Writes what belongs to stdout at once and whole; in text, losses and the summary go to stderr."""
    from balancer.report.console import colourful, message
    from balancer.report.events import Lines, json_line, lost_line, summary_lines
    from balancer.views_event import Event, Lost, Summary

    def write_json(items: list[Event | Lost | Summary]) -> None:
        click.echo("\n".join(json_line(item) for item in items))
        for item in items:
            if isinstance(item, Lost):
                message(lost_line(item))

    lines = Lines(colour=colourful(sys.stdout))

    def write_text(items: list[Event | Lost | Summary]) -> None:
        shown = lines.of(item for item in items if isinstance(item, Event))
        if shown:
            click.echo("\n".join(shown))
        for item in items:
            if isinstance(item, Lost):
                message(lost_line(item))
            elif isinstance(item, Summary):
                for line in summary_lines(item):
                    message(line)

    return write_json if output == "json" else write_text
