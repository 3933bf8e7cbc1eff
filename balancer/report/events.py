"""Decisions as lines: aligned text for people, one JSON object a line for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from balancer.plan.changes import address_port, destination
from balancer.report.console import clean
from balancer.report.jsonable import to_json
from balancer.views_event import Chosen, Client, Event, Lost, Summary, Where

HEADERS = ("TIME (UTC)", "REASON", "CLIENT", "COMMAND", "DESTINATION", "BACKEND", "DECIDED BY")
WIDEST = 48  # of a column that grows; what is longer pushes the rest of its own line aside
TOP = 10
_FIRST_WIDTHS = (12, 12, 20, 16, 21, 24)
_UNNAMED = "(unnamed)"
_PLAIN_REASONS = ("forwarded", "affinity", "socket")
_SAFE = str.maketrans({"\n": "\\n", "\t": "\\t"})


class Lines:
    """Events as lines of a table that is never finished: a column becomes wider when it has to."""

    def __init__(self, *, colour: bool = False) -> None:
        self._colour = colour
        self._widths = list(_FIRST_WIDTHS)
        self._begun = False

    def of(self, events: Iterable[Event]) -> list[str]:
        """A line for each, below the headers the first time."""
        rows = [_cells(event) for event in events]
        for row in rows:
            for index, cell in enumerate(row[:-1]):
                self._widths[index] = max(self._widths[index], min(len(cell), WIDEST))
        lines = [self._line(row) for row in rows]
        if lines and not self._begun:
            self._begun = True
            lines.insert(0, self._line(HEADERS))
        return lines

    def _line(self, row: Sequence[str]) -> str:
        cells = [cell.ljust(width) for cell, width in zip(row, self._widths, strict=False)]
        if self._colour and row is not HEADERS:
            cells[1] = click.style(cells[1], fg=_colour_of(row[1]))
        elif self._colour:
            return click.style("  ".join((*cells, row[-1])), bold=True)
        return "  ".join((*cells, row[-1])).rstrip()


def _colour_of(reason: str) -> str:
    if reason in _PLAIN_REASONS:
        return "green"
    return "yellow" if reason in ("fallback", "rate_limited") else "red"


def _cells(event: Event) -> tuple[str, ...]:
    cells = (
        f"{event.time:%H:%M:%S}.{event.time.microsecond // 1000:03d}",
        event.reason,
        _client(event.client),
        f"{event.client.command}[{event.client.pid}]",
        destination(event.address, event.port, event.protocol),
        _backend(event.backend) if event.backend else "-",
        _decided(event),
    )
    return tuple(clean(cell).translate(_SAFE) for cell in cells)


def _client(client: Client) -> str:
    if client.where is Where.POD:
        container = client.container or client.container_id[:12]
        name = client.pod_name or f"pod {client.pod_uid}"
        return f"{name}/{container}" if container else name
    if client.where is Where.CONTAINER:
        return f"{client.runtime or 'container'} {client.container_id[:12]}"
    return f"{client.where.value} {client.unit}".rstrip()


def _backend(backend: Chosen) -> str:
    words = [address_port(backend.address, backend.port)]
    if backend.pod:
        words.append(backend.pod)
    if backend.node:
        words.append(f"on {backend.node}")
    return " ".join(words)


def _decided(event: Event) -> str:
    if not event.object:
        return "-"
    port = f" ({event.port_name})" if event.port_name else ""
    instead = f", {event.gave_way} gave way" if event.gave_way else ""
    return f"{event.object}{port} {event.file}".rstrip() + instead


def lost_line(lost: Lost) -> str:
    """For stderr, when it happens."""
    if lost.unheard_seconds:
        return f"balancer: {lost.lost} events lost, and none told for {lost.unheard_seconds:.1f} s: it was stopped"
    return (
        f"balancer: {lost.lost} events lost, {lost.total} in all: they came faster than they were read; "
        "--rejected or an output that takes less time helps"
    )


def summary_lines(summary: Summary) -> list[str]:
    """For stderr, at the end."""
    seen = f"{summary.matched} of {summary.seen} events matched, {summary.shown} shown"
    unheard = f", none told for {summary.unheard_seconds:.1f} s" if summary.unheard_seconds else ""
    lines = [f"balancer: {seen}, {summary.lost} lost in {summary.seconds:.1f} s{unheard}"]
    if summary.matched:
        lines.append("  results: " + _counts(summary.results))
        lines.append("  reasons: " + _counts(summary.reasons))
        lines.append("  services: " + _counts(summary.services))
        lines.append("  clients: " + _counts(summary.clients))
    return [clean(line) for line in lines]


def _counts(counts: Mapping[str, int]) -> str:
    shown = list(counts.items())[:TOP]
    more = f", {len(counts) - TOP} more" if len(counts) > TOP else ""
    return ", ".join(f"{name or _UNNAMED} {count}" for name, count in shown) + more


def json_line(item: Event | Lost | Summary) -> str:
    """One JSON object in one line, in ASCII, with a "type"; its shape is `schemas/events.schema.json`."""
    return json.dumps(_json(item), separators=(",", ":"))


def _json(item: Event | Lost | Summary) -> dict[str, Any]:
    kind = {Event: "event", Lost: "lost", Summary: "summary"}[type(item)]
    return {"type": kind, **to_json(item)}
