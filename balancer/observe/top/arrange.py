"""Which rows are shown, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from balancer.traffic import Column, Row

Key = tuple[object, ...]

_TEXT: dict[Column, Callable[[Row], Key]] = {
    Column.SERVICE: lambda row: (row.service == "", row.service or row.policy),
    Column.PORT: lambda row: (row.port, row.protocol),
    Column.VIPS: lambda row: (row.addresses,),
    Column.POLICY: lambda row: (row.policy == "", row.policy),
}
_NUMBER: dict[Column, Callable[[Row], float | None]] = {
    Column.RATE: lambda row: row.rates and row.rates.forwarded,
    Column.TOTAL: lambda row: row.counts.forwarded,
    Column.BACKENDS: lambda row: row.backends,
    Column.REJECTED: lambda row: row.rates and row.rates.rejected,
    Column.FELL_BACK: lambda row: row.rates and row.rates.fell_back,
    Column.RATE_LIMITED: lambda row: row.rates and row.rates.rate_limited,
    Column.AFFINITY: lambda row: row.affinity_seconds,
}


def arrange(rows: Iterable[Row], column: Column, *, reverse: bool, words: str = "") -> list[Row]:
    """The rows that match `words`, sorted by `column`: texts rising, numbers falling, `reverse` the other
    way; among equal numbers those with more rejected, then always by service and port.
    """
    found = [row for row in rows if matches(row, words)] if words.strip() else list(rows)
    found.sort(key=lambda row: (row.service or row.policy, row.port_name, row.port, row.key))
    text = _TEXT.get(column)
    if text is not None:
        found.sort(key=text, reverse=reverse)
    else:
        number = _NUMBER[column]
        sign = 1.0 if reverse else -1.0
        rejected = _NUMBER[Column.REJECTED]
        found.sort(key=lambda row: (sign * (number(row) or 0.0), sign * (rejected(row) or 0.0)))
    return found


def matches(row: Row, words: str) -> bool:
    """Whether every word is part of something that the row is known by; upper and lower case are alike."""
    known = " ".join(_known(row)).casefold()
    return all(word in known for word in words.casefold().split())


def _known(row: Row) -> Iterable[str]:
    yield from (row.service, row.port_name, f"{row.port}/{row.protocol}", row.policy, row.file)
    for item in row.frontends:
        yield item.name
        yield item.live.kind or ""
