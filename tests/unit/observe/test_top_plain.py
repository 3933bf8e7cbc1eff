"""top without a screen: tables and lines of JSON at each interval, and what becomes of errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from harness import schemas
from traffic_builders import reading, tracked

from balancer.errors import BalancerError, KernelCallFailed, NotLoaded
from balancer.observe.top.look import Look
from balancer.observe.top.plain import run_plain
from balancer.observe.top.source import Source
from balancer.report.top import count_text, duration_text, rate_text, vips_text
from balancer.traffic import Column, Counts, EffectFound, Reading
from balancer.views import Effect

GONE = NotLoaded("nothing is loaded", hint="apply")


@dataclass
class World:
    """Each entry of `script` is one reading: how many connections there were in all, or an error. Time passes
    only while something waits.
    """

    script: list[int | BalancerError]
    now: float = 0.0
    canaries: list[float] = field(default_factory=list)
    last: int | BalancerError = 0

    def read(self) -> Reading:
        self.last = self.script.pop(0) if self.script else self.last
        if isinstance(self.last, BalancerError):
            raise self.last
        counts = Counts(forwarded=self.last, rejected=1)
        return reading(self.now, tracked("shop/web", counts=counts), tracked("shop/api", address="10.96.0.2"))

    def probe(self) -> EffectFound:
        self.canaries.append(self.now)
        return EffectFound(effect=Effect.UNVERIFIED, note="no canary")

    def wait(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def run(self, *, count: int, as_json: bool = False, **look: Any) -> None:
        source = Source("n1", self.read, self.probe)
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        run_plain(source, Look(**look), as_json=as_json, count=count, wait=self.wait, clock=clock)


def test_a_table_for_each_interval_with_rates_from_the_first_on(capsys: Any) -> None:
    World([0, 10, 30]).run(count=2, interval=2.0)
    first, second = capsys.readouterr().out.strip().split("\n\n")
    assert first.splitlines()[0].startswith(
        "12:00:02Z n1  unverified  no pass on record  0 errors, 0 warnings"
    )
    assert [line.split()[3:5] for line in first.splitlines()[1:]] == [
        ["RATE/S", "TOTAL"],
        ["5.0", "10"],
        ["0", "0"],
    ]
    assert second.splitlines()[2].split()[3:5] == ["10.0", "30"]


def test_rows_are_sorted_filtered_and_split_as_asked(capsys: Any) -> None:
    World([0, 10]).run(count=1, column=Column.RATE, reverse=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["shop/api", "shop/web"]
    World([0, 10]).run(count=1, words="api", per_frontend=True)
    assert "shop/web" not in capsys.readouterr().out


def test_lines_of_json_are_as_the_schema_says(capsys: Any) -> None:
    World([0, 10, GONE, 4, 8]).run(count=4, as_json=True, interval=0.5)
    views = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for view in views:
        schemas.check("top", view)
    assert [view.get("error", "") for view in views] == ["", "nothing is loaded", "", ""]
    assert [
        view["rows"][0]["rates"] and view["rows"][0]["rates"]["forwarded"] for view in views if "rows" in view
    ] == [*[20.0, None, 8.0]]


def test_an_error_in_between_is_told_and_rates_go_on(capsys: Any) -> None:
    """The reading before still holds: the rate is that of both intervals."""
    World([0, KernelCallFailed("read map counters", 2), 30]).run(count=2, interval=1.0)
    captured = capsys.readouterr()
    assert "cannot read map counters" in captured.err
    assert captured.out.splitlines()[2].split()[3] == "15.0"


@pytest.mark.parametrize("script", [[GONE], [0, 1, GONE]])
def test_an_error_at_the_start_or_the_end_is_raised(script: list[int | BalancerError]) -> None:
    with pytest.raises(NotLoaded):
        World(script).run(count=2)


def test_the_canary_is_sent_seldom() -> None:
    world = World([0])
    world.run(count=45, interval=0.5)
    assert world.canaries == [0.0, 10.0, 20.0]


def test_a_canary_that_fails_leaves_the_effect_open(capsys: Any) -> None:
    world = World([0])

    def fail() -> EffectFound:
        raise GONE

    world.probe = fail  # type: ignore[method-assign]
    world.run(count=1, as_json=True)
    assert json.loads(capsys.readouterr().out)["effect"] is None


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        *[(0.0, "0"), (0.001, "<0.01"), (0.25, "0.25"), (0.949, "0.95"), (0.96, "1.0"), (9.96, "10.0")],
        *[(99.94, "99.9"), (99.96, "100"), (9999.4, "9999"), (48123.0, "48.1k"), (123_456.0, "123k")],
        *[(1_234_567.0, "1.23M")],
    ],
)
def test_rates_have_three_digits_that_matter(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *[(0, "0"), (99_999, "99999"), (100_000, "100k"), (999_499, "999k"), (1_000_000, "1.00M")],
        *[(12_345_678, "12.3M"), (999_400_000, "999M"), (999_600_000, "1.00G"), (2**64, "18447P")],
    ],
)
def test_counts_are_whole_and_then_short(count: int, text: str) -> None:
    assert count_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.5, "0.5 s"),
        (45, "45 s"),
        (90, "90 s"),
        (600, "10 min"),
        (10800, "3 h"),
        (345600, "4 d"),
    ],
)
def test_durations_are_in_the_unit_that_says_it_well(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_the_first_address_stands_for_all() -> None:
    assert vips_text(["10.96.0.1:80", "[fd00::1]:80", "0.0.0.0:30080", "10.96.0.1:81"]) == "10.96.0.1 +2"


def test_textual_is_loaded_for_the_full_screen_alone() -> None:
    code = (
        "import sys, balancer.cli.top, balancer.observe.top.plain, balancer.observe.top.world\n"
        "assert not {'textual', 'rich'} & set(sys.modules)\n"
        "import balancer.observe.top.app\nassert 'textual' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
