"""How choices are spread: only what was counted between two readings, and what is expected by design."""

from __future__ import annotations

from typing import Any

import pytest
from traffic_builders import PODS, reading, row, tracked

from balancer.desired.types import Action, Source
from balancer.observe.rates import rows_of
from balancer.observe.top.detail import backend_shares, detail
from balancer.observe.top.shares import Choice, Shares
from balancer.traffic import Counts, Link, Row, Tracked

ONE, TWO = (f"{pod}:8080" for pod in PODS)


def choices(*given: tuple[float, int, str]) -> list[Choice]:
    return [Choice(*item) for item in given]


def test_choices_count_between_the_first_reading_and_the_latest() -> None:
    """What happened before the first reading, or after the latest, is in neither number."""
    shares = Shares()
    shares.add(choices((0.5, 2, ONE)))
    shares.settle(reading(1.0, tracked("a/web", 100)), [tracked("a/web", 100)])
    shares.add(choices((1.5, 2, ONE), (1.6, 2, TWO), (2.5, 2, TWO)))
    shares.settle(reading(2.0), [tracked("a/web", 102)])
    assert (shares.made, dict(shares.observed)) == (2, {ONE: 1, TWO: 1})
    shares.settle(reading(3.0), [tracked("a/web", 103)])
    assert (shares.made, dict(shares.observed)) == (3, {ONE: 1, TWO: 2})


def test_choices_of_other_services_do_not_count() -> None:
    shares = Shares()
    shares.settle(reading(1.0), [tracked("a/web", counter=2)])
    shares.add(choices((1.5, 3, ONE), (1.5, 2, TWO)))
    shares.settle(reading(2.0), [tracked("a/web", 1, counter=2)])
    assert (shares.made, dict(shares.observed)) == (1, {TWO: 1})


def test_datagrams_that_stay_with_their_backend_are_no_choices() -> None:
    shares = Shares()
    shares.settle(reading(1.0), [tracked("a/dns", counts=Counts())])
    shares.settle(reading(2.0), [tracked("a/dns", counts=Counts(forwarded=10, kept=9))])
    assert shares.made == 1


def test_lost_reports_leave_fewer_observed_than_made() -> None:
    shares = Shares()
    shares.settle(reading(1.0), [tracked("a/web")])
    shares.add(choices((1.5, 2, ONE)))
    shares.settle(reading(2.0), [tracked("a/web", 4)])
    assert (shares.total, shares.made) == (1, 4)


def _row(*frontends: Tracked) -> Row:
    (found,) = rows_of(None, reading(0.0, *frontends))
    return found


def test_by_design_every_backend_of_a_frontend_has_the_same_share() -> None:
    found = backend_shares(row("a/web"), reading(0.0, pods={"10.244.0.1": "a/web-1"}), None)
    assert [(item.name, item.pod, item.expected) for item in found] == [(ONE, "a/web-1", 0.5), (TWO, "", 0.5)]


def test_where_frontends_have_different_backends_nothing_is_expected() -> None:
    """A Local policy: a node port goes to the pods of one node, the cluster address to all."""
    one = tracked("a/web", address="172.16.0.1", port=30080, backends=PODS[:1])
    found = backend_shares(_row(tracked("a/web"), one), reading(0.0), None)
    assert [item.expected for item in found] == [None, None]


def test_a_fallback_has_no_share_by_design() -> None:
    front = tracked("a/dns", backends=PODS[:1], fallback=tracked("a/dns").live.backends[1:])
    found = backend_shares(_row(front), reading(0.0), None)
    assert [(item.name, item.expected, item.fallback) for item in found] == [
        (ONE, 1.0, False),
        (TWO, None, True),
    ]


def test_a_backend_that_has_gone_keeps_what_was_observed() -> None:
    shares = Shares()
    shares.observed["10.244.0.7:8080"] = 3
    found = backend_shares(row("a/web"), reading(0.0), shares)
    assert [(item.name, item.observed) for item in found] == [(ONE, 0), (TWO, 0), ("10.244.0.7:8080", 3)]


def _text(front: Tracked, shares: Shares | None = None, **options: Any) -> str:
    given: dict[str, Any] = {"note": "", "lost": 0, "width": 100, **options}
    return detail(_row(front), reading(1.0), shares, **given).plain


def test_the_page_says_how_many_choices_it_saw() -> None:
    shares = Shares(made=8)
    shares.observed.update({ONE: 3, TWO: 1})
    text = _text(tracked("a/web"), shares, lost=2)
    assert "observed 4 of 8 choices since you look, 2 reports lost" in text
    assert "75.0% (3)" in text


def test_the_page_names_who_decides_with_file_and_line() -> None:
    chain = (
        Link(
            object="LocalRedirectPolicy near",
            source=Source.LOCAL_REDIRECT,
            action=Action.FORWARD,
            file="p.yaml:3",
        ),
        Link(object="Service a/web", source=Source.SERVICE, action=Action.REFUSE, file="s.yaml:9"),
    )
    text = _text(tracked("a/web", chain=chain))
    assert text.index("1. localRedirect: LocalRedirectPolicy near  forward  p.yaml:3") < text.index(
        "s.yaml:9"
    )


def test_a_service_without_backends_says_what_connections_get() -> None:
    assert "NO BACKENDS: connections are answered with refuse" in _text(tracked("a/web", backends=()))


@pytest.mark.parametrize("width", [1, 10, 20, 40, 80, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    shares = Shares(made=8)
    shares.observed.update({ONE: 3, TWO: 1})
    assert max(map(len, _text(tracked("a/web"), shares, width=width).splitlines())) <= width
