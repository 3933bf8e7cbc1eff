"""Screens of text over the table: how to use it, and what is wrong."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from balancer.model.render import render_problem
from balancer.observe.top.header import keys
from balancer.report.console import clean
from balancer.traffic import View

HELP = """\
Keys
  up down j k  PgUp PgDn  choose a row; the cursor stays with it as rows move
  Home g, End G           first row (and stay at the top), last row
  Enter                   look into the row: frontends, backends, policies
  < >  left right         sort by the column to the left, to the right
  r                       sort the other way
  /                       filter: words that must all be in service, port,
                          address, policy or file; Enter keeps it, Esc drops it
  f                       a row for each service port, or for each frontend
  p                       pause
  + -                     a longer interval, a shorter one
  !                       problems and stale files
  Esc                     back; drop the filter
  q Ctrl-C                quit

Columns
  RATE/S    connections per second that got a backend. A datagram of an
            unconnected UDP socket counts as one.
  TOTAL     all of them since the frontend was written
  BACK      backends; refuse or unreachable where there are none
  REJ/S     refused or unreachable, per second
  FALLB/S   sent to the next priority: the caller is the redirect's own backend
  LIMIT/S   sent to the next priority: above the redirect's rate
  AFFINITY  how long one client stays on one backend
  POLICY    the policy that decides here, before the Service

Rates are the differences of the kernel's own counters between two readings.
A counter that began anew (removed and applied again) is counted from zero.

Inside a service the programs report each choice of a backend, and that is
switched off when you leave. The reports say how connections are spread;
'observed 90 of 100' says how many of the choices that the kernel counted
were among them.
"""


class Page(Screen[None]):
    """Text that scrolls, with the keys below. A subclass gives the text for a width."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,left", "app.leave", show=False),
        Binding("up,k", "scroll_text('up')", show=False),
        Binding("down,j", "scroll_text('down')", show=False),
        Binding("pageup", "scroll_text('page_up')", show=False),
        Binding("pagedown,space", "scroll_text('page_down')", show=False),
        Binding("home,g", "scroll_text('home')", show=False),
        Binding("end,G", "scroll_text('end')", show=False),
    ]

    def __init__(self, view: View | None = None) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(id="text")
        yield Static(id="keys")

    def on_mount(self) -> None:
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def show_view(self, view: View) -> None:
        """The latest refresh."""
        self.view = view
        self.draw()

    def draw(self) -> None:
        width = self.app.size.width
        self.query_one("#text", Static).update(self.text(max(width - 2, 1)))
        self.query_one("#keys", Static).update(keys(inside=True, width=width))

    def text(self, width: int) -> Text:
        raise NotImplementedError

    def action_scroll_text(self, way: str) -> None:
        getattr(self.query_one(VerticalScroll), f"scroll_{way}")(animate=False)


class HelpPage(Page):
    """How to use it."""

    def text(self, width: int) -> Text:
        return Text(HELP)


class ProblemsPage(Page):
    """What the last pass complained of, with the line of the file, and files that are out of date."""

    def text(self, width: int) -> Text:
        text = Text()
        view = self.view
        if view is None:
            return Text("Nothing could be read yet.")
        for file in view.reading.stale_files:
            text.append("stale ", style="bold red")
            text.append(f"{clean(file)}: its last good content is in force\n")
        for problem in view.reading.problems:
            first, _, rest = clean(render_problem(problem)).partition("\n")
            text.append(first + "\n", style="red" if problem.is_error else "yellow")
            text.append(rest + "\n" if rest else "")
        if not text.plain:
            text.append("No problems, and no stale files.")
        if view.effect is not None:
            text.append(f"\n\nEffect: {view.effect.effect}: {clean(view.effect.note)}\n", style="dim")
        return text
