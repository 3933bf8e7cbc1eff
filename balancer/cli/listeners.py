"""What `watch` serves over HTTP: metrics, health and the status page, at one address or at two.

Whoever asks gets an answer during a pass, too, and however often they ask takes little of the time that passes
need: the answers that cost something are made once for all who ask within a second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from balancer.agent import Agent
    from balancer.cli.facade import Facade
    from balancer.config import Settings
    from balancer.observe.app import App

ANSWER_SECONDS = 1.0
Listen = tuple[str, int]
Value = TypeVar("Value")


@contextmanager
def listening(settings: Settings, agent: Agent, facade: Facade, log: logging.Logger) -> Iterator[None]:
    """Serves until the end of the block. Raises HostError for an address that cannot be had."""
    if not settings.metrics_listen and not settings.http_listen:
        yield
        return
    from balancer.agent.journal import say
    from balancer.observe.server import serving

    with ExitStack() as stack:
        for listen, (what, app) in _apps(settings, agent, facade).items():
            url = stack.enter_context(serving(listen, app))
            say(log, logging.INFO, "listening", f"{what} at {url}", {"url": url, "serves": what})
        yield


def _apps(settings: Settings, agent: Agent, facade: Facade) -> dict[Listen, tuple[str, App]]:
    """What to serve, by address: two settings with one address mean one server."""
    from balancer.agent.health import HealthCheck
    from balancer.agent.lately import Lately
    from balancer.observe.app import App
    from balancer.observe.metrics import Collector, exposition, openmetrics, process_collectors
    from balancer.observe.page import Page

    def seldom(make: Callable[[], Value]) -> Lately[Value]:
        return Lately(make, seconds=ANSWER_SECONDS, clock=time.monotonic, busy=lambda: agent.busy)

    told = (Collector(settings, series_limit=settings.series_limit), *process_collectors())
    app = partial(
        App,
        metrics=seldom(lambda: exposition(*told)),
        openmetrics=seldom(lambda: openmetrics(*told)),
        health=HealthCheck(
            lambda: agent.standing, lambda: facade.status(settings), time.monotonic, lambda: agent.busy
        ),
    )
    apps: dict[Listen, tuple[str, App]] = {}
    if settings.metrics_listen:
        apps[_parsed("metrics_listen", settings)] = ("metrics and health", app())
    if settings.http_listen:
        apps[_parsed("http_listen", settings)] = (
            "status page, metrics and health",
            app(page=seldom(Page(settings))),
        )
    return apps


def _parsed(name: str, settings: Settings) -> Listen:
    """The address of one setting, of the file or an option. Raises UsageError."""
    from balancer.observe.listen import parse_listen

    try:
        return parse_listen(getattr(settings, name))
    except ValueError as error:
        raise click.UsageError(f"--{name.replace('_', '-')}: {error}") from None
