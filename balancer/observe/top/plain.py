"""top without a screen: a table, or a line of JSON, for each interval."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import click

from balancer.errors import BalancerError
from balancer.observe.top.arrange import arrange
from balancer.observe.top.look import Look
from balancer.observe.top.source import Source
from balancer.report import top as shown
from balancer.report.console import emit_lines, show_error
from balancer.traffic import View

EFFECT_EVERY = 10.0
"""Seconds between two canaries: each is a process and a system call that somebody may be watching."""


def run_plain(
    source: Source,
    look: Look,
    *,
    as_json: bool,
    count: int | None,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Prints `count` refreshes (without end if None), the first after one interval. `wait` gives
    whether to stop instead.

    A reading that fails is told and tried again; where nothing can be read at the start, or at the end,
    the error is raised.
    """
    source.look()
    checked = -EFFECT_EVERY
    done = 0
    due = clock()
    while True:
        if clock() - checked >= EFFECT_EVERY:
            checked = clock()
            _check_effect(source)
        due = max(due + look.interval, clock())
        if wait(max(due - clock(), 0.0)):
            return
        done += 1
        last = done == count
        _refresh(source, look, as_json=as_json, raising=last)
        if last:
            return


def _check_effect(source: Source) -> None:
    try:
        source.check_effect()
    except BalancerError:
        source.effect = None  # the reading that follows says why


def _refresh(source: Source, look: Look, *, as_json: bool, raising: bool) -> None:
    try:
        view = source.look(per_frontend=look.per_frontend)
    except BalancerError as error:
        if as_json:
            _emit(shown.error_json(error, time=datetime.now(UTC), host=source.host))
        if raising:
            raise
        if not as_json:
            show_error(error)
        return
    _print(view, look, as_json=as_json)


def _print(view: View, look: Look, *, as_json: bool) -> None:
    rows = arrange(view.rows, look.column, reverse=look.reverse, words=look.words)
    if as_json:
        _emit(shown.view_json(view, rows))
    else:
        emit_lines(shown.top_lines(view, rows))


def _emit(value: object) -> None:
    click.echo(json.dumps(value, separators=(",", ":")))
