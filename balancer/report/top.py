"""The rows of `top` as cells, plain tables and JSON lines; the full-screen view shows the same cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from balancer.desired.types import Action
from balancer.errors import BalancerError
from balancer.report.console import Table
from balancer.report.jsonable import problem_json
from balancer.report.plans import plural
from balancer.report.text import problem_count
from balancer.traffic import Column, Counts, Rates, Row, View

TITLES = {
    Column.SERVICE: "SERVICE",
    Column.PORT: "PORT",
    Column.VIPS: "VIPS",
    Column.RATE: "RATE/S",
    Column.TOTAL: "TOTAL",
    Column.BACKENDS: "BACKENDS",
    Column.REJECTED: "REJECTED/S",
    Column.FELL_BACK: "FALLBACK/S",
    Column.RATE_LIMITED: "LIMITED/S",
    Column.AFFINITY: "AFFINITY",
    Column.POLICY: "POLICY",
}
NUMBERS = frozenset(
    {Column.RATE, Column.TOTAL, Column.BACKENDS, Column.REJECTED, Column.FELL_BACK, Column.RATE_LIMITED}
)
_NONE = "-"


def cell(row: Row, column: Column) -> str:
    """What one column says of a row."""
    rates = row.rates
    if column is Column.SERVICE:
        return service_text(row)
    if column is Column.PORT:
        return port_text(row)
    if column is Column.VIPS:
        return vips_text(row.addresses)
    if column is Column.TOTAL:
        return count_text(row.counts.forwarded)
    if column is Column.BACKENDS:
        return str(row.backends) if row.action is Action.FORWARD else str(row.action)
    if column is Column.AFFINITY:
        return duration_text(row.affinity_seconds) if row.affinity_seconds else _NONE
    if column is Column.POLICY:
        return policy_text(row.policy) or _NONE
    return _NONE if rates is None else rate_text(_rate(rates, column))


def _rate(rates: Rates, column: Column) -> float:
    return {
        Column.RATE: rates.forwarded,
        Column.REJECTED: rates.rejected,
        Column.FELL_BACK: rates.fell_back,
        Column.RATE_LIMITED: rates.rate_limited,
    }[column]


def service_text(row: Row) -> str:
    """`default/web`; the addresses of a policy without a Service go by the policy's name."""
    return row.service or policy_text(row.policy) or _NONE


def policy_text(policy: str) -> str:
    """`redirect near` for LocalRedirectPolicy near, `balancing far` likewise."""
    kind, _, name = policy.partition(" ")
    return f"{ {'LocalRedirectPolicy': 'redirect', 'BalancingPolicy': 'balancing'}.get(kind, kind) } {name}".strip()


def port_text(row: Row) -> str:
    """`80/TCP`: within one Service a port is known by its number and protocol."""
    return f"{row.port}/{row.protocol}"


def vips_text(addresses: Sequence[str]) -> str:
    """The first address without its port, and how many more there are."""
    bare = list(dict.fromkeys(address.rpartition(":")[0].strip("[]") for address in addresses))
    return bare[0] + (f" +{len(bare) - 1}" if len(bare) > 1 else "")


def rate_text(rate: float) -> str:
    """Per second, in at most six characters: `0`, `0.25`, `3.2`, `312`, `48.1k`."""
    if rate >= 99_950:
        return count_text(round(rate))
    if rate >= 9_999.5:
        return f"{rate / 1000:.1f}k"
    if rate >= 99.95:
        return f"{rate:.0f}"
    if rate >= 0.95:
        return f"{rate:.1f}"
    return f"{rate:.2f}" if rate >= 0.005 else ("<0.01" if rate > 0 else "0")


def count_text(count: int) -> str:
    """All digits up to six, then in thousands, millions and so on: `123456`, `1.23M`."""
    if count < 1_000_000:
        return str(count) if count < 100_000 else f"{count / 1000:.0f}k"
    value, unit = count / 1e6, "M"
    for larger in "GTP":
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}{unit}"


def duration_text(seconds: float) -> str:
    """In the largest unit that says it well: `0.5 s`, `45 s`, `90 s`, `10 min`, `3 h`, `4 d`."""
    if seconds < 10:
        return f"{seconds:.3g} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def head_line(view: View) -> str:
    """`14:31:07 node-1  effective  last pass 12 s ago  2 errors, 1 warning  ...`, for plain text."""
    reading = view.reading
    parts = [f"{reading.time:%H:%M:%SZ} {view.host}", effect_text(view), last_pass_text(view)]
    parts.append(problem_count(reading.problems))
    parts.append(plural(len(reading.stale_files), "stale file"))
    if view.total is not None:
        parts.append(
            f"{rate_text(view.total.forwarded)} connections/s, {rate_text(view.total.rejected)} rejected/s"
        )
    return "  ".join(parts)


def effect_text(view: View) -> str:
    """`effective`; what is wrong is in capitals."""
    if view.effect is None:
        return "effect not known yet"
    effect = view.effect.effect.value
    return effect.upper() if effect == "ineffective" else effect


def last_pass_text(view: View) -> str:
    """`last pass 12 s ago`, with how it went unless it converged."""
    last = view.reading.last_pass
    if last is None:
        return "no pass on record"
    went = "" if last.converged else f": {last.result}"
    return f"last pass {age_text(last.time, view.reading.time)} ago{went}"


def age_text(then: datetime, now: datetime) -> str:
    return duration_text(max(round((now - then).total_seconds()), 0))


def top_table(rows: Sequence[Row]) -> Table:
    return Table(
        headers=tuple(TITLES[column] for column in Column),
        rows=tuple(tuple(cell(row, column) for column in Column) for row in rows),
    )


def top_lines(view: View, rows: Sequence[Row]) -> Iterator[str]:
    """A head line, the table with numbers to the right, and an empty line."""
    yield head_line(view)
    for file in view.reading.stale_files:
        yield f"stale  {file} (its last good content is in force)"
    table = top_table(rows)
    lines = (table.headers, *table.rows)
    widths = [max(len(line[place]) for line in lines) for place in range(len(table.headers))]
    for line in lines:
        cells = (
            text.rjust(width) if column in NUMBERS else text.ljust(width)
            for column, text, width in zip(Column, line, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
    yield ""


def view_json(view: View, rows: Sequence[Row]) -> dict[str, Any]:
    """One line of `top -o json`."""
    last = view.reading.last_pass
    return {
        "time": view.reading.time.isoformat(),
        "host": view.host,
        "seconds": round(view.seconds, 6),
        "effect": view.effect.effect.value if view.effect else None,
        "last_pass": {"time": last.time.isoformat(), "result": last.result} if last else None,
        "problems": [problem_json(problem) for problem in view.reading.problems],
        "stale_files": list(view.reading.stale_files),
        "total": _rates_json(view.total),
        "rows": [row_json(row) for row in rows],
    }


def error_json(error: BalancerError, *, time: datetime, host: str) -> dict[str, Any]:
    """The line of a refresh that failed."""
    return {"time": time.isoformat(), "host": host, "error": str(error), "hint": error.hint}


def row_json(row: Row) -> dict[str, Any]:
    return {
        "service": row.service,
        "port_name": row.port_name,
        "port": row.port,
        "protocol": row.protocol.value,
        "addresses": list(row.addresses),
        "rates": _rates_json(row.rates),
        "counts": _counts_json(row.counts),
        "backends": row.backends,
        "affinity_seconds": row.affinity_seconds,
        "action": row.action.value,
        "policy": row.policy,
        "file": row.file,
    }


def _rates_json(rates: Rates | None) -> dict[str, float] | None:
    return None if rates is None else {name: round(value, 3) for name, value in rates._asdict().items()}


def _counts_json(counts: Counts) -> dict[str, int]:
    return {name: value for name, value in counts._asdict().items() if name in Rates._fields}
