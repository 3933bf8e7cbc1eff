"""What the next refresh shows: this reading against the one before, with a short memory of rates."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from balancer.errors import NotLoaded
from balancer.observe.rates import rows_of, total_of
from balancer.traffic import EffectFound, Reading, Row, View

MEMORY = 60
"""How many refreshes a trend reaches back."""


@dataclass
class Source:
    """`read` gives the live maps, `probe` whether they have an effect; each may raise a BalancerError.

    Used by one thread at a time.
    """

    host: str
    read: Callable[[], Reading]
    probe: Callable[[], EffectFound]
    effect: EffectFound | None = None
    _before: Reading | None = None
    _now: Reading | None = None
    _trends: dict[str, deque[float]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MEMORY))
    )

    def look(self, *, per_frontend: bool = False) -> View:
        """One more reading. What fails leaves the reading before as it was, unless the maps are gone: the
        counters of the next ones have nothing to do with it.
        """
        try:
            now = self.read()
        except NotLoaded:
            self.forget()
            raise
        self._before, self._now = self._now, now
        rows = rows_of(self._before, now, per_frontend=per_frontend)
        self._remember(rows)
        return self._view(rows, now)

    def again(self, *, per_frontend: bool = False) -> View | None:
        """The last reading once more, perhaps in other rows; None before there is one."""
        if self._now is None:
            return None
        return self._view(rows_of(self._before, self._now, per_frontend=per_frontend), self._now)

    def _view(self, rows: tuple[Row, ...], now: Reading) -> View:
        shown = tuple(replace(row, trend=tuple(self._trends.get(row.key, ()))) for row in rows)
        return View(
            host=self.host,
            reading=now,
            seconds=now.at - self._before.at if self._before is not None else 0.0,
            rows=shown,
            total=total_of(rows) if self._before is not None else None,
            effect=self.effect,
        )

    def check_effect(self) -> None:
        """Has the canary sent; the next view tells how it went."""
        self.effect = self.probe()

    def forget(self) -> None:
        """The next reading is the first one: rates begin anew, trends stay."""
        self._before = self._now = None

    def _remember(self, rows: tuple[Row, ...]) -> None:
        for key in self._trends.keys() - {row.key for row in rows}:
            del self._trends[key]
        for row in rows:
            if row.rates is not None:
                self._trends[row.key].append(row.rates.forwarded)
