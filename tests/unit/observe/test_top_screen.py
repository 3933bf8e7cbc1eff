"""The full-screen view in a terminal that is not there: keys, sizes, errors. What is shown is read from the screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest
from harness.patience import PATIENCE_SECONDS
from textual.pilot import Pilot
from traffic_builders import PODS, reading, tracked

from balancer.errors import BalancerError, KernelCallFailed, NotLoaded
from balancer.kernel.reasons import Reason
from balancer.kernel.ring import RawEvent
from balancer.model.problem import Origin, Problem
from balancer.observe.top.app import TopApp
from balancer.observe.top.look import Look
from balancer.observe.top.source import Source
from balancer.observe.top.table import RowTable
from balancer.plan.entries import backend_bytes
from balancer.traffic import EffectFound, Reading
from balancer.views import Effect

SERVICES = {"shop/web": 10, "shop/api": 30, "kube-system/dns": 20}
EVENT = RawEvent(0, 0, 0, 0, b"", b"", 1, 2, "curl", Reason.FORWARDED, 6, 1)


@dataclass
class Kernel:
    """Live maps that a test changes between two readings; each reading is one second later."""

    per_second: dict[str, int] = field(default_factory=lambda: dict(SERVICES))
    totals: dict[str, int] = field(default_factory=dict)
    failure: BalancerError | None = None
    readings: int = 0
    listeners: int = 0
    problems: tuple[Problem, ...] = ()

    def read(self) -> Reading:
        if self.failure is not None:
            raise self.failure
        self.readings += 1
        fronts = []
        for number, (name, rate) in enumerate(self.per_second.items(), start=1):
            self.totals[name] = self.totals.get(name, 0) + rate
            fronts.append(tracked(name, self.totals[name], address=f"10.96.0.{number}", counter=number + 1))
        return reading(float(self.readings), *fronts, problems=self.problems, stale_files=("old.yaml",))

    def probe(self) -> EffectFound:
        return EffectFound(effect=Effect.EFFECTIVE, note="answered")

    @contextmanager
    def listen(self) -> Iterator[Any]:
        self.listeners += 1
        try:
            yield self
        finally:
            self.listeners -= 1

    lost = 0

    def renew(self) -> None: ...

    def drain(self) -> list[RawEvent]:
        """One choice of the first service's first backend, made now as far as readings go."""
        at = int(self.readings * 1e9) + 500_000_000
        return [EVENT._replace(time=at, chosen=backend_bytes(ip_address(PODS[0]), 8080))]


@dataclass
class Shown:
    """A running app. Each `refresh` is one more reading."""

    app: TopApp
    pilot: Pilot[None]
    kernel: Kernel
    look: Look

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def refresh(self) -> None:
        await self.app.refresh_now()
        await self.pilot.pause()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Refreshes until other threads have done their part."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.text
            await asyncio.sleep(0.05)
            await self.refresh()

    @property
    def lines(self) -> list[str]:
        width = self.app.size.width
        return [
            "".join(part.text for part in strip)[:width].rstrip()
            for strip in self.app.screen._compositor.render_strips()
        ]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def names(self) -> list[str]:
        """The services of the table from top to bottom."""
        return [row.service.partition("/")[2] for row in self.table.rows]

    @property
    def table(self) -> RowTable:
        return self.app.main.query_one(RowTable)

    @property
    def chosen(self) -> str:
        assert self.table.chosen is not None
        return self.table.chosen.service


@asynccontextmanager
async def showing(
    kernel: Kernel | None = None, *, size: tuple[int, int] = (100, 24), **options: Any
) -> AsyncIterator[Shown]:
    """The app after two readings, which come only when asked for."""
    kernel = kernel or Kernel()
    look = Look(**{"interval": 3600.0, **options})
    app = TopApp(Source("n1", kernel.read, kernel.probe), look, kernel.listen)
    async with app.run_test(size=size) as pilot:
        shown = Shown(app, pilot, kernel, look)
        while not kernel.readings and kernel.failure is None:
            await asyncio.sleep(0.01)
        await shown.refresh()
        yield shown


def run(test: Any) -> None:
    asyncio.run(test)


async def _sorts() -> None:
    async with showing() as shown:
        assert shown.names == ["api", "dns", "web"]
        await shown.press("r")
        assert shown.names == ["web", "dns", "api"]
        await shown.press("less_than_sign", "less_than_sign")
        assert (shown.look.column, shown.look.reverse) == ("port", False)
        await shown.press("greater_than_sign", "right", "r")
        assert (shown.look.column, shown.names) == ("rate", ["web", "dns", "api"])
        assert "RATE/S▲" in shown.text


def test_keys_sort_by_any_column_and_turn_it_round() -> None:
    run(_sorts())


async def _filters() -> None:
    async with showing() as shown:
        await shown.press("slash", *"shop")
        assert shown.names == ["api", "web"]
        assert "filter: shop" in shown.text
        await shown.press("q", "p", "r")
        assert (shown.look.words, shown.names) == ("shopqpr", [])
        await shown.press("backspace", "backspace", "backspace", "enter", "r")
        assert shown.names == ["web", "api"]
        await shown.press("escape")
        assert shown.names == ["web", "dns", "api"]


def test_the_filter_takes_letters_that_are_keys_elsewhere_and_escape_drops_it() -> None:
    run(_filters())


async def _stays() -> None:
    async with showing() as shown:
        assert shown.chosen == "shop/api"
        shown.kernel.per_second["shop/web"] = 90
        await shown.refresh()
        assert shown.chosen == "shop/web"
        await shown.press("down")
        assert shown.chosen == "shop/api"
        shown.kernel.per_second["kube-system/dns"] = 70
        await shown.refresh()
        assert (shown.names, shown.chosen) == (["web", "dns", "api"], "shop/api")
        del shown.kernel.per_second["shop/api"]
        await shown.refresh()
        assert shown.chosen == "kube-system/dns"
        await shown.press("home")
        assert shown.chosen == "shop/web"


def test_the_cursor_stays_with_its_row_once_somebody_has_chosen() -> None:
    run(_stays())


async def _pauses() -> None:
    async with showing() as shown:
        await shown.press("p")
        assert "PAUSED" in shown.text
        seen = shown.kernel.readings
        shown.look.interval = 0.1
        await asyncio.sleep(0.3)
        assert shown.kernel.readings == seen
        shown.look.interval = 3600.0
        await shown.press("p")
        while shown.kernel.readings == seen:
            await asyncio.sleep(0.01)
        await shown.refresh()
        assert "PAUSED" not in shown.text
        assert "60.0 connections/s" in shown.text


def test_pause_stops_reading_and_rates_are_right_afterwards() -> None:
    run(_pauses())


async def _interval() -> None:
    async with showing(interval=60.0) as shown:
        await shown.press("minus", "minus")
        assert (shown.look.interval, "every 10 s" in shown.text) == (10.0, True)
        await shown.press("plus")
        assert shown.look.interval == 30.0


def test_plus_and_minus_change_the_interval() -> None:
    run(_interval())


async def _inside() -> None:
    async with showing() as shown:
        await shown.press("end", "enter")
        await shown.until(lambda: "100.0%" in shown.text)
        assert shown.kernel.listeners == 1
        for said in (
            "shop/web",
            "10.96.0.1:80/TCP",
            "a.yaml:1",
            "10.244.0.2:8080",
            "50.0%",
            "1. service: Service shop/web",
        ):
            assert said in shown.text
        assert "choices since you look" in shown.text
        await shown.press("escape")
        assert shown.chosen == "shop/web"
        await shown.until(lambda: shown.kernel.listeners == 0)


def test_enter_looks_into_a_service_and_listens_only_meanwhile() -> None:
    run(_inside())


async def _gone() -> None:
    async with showing() as shown:
        await shown.press("enter")
        del shown.kernel.per_second["shop/api"]
        await shown.refresh()
        assert "This has gone" in shown.text
        shown.kernel.per_second["shop/api"] = 5
        await shown.refresh()
        assert "This has gone" not in shown.text


def test_a_service_that_goes_while_it_is_looked_into_says_so_and_may_come_back() -> None:
    run(_gone())


async def _frontends() -> None:
    async with showing() as shown:
        await shown.press("f")
        assert [row.key for row in shown.table.rows] == [
            "10.96.0.2:80/TCP",
            "10.96.0.3:80/TCP",
            "10.96.0.1:80/TCP",
        ]
        assert "3 frontends" in shown.text
        await shown.press("f")
        assert "3 service ports" in shown.text


def test_one_key_shows_frontends_instead_of_service_ports() -> None:
    run(_frontends())


async def _help() -> None:
    async with showing() as shown:
        await shown.press("question_mark")
        assert "choose a row" in shown.text
        await shown.press("end")
        assert "switched off when" in shown.text
        await shown.press("escape")
        assert shown.names == ["api", "dns", "web"]
        assert "shop/api" in shown.text


def test_help_is_there_and_goes() -> None:
    run(_help())


async def _problems() -> None:
    bad = Problem(
        origin=Origin(file="a[b].yaml", line=3), object="Service shop/web", message="is no \x1b[31mport"
    )
    async with showing(Kernel(problems=(bad,))) as shown:
        assert "1 error  1 stale file" in shown.text
        await shown.press("exclamation_mark")
        assert "a[b].yaml:3" in shown.text
        assert r"is no \x1b[31mport" in shown.text
        assert "old.yaml: its last good content is in force" in shown.text


def test_problems_and_stale_files_are_counted_and_can_be_read() -> None:
    run(_problems())


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (NotLoaded("no programs are attached", hint="balancer apply [DIRECTORY]"), "[DIRECTORY]"),
        (KernelCallFailed("read map counters", 2), "cannot read map counters"),
    ],
)
def test_a_reading_that_fails_is_shown_and_recovered_from(failure: BalancerError, said: str) -> None:
    async def check() -> None:
        async with showing() as shown:
            shown.kernel.failure = failure
            await shown.refresh()
            assert said in shown.text
            assert "shop/api" in shown.text
            shown.kernel.failure = None
            shown.kernel.totals.clear()
            await shown.refresh()
            await shown.refresh()
            assert said not in shown.text
            assert "60.0 connections/s" in shown.text

    run(check())


async def _nothing() -> None:
    async with showing(Kernel(failure=NotLoaded("nothing is loaded"))) as shown:
        assert "nothing is loaded" in shown.text
        await shown.press("enter", "f", "down", "r", "slash", "x", "enter", "question_mark", "escape")
        shown.look.words = ""
        shown.kernel.failure = None
        await shown.refresh()
        assert "shop/api" in shown.text


def test_it_starts_where_nothing_is_loaded_and_waits() -> None:
    run(_nothing())


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 5), (40, 10), (80, 24), (300, 80)])
def test_it_works_at_any_size(size: tuple[int, int]) -> None:
    async def check() -> None:
        async with showing(size=size) as shown:
            await shown.press("down", "enter")
            await shown.refresh()
            await shown.press("escape", "question_mark", "escape", "slash", "x", "escape", "end")
            assert max(map(len, shown.lines)) <= size[0]
            if size >= (20, 5):
                assert "shop" in shown.text

    run(check())


async def _resizes() -> None:
    async with showing(size=(160, 40)) as shown:
        assert "AFFINITY" in shown.text
        assert "TREND" in shown.text
        await shown.pilot.resize_terminal(80, 24)
        await shown.pilot.pause()
        assert "RATE/S▼" in shown.text
        assert "AFFINITY" not in shown.text
        await shown.press("less_than_sign", *["less_than_sign"] * 3, "less_than_sign")
        assert shown.look.column == "affinity"
        assert "AFFINITY▼" in shown.text


def test_a_narrow_screen_keeps_what_matters_and_the_column_that_sorts() -> None:
    run(_resizes())


async def _many() -> None:
    kernel = Kernel(per_second={f"shop/s{number:03}": number for number in range(250)})
    async with showing(kernel, size=(80, 24)) as shown:
        await shown.press("pagedown", "pagedown", "down")
        chosen, height = shown.chosen, shown.table.at - shown.table.scroll_offset.y
        kernel.per_second = {name: 250 - rate for name, rate in kernel.per_second.items()}
        await shown.refresh()
        assert shown.chosen == chosen
        assert shown.table.at - shown.table.scroll_offset.y == height
        assert chosen in shown.text
        await shown.press("end")
        assert shown.names[-1] in shown.text


def test_the_chosen_row_keeps_its_height_when_many_rows_move() -> None:
    run(_many())


async def _counted() -> None:
    async with showing() as shown:
        for name in shown.kernel.per_second:
            shown.kernel.totals[name] = 0
        await shown.refresh()
        assert "60.0 connections/s" in shown.text


def test_counters_that_began_anew_show_no_negative_rate() -> None:
    run(_counted())
