"""The table of rows: draws only the lines that are seen, and keeps the cursor on its row while rows move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from balancer.desired.types import Action
from balancer.observe.top.draw import fit, trend
from balancer.report.console import clean
from balancer.report.top import NUMBERS, cell
from balancer.traffic import Column, Row

TITLES = {
    Column.SERVICE: "SERVICE",
    Column.PORT: "PORT",
    Column.VIPS: "VIPS",
    Column.RATE: "RATE/S",
    Column.TOTAL: "TOTAL",
    Column.BACKENDS: "BACK",
    Column.REJECTED: "REJ/S",
    Column.FELL_BACK: "FALLB/S",
    Column.RATE_LIMITED: "LIMIT/S",
    Column.AFFINITY: "AFFINITY",
    Column.POLICY: "POLICY",
}
BY_IMPORTANCE = (
    *(Column.SERVICE, Column.RATE, Column.BACKENDS, Column.PORT, Column.REJECTED, Column.TOTAL),
    *(Column.POLICY, Column.FELL_BACK, Column.RATE_LIMITED, Column.VIPS, Column.AFFINITY),
)
"""Which columns stay when there is no room for all; the one that sorts stays always."""
_MEASURED = 500  # rows whose texts decide how wide a column is
_WIDEST = {Column.SERVICE: 44, Column.VIPS: 40, Column.POLICY: 30, Column.PORT: 24}
_GAP = 2
_TREND = 16
_NOTHING = frozenset({"0", "-"})
_MARKS = {False: "▼", True: "▲"}

HEAD = Style(bold=True)
SORTED = Style(bold=True, underline=True)
CURSOR = Style(reverse=True)
QUIET = Style(dim=True)
PLAIN = Style()
BUSY = Style(color="green", bold=True)
BAD = Style(color="red", bold=True)
ODD = Style(color="yellow")
NAME = Style(color="cyan")
SPARK = Style(color="green")


class Shape(NamedTuple):
    """The columns that fit, each with its width; `trend` cells more for the trend."""

    columns: tuple[tuple[Column, int], ...]
    trend: int


def shape_of(rows: Sequence[Row], width: int, sort: Column) -> Shape:
    """What fits into `width`: by importance, in the order of the table, with a trend if there is room."""
    wanted = {
        column: max(len(TITLES[column]) + 1, 7 if column in NUMBERS else 0, _widest(rows, column))
        for column in Column
    }
    wanted[Column.SERVICE] = min(wanted[Column.SERVICE], max(width // 3, 24), max(width, 1))
    order = (
        Column.SERVICE,
        sort,
        *(column for column in BY_IMPORTANCE if _of_use(rows, column)),
        *BY_IMPORTANCE,
    )
    chosen: list[Column] = []
    left = width
    for column in dict.fromkeys(order):
        need = wanted[column] + (_GAP if chosen else 0)
        if need <= left:
            chosen.append(column)
            left -= need
    columns = tuple((column, wanted[column]) for column in Column if column in chosen)
    return Shape(columns, _TREND if left >= _TREND + _GAP else 0)


def _of_use(rows: Sequence[Row], column: Column) -> bool:
    """Whether a column of policies says anything."""
    if column is Column.POLICY:
        return any(row.policy for row in rows)
    if column is Column.FELL_BACK:
        return any(row.counts.fell_back for row in rows)
    if column is Column.RATE_LIMITED:
        return any(row.counts.rate_limited for row in rows)
    return True


def _widest(rows: Sequence[Row], column: Column) -> int:
    longest = max((len(cell(row, column)) for row in rows[:_MEASURED]), default=0)
    return min(longest, _WIDEST.get(column, longest))


class RowTable(ScrollView, can_focus=True):
    """Up, down and their like choose a row, Enter opens it.

    Until somebody chooses, the first row is the chosen one, whichever it is; from then on the cursor stays
    with its row.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "last", show=False),
        Binding("enter", "open", show=False),
    ]

    class Opened(Message):
        """A row was chosen with Enter."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()
        self.sort = Column.RATE
        self.reverse = False
        self.at = 0
        self._chosen: str | None = None
        self._shape = Shape((), 0)

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.at] if self.at < len(self.rows) else None

    def show_rows(self, rows: Sequence[Row], sort: Column, *, reverse: bool) -> None:
        """Draw these rows, the cursor on the same one as before and at the same height if it is there."""
        height = self.at - self.scroll_offset.y
        self.rows, self.sort, self.reverse = rows, sort, reverse
        if self._chosen is not None:
            places = (place for place, row in enumerate(rows) if row.key == self._chosen)
            self.at = next(places, min(self.at, max(len(rows) - 1, 0)))
        else:
            self.at = 0
        self._lay_out()
        if self._chosen is not None:
            self.scroll_to(y=max(self.at - height, 0), animate=False, force=True)
        self._keep_in_sight()

    def _lay_out(self) -> None:
        width = max(self.size.width, 1)
        self._shape = shape_of(self.rows, width, self.sort)
        self.virtual_size = Size(width, len(self.rows) + 1)
        self.refresh()

    def on_resize(self, _event: Resize) -> None:
        self._lay_out()
        self._keep_in_sight()

    def _keep_in_sight(self) -> None:
        inside = max(self.size.height - 1, 1)
        top = self.scroll_offset.y
        if self.at < top:
            self.scroll_to(y=self.at, animate=False, force=True)
        elif self.at >= top + inside:
            self.scroll_to(y=self.at - inside + 1, animate=False, force=True)

    def _choose(self, place: int) -> None:
        if self.rows:
            self.at = min(max(place, 0), len(self.rows) - 1)
            self._chosen = self.rows[self.at].key
            self._keep_in_sight()
            self.refresh()

    def action_move(self, by: int) -> None:
        self._choose(self.at + by)

    def action_page(self, by: int) -> None:
        self._choose(self.at + by * max(self.size.height - 2, 1))

    def action_first(self) -> None:
        """To the top, and to stay there."""
        self._choose(0)
        self._chosen = None

    def action_last(self) -> None:
        self._choose(len(self.rows) - 1)

    def action_open(self) -> None:
        row = self.chosen
        if row is not None:
            self._chosen = row.key
            self.post_message(self.Opened(row.key))

    def render_line(self, y: int) -> Strip:
        """Line 0 is the head, which stays; below it the rows from the scroll offset on."""
        width = self.size.width
        if y == 0:
            return self._strip(self._titles(), PLAIN, width)
        place = self.scroll_offset.y + y - 1
        if place >= len(self.rows):
            return Strip.blank(width)
        cells = self._cells(self.rows[place])
        if place == self.at:
            return self._strip([(text, CURSOR) for text, _ in cells], CURSOR, width)
        return self._strip(cells, PLAIN, width)

    def _titles(self) -> list[tuple[str, Style]]:
        found = []
        for column, width in self._shape.columns:
            chosen = column is self.sort
            text = TITLES[column] + (_MARKS[self.reverse] if chosen else "")
            padding = " " * (width - len(text))
            padded = padding + text if column in NUMBERS else text + padding
            found.append((padded, SORTED if chosen else HEAD))
        return [*found, *([("TREND".rjust(self._shape.trend), HEAD)] if self._shape.trend else [])]

    def _cells(self, row: Row) -> list[tuple[str, Style]]:
        found = []
        for column, width in self._shape.columns:
            text = fit(clean(cell(row, column)).replace("\n", " "), width)
            padded = text.rjust(width) if column in NUMBERS else text.ljust(width)
            found.append((padded, QUIET if text in _NOTHING else style_of(row, column)))
        if self._shape.trend:
            found.append((trend(row.trend, self._shape.trend), SPARK))
        return found

    def _strip(self, cells: Sequence[tuple[str, Style]], base: Style, width: int) -> Strip:
        segments = []
        for number, (text, style) in enumerate(cells):
            if number:
                segments.append(Segment(" " * _GAP, base))
            segments.append(Segment(text, style + base))
        return Strip(segments).adjust_cell_length(width, base)


def style_of(row: Row, column: Column) -> Style:
    """What is wrong stands out, what rests steps back."""
    rates = row.rates
    if column is Column.BACKENDS and (row.action is not Action.FORWARD or not row.backends):
        return BAD
    if rates is None or not any(rates):
        return QUIET
    if column is Column.RATE and rates.forwarded:
        return BUSY
    if column is Column.REJECTED and rates.rejected:
        return BAD
    if (column is Column.FELL_BACK and rates.fell_back) or (
        column is Column.RATE_LIMITED and rates.rate_limited
    ):
        return ODD
    if column is Column.POLICY and row.policy:
        return ODD
    return NAME if column is Column.SERVICE else PLAIN
