"""The screen of one service: listens to its choices while it is open."""

from __future__ import annotations

from rich.text import Text

from balancer.observe.top.detail import detail
from balancer.observe.top.pages import Page
from balancer.observe.top.shares import Shares
from balancer.observe.top.tap import Tap
from balancer.traffic import Reading, Row, Tracked, View


class DetailPage(Page):
    """The row with this key, as the latest view has it; one that has gone is shown as it was last."""

    def __init__(self, view: View, row: Row, tap: Tap) -> None:
        super().__init__(view)
        self.key = row.key
        self._row = row
        self._gone = False
        self._shares = Shares()
        self._tap = tap
        self._before: tuple[Reading, tuple[Tracked, ...]] | None = None

    def on_unmount(self) -> None:
        self._tap.close()

    def show_view(self, view: View) -> None:
        """Shares are shown one reading late: by then, all that was reported until that reading is here."""
        row = next((row for row in view.rows if row.key == self.key), None)
        self._gone = row is None
        self._row = row or self._row
        self._shares.add(self._tap.take())
        if self._before is not None:
            self._shares.settle(*self._before)
        self._before = (view.reading, row.frontends if row else ())
        super().show_view(view)

    def text(self, width: int) -> Text:
        assert self.view is not None
        text = Text("This has gone; so it was last:\n", style="bold bright_yellow") if self._gone else Text()
        note = self._tap.note
        shares = None if note else self._shares
        found = detail(self._row, self.view.reading, shares, note=note, lost=self._tap.lost, width=width)
        return text.append_text(found)
