"""Rates from two readings: per second, right when frontends come and go and when counters begin anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_builders import reading, tracked

from balancer.desired.types import Action, FrontendKind, Source
from balancer.model.service import Protocol
from balancer.observe.rates import grown, rows_of, total_of
from balancer.traffic import Counts, Rates, Row


def rows(*readings: Any, **options: Any) -> dict[str, Row]:
    before, now = readings if len(readings) == 2 else (None, *readings)
    return {row.key: row for row in rows_of(before, now, **options)}


def test_a_rate_is_the_difference_by_the_seconds_between() -> None:
    found = rows(reading(10.0, tracked("a/web", 100)), reading(12.5, tracked("a/web", 150)))
    assert found["a/web:/TCP"].rates == Rates(forwarded=20.0)
    assert found["a/web:/TCP"].counts.forwarded == 150


@pytest.mark.parametrize("before", [None, reading(2.0, tracked("a/web", 1)), reading(3.0)])
def test_without_an_earlier_reading_there_are_no_rates(before: Any) -> None:
    found = rows(before, reading(2.0, tracked("a/web", 7)))
    assert found["a/web:/TCP"].rates is None


def test_a_frontend_that_is_new_counted_all_it_has_since() -> None:
    found = rows(reading(0.0), reading(2.0, tracked("a/web", 8)))
    assert found["a/web:/TCP"].rates == Rates(forwarded=4.0)


def test_a_frontend_that_has_gone_has_no_row_and_takes_nothing_from_others() -> None:
    before = reading(0.0, tracked("a/web", 50), tracked("a/db", 10, address="10.96.0.2"))
    found = rows(before, reading(1.0, tracked("a/db", 13, address="10.96.0.2")))
    assert {key: row.rates for key, row in found.items()} == {"a/db:/TCP": Rates(forwarded=3.0)}


def test_a_counter_that_began_anew_is_counted_from_zero() -> None:
    found = rows(reading(0.0, tracked("a/web", 5000)), reading(1.0, tracked("a/web", 3)))
    assert found["a/web:/TCP"].rates == Rates(forwarded=3.0)


def test_all_counts_of_a_frontend_begin_anew_together() -> None:
    """It was rejecting and forwards now: more forwarded than before, and yet all of it is new."""
    assert grown(Counts(forwarded=5, rejected=9), Counts(forwarded=7, rejected=0)) == Counts(forwarded=7)


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=20))
def test_what_grew_adds_up_to_what_was_counted(steps: list[tuple[int, bool]]) -> None:
    """Whatever restarts there were, no connection is counted twice, and none that a reading saw is missed."""
    last, seen, made = Counts(), 0, 0
    for count, restart in steps:
        now = Counts(forwarded=count if restart else last.forwarded + count)
        made += count
        seen += grown(last, now).forwarded
        last = now
    assert 0 <= seen <= made
    if not any(restart for _, restart in steps):
        assert seen == made


def test_the_addresses_of_a_service_port_are_one_row_with_cluster_addresses_first() -> None:
    node_port: dict[str, Any] = {"address": "0.0.0.0", "port": 30080, "kind": FrontendKind.NODE_PORT}
    both = [tracked("a/web", 3, **node_port), tracked("a/web", 4), tracked("a/web", 5, address="fd00::1")]
    (row,) = rows_of(reading(0.0), reading(1.0, *both))
    assert (row.port, row.addresses) == (80, ("10.96.0.1:80", "[fd00::1]:80", "0.0.0.0:30080"))
    assert (row.rates, row.counts.forwarded, row.backends) == (Rates(forwarded=12.0), 12, 2)


def test_ports_names_and_protocols_are_rows_of_their_own() -> None:
    fronts = [
        tracked("a/dns", port=53, port_name="dns"),
        tracked("a/dns", port=53, port_name="dns", protocol=Protocol.UDP),
        tracked("a/dns", port=9153, port_name="metrics"),
    ]
    assert list(rows(reading(0.0, *fronts))) == ["a/dns:dns/TCP", "a/dns:dns/UDP", "a/dns:metrics/TCP"]


def test_per_frontend_each_address_is_a_row() -> None:
    fronts = [tracked("a/web", 1), tracked("a/web", 2, address="fd00::1")]
    assert list(rows(reading(0.0, *fronts), per_frontend=True)) == ["10.96.0.1:80/TCP", "[fd00::1]:80/TCP"]


def test_what_nothing_is_known_of_is_a_row_by_its_address() -> None:
    """Without a state file there are no names, and different services must not become one."""
    found = rows(reading(0.0, tracked(""), tracked("", address="10.96.0.2")))
    assert list(found) == ["10.96.0.1:80/TCP", "10.96.0.2:80/TCP"]


def test_a_policy_on_a_service_counts_for_the_service() -> None:
    policy: dict[str, Any] = {"object": "LocalRedirectPolicy near", "source": Source.LOCAL_REDIRECT}
    (row,) = rows_of(
        None, reading(0.0, tracked("a/web", 1, **policy), tracked("a/web", 2, address="fd00::1"))
    )
    assert (row.key, row.policy, row.counts.forwarded) == ("a/web:/TCP", "LocalRedirectPolicy near", 3)


def test_a_service_forwards_as_long_as_some_frontend_does() -> None:
    some = reading(0.0, tracked("a/web"), tracked("a/web", address="fd00::1", backends=()))
    assert [row.action for row in rows_of(None, some)] == [Action.FORWARD]
    none = reading(0.0, tracked("a/web", backends=()))
    assert [(row.action, row.backends) for row in rows_of(None, none)] == [(Action.REFUSE, 0)]


def test_the_total_is_all_rows_together() -> None:
    before = reading(0.0)
    now = reading(2.0, tracked("a/web", 4), tracked("a/db", address="10.96.0.2", counts=Counts(6, 2, 1, 3)))
    assert total_of(rows_of(before, now)) == Rates(5.0, 1.0, 0.5, 1.5)
    assert total_of(rows_of(None, now)) is None
