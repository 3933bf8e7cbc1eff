"""The screen with the table: two lines of head, the rows, the filter while it is edited, and the keys."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input, Static

from balancer.observe.top.arrange import arrange
from balancer.observe.top.header import head, keys, traffic
from balancer.observe.top.look import Look
from balancer.observe.top.source import MEMORY
from balancer.observe.top.table import RowTable
from balancer.report.console import clean
from balancer.traffic import View


class MainScreen(Screen[None]):
    """Shows the latest view the way that `look` says."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("less_than_sign,left,h", "column(-1)", show=False),
        Binding("greater_than_sign,right,l", "column(1)", show=False),
        Binding("r,R", "reverse", show=False),
        Binding("slash", "filter", show=False),
        Binding("escape", "drop_filter", show=False),
        Binding("f", "app.frontends", show=False),
        Binding("exclamation_mark", "app.problems", show=False),
    ]

    def __init__(self, look: Look, host: str) -> None:
        super().__init__()
        self._look = look
        self._host = host
        self._view: View | None = None
        self._error = ""
        self._totals: deque[float] = deque(maxlen=MEMORY)

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="traffic")
        yield Static(id="error")
        yield RowTable()
        yield Input(id="filter", compact=True, placeholder="words to look for")
        yield Static(id="keys")

    def on_mount(self) -> None:
        self.query_one("#filter", Input).display = False
        self.query_one("#error", Static).display = False
        self.query_one(RowTable).focus()
        self.draw()

    def on_resize(self) -> None:
        self.draw()

    def show_view(self, view: View, *, fresh: bool = True) -> None:
        """The latest refresh; `fresh` unless it is the last one in other rows."""
        self._view = view
        self.show_error("")
        if fresh and view.total is not None:
            self._totals.append(view.total.forwarded)
        self.draw()

    def show_error(self, message: str) -> None:
        """Why the last reading failed; "" when it did not. What was read before stays."""
        self._error = message
        line = self.query_one("#error", Static)
        line.display = bool(message)
        line.update(clean(message).replace("[", "\\["))

    def draw(self) -> None:
        """Everything anew, from the latest view."""
        width = self.app.size.width
        look, view = self._look, self._view
        rows = arrange(view.rows if view else (), look.column, reverse=look.reverse, words=look.words)
        self.query_one("#head", Static).update(head(view, look, host=self._host, width=width))
        self.query_one("#traffic", Static).update(
            traffic(view, look, shown=len(rows), trend_of_all=tuple(self._totals), width=width)
        )
        self.query_one("#keys", Static).update(keys(inside=False, width=width))
        self.query_one(RowTable).show_rows(rows, look.column, reverse=look.reverse)

    def action_column(self, by: int) -> None:
        self._look.step_column(by)
        self.draw()

    def action_reverse(self) -> None:
        self._look.reverse = not self._look.reverse
        self.draw()

    def action_filter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.display = True
        entry.value = self._look.words
        entry.focus()

    def action_drop_filter(self) -> None:
        self._look.words = ""
        self._leave_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.display:
            self._look.words = event.value
            self.draw()

    def on_input_submitted(self) -> None:
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.query_one("#filter", Input).display = False
        self.query_one(RowTable).focus()
        self.draw()
