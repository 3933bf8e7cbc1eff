"""The two lines above the table and the line of keys below it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from balancer.model.problem import Problem
from balancer.observe.top.draw import as_many, fit, trend
from balancer.observe.top.look import Look
from balancer.report.console import clean
from balancer.report.plans import plural
from balancer.report.top import duration_text, effect_text, last_pass_text, rate_text
from balancer.traffic import Rates, View
from balancer.views import Effect

_COLOUR = {
    Effect.EFFECTIVE: "green",
    Effect.UNVERIFIED: "yellow",
    Effect.INEFFECTIVE: "red",
}
_KEYS = (
    *(
        ("q", "quit"),
        ("?", "help"),
        ("Enter", "look into"),
        ("<>", "column"),
        ("r", "reverse"),
        ("/", "filter"),
    ),
    *(("f", "frontends"), ("p", "pause"), ("+-", "interval"), ("!", "problems")),
)
_KEYS_INSIDE = (("Esc", "back"), ("q", "quit"), ("?", "help"), ("p", "pause"), ("+-", "interval"))
_TREND = 12


def head(view: View | None, look: Look, *, host: str, width: int) -> Text:
    """Whose host, does it work, is it up to date."""
    parts = [Text(f"balancer top · {clean(host)}", style="bold")]
    if look.paused:
        parts.append(Text("PAUSED", style="bold reverse"))
    if view is not None:
        parts += _health(view)
    parts.append(Text(f"every {duration_text(look.interval)}", style="dim"))
    return as_many(parts, width, between="  ")


def _health(view: View) -> Iterator[Text]:
    reading = view.reading
    colour = _COLOUR[view.effect.effect] if view.effect else "dim"
    yield Text(f"● {effect_text(view)}", style=colour)
    stale = len(reading.stale_files)
    errors = any(problem.is_error for problem in reading.problems)
    style = "red" if errors else "yellow" if reading.problems else ""
    if reading.problems:
        yield Text(_problems(reading.problems), style=style)
    if stale:
        yield Text(plural(stale, "stale file"), style="red")
    last = reading.last_pass
    converged = last is not None and last.converged
    text = clean(last_pass_text(view)).replace("\n", " ")
    yield Text(fit(text, 60), style="" if converged else "yellow")
    if not reading.problems and not stale:
        yield Text("no problems", style="dim")


def _problems(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`, without what there is none of."""
    errors = sum(problem.is_error for problem in problems)
    counts = ((errors, "error"), (len(problems) - errors, "warning"))
    return ", ".join(plural(count, word) for count, word in counts if count)


def traffic(view: View | None, look: Look, *, shown: int, trend_of_all: Sequence[float], width: int) -> Text:
    """How much goes through, and what is shown of it."""
    if view is None:
        return Text("reading the live maps ...", style="dim")
    what = "frontend" if look.per_frontend else "service port"
    parts = [_total(view.total, trend_of_all)]
    if look.words:
        parts.append(Text(f"{shown} of {plural(len(view.rows), what)}"))
        parts.append(Text(f"filter: {clean(look.words)}", style="bold yellow"))
    else:
        parts.append(Text(plural(len(view.rows), what)))
    direction = ", reversed" if look.reverse else ""
    parts.append(Text(f"by {look.column}{direction}", style="dim"))
    return as_many(parts, width, between="   ")


def _total(total: Rates | None, trend_of_all: Sequence[float]) -> Text:
    if total is None:
        return Text("rates come with the next reading", style="dim")
    text = Text()
    text.append(f"{trend(trend_of_all, _TREND)} ", style="green")
    text.append(f"{rate_text(total.forwarded)} connections/s", style="bold")
    text.append("   ")
    text.append(f"{rate_text(total.rejected)} rejected/s", style="bold red" if total.rejected else "")
    return text


def keys(*, inside: bool, width: int) -> Text:
    """The keys that work here, as many as fit."""
    return as_many((_key(*item) for item in (_KEYS_INSIDE if inside else _KEYS)), width)


def _key(name: str, does: str) -> Text:
    return Text.assemble((name, "bold cyan"), " ", (does, "dim"))
