"""One service looked into: its frontends, its backends with their shares, and who decides. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from balancer.desired.types import Action, Backend
from balancer.observe.top.draw import bar, trend
from balancer.observe.top.shares import Shares
from balancer.report.console import clean
from balancer.report.plans import endpoint_text
from balancer.report.top import count_text, duration_text, port_text, rate_text, service_text
from balancer.traffic import Link, Reading, Row, Tracked

_TITLE = "bold cyan"
_HEAD = "bold"
_BAR = 16


class BackendShare(NamedTuple):
    """One backend of a service. `expected` is its share by design, None where that cannot be said;
    `observed` is how often it was chosen while watched.
    """

    name: str
    node: str
    pod: str
    expected: float | None
    observed: int
    fallback: bool


def backend_shares(row: Row, reading: Reading, shares: Shares | None) -> tuple[BackendShare, ...]:
    """The backends of all frontends, and those that were chosen but have gone since.

    Each frontend picks among its backends at random, so that all have the same share. Where frontends have
    different backends, shares depend on which of them is used, and none is given.
    """
    lists = {
        frozenset((item.address, item.port) for item in front.live.backends)
        for front in row.frontends
        if front.live.backends and front.live.address.version == row.frontends[0].live.address.version
    }
    even = 1 / len(next(iter(lists))) if len(lists) == 1 else None
    observed = dict(shares.observed) if shares is not None else {}
    found = {}
    for fallback in (False, True):
        for front in row.frontends:
            for item in front.live.fallback if fallback else front.live.backends:
                name = endpoint_text(item.address, item.port)
                if name not in found:
                    family = item.address.version == row.frontends[0].live.address.version
                    expected = even if family and not fallback else None
                    found[name] = BackendShare(
                        name,
                        item.node or "",
                        _pod(item, reading.pods),
                        expected,
                        observed.pop(name, 0),
                        fallback,
                    )
    gone = (BackendShare(name, "", "gone", None, count, False) for name, count in observed.items())
    return (*found.values(), *gone)


def _pod(backend: Backend, pods: Mapping[str, str]) -> str:
    """A pod that shares its node's address is known by address and port."""
    by_port = pods.get(endpoint_text(backend.address, backend.port), "")
    return by_port or pods.get(str(backend.address), "")


def detail(row: Row, reading: Reading, shares: Shares | None, *, note: str, lost: int, width: int) -> Text:
    """The whole page. `note` says why choices are not reported, "" where they are; `lost` is how many
    reports of any service were lost.
    """
    text = Text(no_wrap=True)
    for line in _lines(row, reading, shares, note, lost, width):
        line.truncate(width, overflow="ellipsis")
        text.append_text(line)
        text.append("\n")
    return text


def _lines(
    row: Row, reading: Reading, shares: Shares | None, note: str, lost: int, width: int
) -> Iterator[Text]:
    yield Text.assemble(
        (clean(service_text(row)), _TITLE), "  ", (clean(f"{row.port_name} {port_text(row)}".strip()), "bold")
    )
    yield from _traffic(row, width)
    yield Text()
    yield from _table(
        ("FRONTEND", "KIND", "ACTION", "TOTAL", "REJECTED", "FILE"),
        [_frontend(item) for item in row.frontends],
    )
    yield Text()
    yield from _backends(row, reading, shares, note, lost, width)
    yield Text()
    yield from _who_decides(row)


def _traffic(row: Row, width: int) -> Iterator[Text]:
    rates = row.rates
    if rates is None:
        yield Text("rates come with the next reading", style="dim")
        return
    line = Text.assemble(
        (trend(row.trend, min(len(row.trend), max(width // 2 - 20, 8))), "green"),
        (f" {rate_text(rates.forwarded)}/s", "bold green"),
        f"  {count_text(row.counts.forwarded)} in all",
    )
    for name, rate, count in (
        ("rejected", rates.rejected, row.counts.rejected),
        ("fallback", rates.fell_back, row.counts.fell_back),
        ("above the rate", rates.rate_limited, row.counts.rate_limited),
    ):
        if count:
            line.append(f"  {name} {rate_text(rate)}/s ({count_text(count)})", style="yellow")
    yield line
    if row.affinity_seconds:
        yield Text(f"affinity: one client stays on one backend for {duration_text(row.affinity_seconds)}")


def _frontend(item: Tracked) -> tuple[str, ...]:
    live = item.live
    kind = live.kind.value if live.kind else "-"
    counts = (count_text(item.counts.forwarded), count_text(item.counts.rejected))
    return (item.name, kind, live.action.value, *counts, live.file or "-")


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[Text]:
    lines = [headers, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headers))]
    for number, line in enumerate(lines):
        cells = (clean(cell).ljust(width) for cell, width in zip(line, widths, strict=True))
        yield Text("  ".join(cells).rstrip(), style=_HEAD if number == 0 else "")


def _backends(
    row: Row, reading: Reading, shares: Shares | None, note: str, lost: int, width: int
) -> Iterator[Text]:
    found = backend_shares(row, reading, shares)
    if not found:
        yield Text(f"NO BACKENDS: connections are answered with {row.action}", style="bold red")
        return
    yield _spread(row, shares, note, lost)
    wide = max(len(item.name) for item in found)
    where = [" ".join(part for part in (item.pod, item.node and f"on {item.node}") if part) for item in found]
    room = max(min(max(map(len, where)), width - wide - _BAR - 28), 0)
    head = f"{'BACKEND':<{wide}}  {'POD AND NODE':<{room}.{room}}  {'EVEN':>6}  {'OBSERVED':<{_BAR}}"
    yield Text(head, style=_HEAD)
    for item, place in zip(found, where, strict=True):
        yield _backend(item, clean(place)[:room].ljust(room), wide, shares.total if shares else 0)


def _spread(row: Row, shares: Shares | None, note: str, lost: int) -> Text:
    rate = max(item.live.rate for item in row.frontends)
    how = "each connection goes to a backend at random"
    if rate:
        how = f"up to {rate} a second go to the redirect's backend, the others to the fallback"
    elif row.affinity_seconds:
        how = "a client's first connection goes to a backend at random"
    line = Text(how, style="dim")
    if shares is None:
        line.append(f"; shares are not observed: {clean(note)}" if note else "")
        return line
    seen = f"; observed {shares.total} of {max(shares.made, shares.total)} choices since you look"
    line.append(seen, style="not dim bold")
    if lost:
        line.append(f", {lost} reports lost", style="not dim bold yellow")
    return line


def _backend(item: BackendShare, place: str, wide: int, total: int) -> Text:
    share = item.observed / total if total else 0.0
    even = "fallb." if item.fallback else f"{item.expected:.1%}" if item.expected is not None else "-"
    line = Text(f"{item.name:<{wide}}  {place}  {even:>6}  ")
    line.append(bar(share, _BAR), style="green")
    if total:
        line.append(f" {share:6.1%} ({count_text(item.observed)})")
    return line


def _who_decides(row: Row) -> Iterator[Text]:
    """Each chain of priorities once, with the frontends that it is for if there are several."""
    chains: dict[Sequence[Link], list[Tracked]] = {}
    for item in row.frontends:
        chains.setdefault(item.chain, []).append(item)
    yield Text("WHO DECIDES", style=_HEAD)
    for chain, items in chains.items():
        if len(chains) > 1:
            more = f" and {len(items) - 1} more" if len(items) > 1 else ""
            yield Text(f"for {items[0].name}{more}", style="dim")
        if not chain:
            yield Text("not known: the state file does not name it", style="yellow")
        for number, link in enumerate(chain, start=1):
            yield _link(number, link)


def _link(number: int, link: Link) -> Text:
    line = Text(f"{number}. {link.source}: {clean(link.object)}  ", style="" if number == 1 else "dim")
    line.append(link.action.value, style="red" if link.action is not Action.FORWARD else "")
    line.append(f"  {clean(link.file)}", style="dim")
    return line
