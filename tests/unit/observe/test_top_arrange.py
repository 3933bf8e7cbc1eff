"""Which rows top shows, in which order, and what the keys of interval and column do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from traffic_builders import row

from balancer.observe.top.arrange import arrange
from balancer.observe.top.look import INTERVALS, Look
from balancer.traffic import Column, Counts, Row

WEB = row("shop/web", 5.0, port=8080)
API = row("shop/api", 5.0, address="10.96.0.9")
DNS = row("kube-system/dns", 50.0, port=53, affinity_seconds=60, backends=("10.244.0.9",))
NEW = row("shop/new")
ALL = (WEB, NEW, DNS, API)


def names(rows: Sequence[Row]) -> list[str]:
    return [item.service.partition("/")[2] for item in rows]


@pytest.mark.parametrize(
    ("column", "falling"),
    [
        (Column.RATE, ["dns", "api", "web", "new"]),
        (Column.TOTAL, ["dns", "api", "web", "new"]),
        (Column.BACKENDS, ["api", "new", "web", "dns"]),
        (Column.AFFINITY, ["dns", "api", "new", "web"]),
        (Column.SERVICE, ["dns", "api", "new", "web"]),
        (Column.PORT, ["dns", "api", "new", "web"]),
    ],
)
def test_numbers_fall_texts_rise_and_equal_ones_go_by_name(column: Column, falling: list[str]) -> None:
    assert names(arrange(ALL, column, reverse=False)) == falling


def test_reverse_turns_the_column_round_and_leaves_equal_ones_by_name() -> None:
    assert names(arrange(ALL, Column.RATE, reverse=True)) == ["new", "api", "web", "dns"]


@pytest.mark.parametrize("column", list(Column))
def test_every_column_sorts(column: Column) -> None:
    assert sorted(names(arrange(ALL, column, reverse=True))) == ["api", "dns", "new", "web"]


def test_rejected_sorts_what_is_in_trouble_to_the_top() -> None:
    trouble = row("shop/bad", 0.0, backends=(), counts=Counts(rejected=9))
    assert names(arrange((*ALL, trouble), Column.REJECTED, reverse=False))[0] == "bad"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["dns", "api", "web", "new"]),
        ("SHOP", ["api", "web", "new"]),
        ("shop 8080", ["web"]),
        ("10.96.0.9", ["api"]),
        ("53/tcp", ["dns"]),
        ("clusterip kube", ["dns"]),
        ("a.yaml:1", ["dns", "api", "web", "new"]),
        ("nowhere", []),
    ],
)
def test_every_word_of_a_filter_must_be_somewhere(words: str, found: list[str]) -> None:
    assert names(arrange(ALL, Column.RATE, reverse=False, words=words)) == found


def test_columns_go_round_and_start_in_their_own_direction() -> None:
    look = Look(column=Column.POLICY, reverse=True)
    look.step_column(1)
    assert (look.column, look.reverse) == (Column.SERVICE, False)
    look.step_column(-1)
    assert look.column is Column.POLICY


def test_the_interval_has_steps_and_ends() -> None:
    look = Look(interval=1.5)
    look.slower()
    assert look.interval == 2.0
    for _ in INTERVALS:
        look.faster()
    assert look.interval == INTERVALS[0]
    for _ in INTERVALS:
        look.slower()
    assert look.interval == INTERVALS[-1]
