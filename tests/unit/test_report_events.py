"""Decisions as lines: columns that grow, colour, and counts that end somewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import click
import pytest

from balancer.model.service import Protocol
from balancer.report.events import TOP, WIDEST, Lines, lost_line, summary_lines
from balancer.views_event import Call, Chosen, Client, Event, Lost, Result, Summary, Where

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
BACKEND = Chosen(address=ip_address("fd00:244::1"), port=8080)


def _event(client: dict[str, Any] | None = None, **fields: Any) -> Event:
    who: dict[str, Any] = {"where": Where.HOST, "pid": 7, "command": "curl"} | (client or {})
    known: dict[str, Any] = {
        "time": NOW,
        "result": Result.FORWARDED,
        "reason": "forwarded",
        "call": Call.CONNECT,
        "address": ip_address("fd00:96::1"),
        "port": 80,
        "protocol": Protocol.TCP,
        "backend": BACKEND,
    }
    return Event(**{**known, **fields}, client=Client(**who))


def test_the_headers_come_once() -> None:
    lines = Lines()
    assert [len(lines.of([_event()])), len(lines.of([_event()])), len(lines.of([]))] == [2, 1, 0]


def test_times_and_addresses() -> None:
    (line,) = Lines().of([_event()])[1:]
    assert line.split() == [
        "03:04:05.678",
        "forwarded",
        "host",
        "curl[7]",
        "[fd00:96::1]:80/TCP",
        "[fd00:244::1]:8080",
        "-",
    ]


def test_a_column_grows_and_stays_wide() -> None:
    lines = Lines()
    long = {"where": Where.POD, "namespace": "shop", "pod": "cart-" + "x" * 20}
    _, first = lines.of([_event(long)])
    (second,) = lines.of([_event()])
    assert first.index("curl") == second.index("curl")


def test_one_very_long_name_does_not_push_everything_aside() -> None:
    lines = Lines()
    lines.of([_event({"where": Where.POD, "namespace": "n" * 63, "pod": "p" * 253})])
    (line,) = lines.of([_event()])
    assert line.index("curl") < 12 + 12 + WIDEST + 3 * 3


@pytest.mark.parametrize(
    ("client", "shown"),
    [
        ({"where": Where.POD, "namespace": "a", "pod": "b", "container": "c"}, "a/b/c"),
        ({"where": Where.POD, "namespace": "a", "pod": "b", "container_id": "f" * 64}, "a/b/" + "f" * 12),
        ({"where": Where.POD, "pod_uid": "u-1"}, "pod u-1"),
        ({"where": Where.CONTAINER, "runtime": "docker", "container_id": "f" * 64}, "docker " + "f" * 12),
        ({"where": Where.HOST, "unit": "ssh.service"}, "host ssh.service"),
        ({"where": Where.UNKNOWN}, "unknown"),
    ],
)
def test_who_asked(client: dict[str, Any], shown: str) -> None:
    assert f"  {shown}  " in Lines().of([_event(client)])[1]


def test_what_gave_way_is_said() -> None:
    event = _event(
        reason="fallback", object="Service d/web", file="a.yaml:1", gave_way="LocalRedirectPolicy near"
    )
    assert Lines().of([event])[1].endswith("Service d/web a.yaml:1, LocalRedirectPolicy near gave way")


@pytest.mark.parametrize(
    ("reason", "colour"), [("affinity", "green"), ("rate_limited", "yellow"), ("refused", "red")]
)
def test_colour_changes_no_text(reason: str, colour: str) -> None:
    event = _event(reason=reason)
    (plain, coloured) = (Lines(colour=colour_on).of([event])[1] for colour_on in (False, True))
    assert click.unstyle(coloured) == plain
    assert click.style(reason.ljust(12), fg=colour) in coloured


def test_the_summary_shows_the_largest() -> None:
    services = {f"default/s{number}": 20 - number for number in range(TOP + 3)} | {"": 1}
    lines = summary_lines(
        Summary(time=NOW, seconds=2.0, seen=9, matched=8, services=services, results={"forwarded": 8})
    )
    (shown,) = (line for line in lines if "services" in line)
    assert (shown.count("default/"), shown.endswith("4 more")) == (TOP, True)


def test_losses_say_what_helps_and_for_how_long() -> None:
    assert "12 events lost, 40 in all" in lost_line(Lost(time=NOW, lost=12, total=40))
    assert "none told for 4.5 s" in lost_line(Lost(time=NOW, lost=0, total=0, unheard_seconds=4.5))
