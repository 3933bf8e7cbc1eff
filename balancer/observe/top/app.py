"""The full-screen view: reads in the background, and hands what it read to the screens."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import time
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from balancer.config import Settings
from balancer.errors import BalancerError, of_os_error
from balancer.observe.top.inside import DetailPage
from balancer.observe.top.look import Look
from balancer.observe.top.main import MainScreen
from balancer.observe.top.pages import HelpPage, Page, ProblemsPage
from balancer.observe.top.plain import EFFECT_EVERY
from balancer.observe.top.source import Source
from balancer.observe.top.table import RowTable
from balancer.observe.top.tap import Opener, Tap, opener
from balancer.traffic import View


def run_app(source: Source, look: Look, settings: Settings) -> None:
    """Until q, Ctrl-C or SIGTERM. The mouse is left to the terminal, whose text can then be copied.

    The terminal says how large it is, and says it again when that changes; variables would not.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    app = TopApp(source, look, opener(settings))
    try:
        app.run(mouse=False)
    finally:
        app.hush()


class TopApp(App[None]):
    """`source` is only ever used by one background thread at a time.

    Colours are the sixteen of the terminal, on its own background: they suit dark and light ones, and every
    terminal has them.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "balancer top"
    CSS = """
    Screen { layout: vertical; }
    Static { height: auto; text-wrap: nowrap; }
    #head, #traffic { height: 1; }
    #error { color: ansi_red; text-style: bold reverse; max-height: 3; text-wrap: wrap; }
    #keys { height: 1; dock: bottom; }
    #text { text-wrap: wrap; }
    #filter { height: 1; border: none; padding: 0; }
    RowTable { height: 1fr; scrollbar-size: 0 0; }
    VerticalScroll { height: 1fr; padding: 0 1; scrollbar-size: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("question_mark", "help", show=False),
        Binding("p", "pause", show=False),
        Binding("plus,equals_sign", "interval(1)", show=False),
        Binding("minus,underscore", "interval(-1)", show=False),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]

    def __init__(self, source: Source, look: Look, opened: Opener) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._source = source
        self._look = look
        self._opener = opened
        self.main = MainScreen(look, source.host)
        self._view: View | None = None
        self._tap: Tap | None = None
        self._nudge = asyncio.Event()
        self._reading = asyncio.Lock()
        self._started = -math.inf

    def get_default_screen(self) -> Screen[None]:
        return self.main

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)
        self.run_worker(self._read_on(), exit_on_error=True)
        self.run_worker(self._check_on(), exit_on_error=True)

    async def _read_on(self) -> None:
        """A reading at each interval; a key that changes the interval or pauses counts at once."""
        while True:
            self._nudge.clear()
            left = self._started + self._look.interval - time.monotonic()
            if self._look.paused:
                await self._nudge.wait()
            elif left > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._nudge.wait(), left)
            else:
                self._started = time.monotonic()
                await self.refresh_now()

    async def refresh_now(self) -> None:
        """One more reading, shown or complained of."""
        try:
            async with self._reading:
                view = await asyncio.to_thread(self._source.look, per_frontend=self._look.per_frontend)
        except (BalancerError, OSError) as error:
            self._complain(error)
            return
        if not self._look.paused:
            self._show(view)

    async def _check_on(self) -> None:
        """The canary, seldom: each one is a process."""
        while True:
            try:
                await asyncio.to_thread(self._source.check_effect)
            except (BalancerError, OSError):
                self._source.effect = None  # the next reading says why
            await asyncio.sleep(EFFECT_EVERY)

    def _show(self, view: View, *, fresh: bool = True) -> None:
        self._view = view
        self.main.show_view(view, fresh=fresh)
        for screen in self.screen_stack:
            if isinstance(screen, Page):
                screen.show_view(view)

    def _complain(self, error: BalancerError | OSError) -> None:
        told = error if isinstance(error, BalancerError) else of_os_error(error)
        self.main.show_error(f"{told}; trying again" + (f" - {told.hint}" if told.hint else ""))

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        view = self._view
        row = next((row for row in view.rows if row.key == event.key), None) if view else None
        if view is not None and row is not None:
            self._tap = Tap(self._opener)
            self._tap.open()
            self.push_screen(DetailPage(view, row, self._tap))

    def hush(self) -> None:
        """No more reports of choices, however the app ended."""
        if self._tap is not None:
            self._tap.close()

    def action_leave(self) -> None:
        if isinstance(self.screen, Page):
            self.pop_screen()

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpPage):
            self.push_screen(HelpPage())

    def action_problems(self) -> None:
        self.push_screen(ProblemsPage(self._view))

    def action_pause(self) -> None:
        """Going on begins with a new first reading: no rate is spread over the pause."""
        self._look.paused = not self._look.paused
        if not self._look.paused:
            self._source.forget()
            self._started = -math.inf
        self._nudge.set()
        self.main.draw()

    def action_interval(self, by: int) -> None:
        (self._look.slower if by > 0 else self._look.faster)()
        self._nudge.set()
        self.main.draw()

    async def action_frontends(self) -> None:
        """The last reading in other rows, at once."""
        self._look.per_frontend = not self._look.per_frontend
        async with self._reading:
            view = self._source.again(per_frontend=self._look.per_frontend)
        if view is not None:
            self._show(view, fresh=False)
