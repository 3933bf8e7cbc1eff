"""The streams: data goes to stdout, messages to stderr, colour only to a terminal that wants it.

Text from files may hold anything, so every control character is made visible before it reaches a
terminal. rich is loaded only when a table or a progress bar is drawn on one.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import click

from balancer.errors import BalancerError, InvalidManifests
from balancer.model.problem import Problem
from balancer.model.render import render_problem

MAX_RICH_ROWS = 1000  # rich needs 0.3 ms a row; a plain table of any length is instant
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells as text, one tuple a row, as long as `headers`."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def clean(text: str) -> str:
    r"""Text without control characters (as \x1b), direction marks or lone surrogates. Newline and tab stay."""
    visible = UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    return visible.encode("utf-8", "backslashreplace").decode("utf-8")


def colourful(stream: TextIO) -> bool:
    """Whether the stream is a terminal whose owner has not switched colour off (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def emit_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


def emit_lines(lines: Iterable[str]) -> None:
    cleaned = [clean(line) for line in lines]
    if cleaned:
        click.echo("\n".join(cleaned))


def emit_table(table: Table) -> None:
    """A table to stdout: drawn for a terminal, plain and never cut short for a pipe."""
    if not colourful(sys.stdout) or len(table.rows) > MAX_RICH_ROWS:
        emit_lines(plain_table(table))
        return
    from rich.console import Console
    from rich.table import Table as RichTable

    drawn = RichTable(*table.headers, box=None, pad_edge=False, header_style="bold")
    for column in drawn.columns:
        column.overflow = "fold"
    for row in table.rows:
        drawn.add_row(*(clean(cell) for cell in row))
    Console(file=sys.stdout, markup=False, highlight=False, emoji=False).print(drawn)


def plain_table(table: Table) -> Iterator[str]:
    """One line a row, columns two spaces apart, no trailing space."""
    rows = [table.headers, *table.rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.headers))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def message(text: str) -> None:
    """One line for the person at the terminal, to stderr."""
    click.echo(clean(text), err=True)


def show_problems(problems: Sequence[Problem], *, to_stdout: bool = False) -> None:
    """Every problem with its place, line and caret; to stdout only where they are what was asked for."""
    for problem in problems:
        text = clean(render_problem(problem))
        stream = sys.stdout if to_stdout else sys.stderr
        if colourful(stream):
            first, _, rest = text.partition("\n")
            text = click.style(first, fg="red" if problem.is_error else "yellow") + (
                "\n" + rest if rest else ""
            )
        click.echo(text, file=stream)


def show_error(error: BalancerError) -> None:
    """What went wrong and the way out, to stderr."""
    if isinstance(error, InvalidManifests):
        show_problems(error.problems)
    message(f"balancer: error: {error}")
    if error.hint:
        message(f"hint: {error.hint}")


@contextmanager
def progress_bar(*, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A callback (done, total) that draws a bar on stderr; None when that is no terminal or not wanted."""
    if not wanted or not colourful(sys.stderr):
        yield None
        return
    with ExitStack() as stack:
        draw: Callable[[int, int], None] | None = None

        def show(done: int, total: int) -> None:
            nonlocal draw
            draw = draw or _drawn_bar(stack)
            draw(done, total)

        yield show


def _drawn_bar(stack: ExitStack) -> Callable[[int, int], None]:
    """A bar on stderr until the stack is closed; made when there is something to show."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns: tuple[Any, ...] = (TextColumn("writing"), BarColumn(), MofNCompleteColumn())
    progress = stack.enter_context(Progress(*columns, console=Console(file=sys.stderr), transient=True))
    task = progress.add_task("writing", total=None)
    return lambda done, total: progress.update(task, completed=done, total=total)
