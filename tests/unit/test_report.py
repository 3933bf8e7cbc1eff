"""Rendering: what a person and a program get to see."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from balancer.desired.types import Action
from balancer.model.service import Protocol
from balancer.plan.diff import Change, FrontendState, Plan, Verb
from balancer.plan.entries import backend_bytes
from balancer.report.console import Table, clean, emit_table, plain_table, progress_bar
from balancer.report.jsonable import to_json
from balancer.report.plans import change_line, endpoint_text, pass_line, plural, summary_line
from balancer.views import Check, Level, LiveFrontend, PassResult


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Called inside a test (pytest swaps streams between phases), it makes stdout and stderr one terminal
    of 80 columns that knows colour.
    """

    def start() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return start


TABLE = Table(headers=("A", "LONGER"), rows=(("first", "x"), ("b", "\x1b[31mred")))


def state(action=Action.FORWARD, *backends, affinity=0, fallback=(), **redirect):
    return FrontendState(
        **redirect,
        action=action,
        affinity_seconds=affinity,
        packed_backends=tuple(backend_bytes(ip_address(text), 80) for text in backends),
        packed_fallback=tuple(backend_bytes(ip_address(text), 80) for text in fallback),
    )


def changed(before, after):
    verb = Verb.ADD if before is None else Verb.DELETE if after is None else Verb.CHANGE
    address = ip_address("10.96.0.1")
    return Change(verb=verb, address=address, port=53, protocol=Protocol.UDP, before=before, after=after)


def test_plain_columns_line_up_without_trailing_space():
    assert list(plain_table(Table(headers=("A", "B"), rows=(("long", "x"), ("s", ""))))) == [
        "A     B",
        "long  x",
        "s",
    ]


def test_a_terminal_gets_colour_and_no_escape_of_the_data(terminal):
    stream = terminal()
    emit_table(TABLE)
    assert "\x1b[1m" in stream.getvalue()
    assert "\x1b[31m" not in stream.getvalue()
    assert "\\x1b[31mred" in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_where_it_is_not_wanted(terminal, monkeypatch, name, value):
    stream = terminal()
    """no-color.org: NO_COLOR that is not empty switches colour off."""
    monkeypatch.setenv(name, value)
    emit_table(TABLE)
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_folds_long_cells_instead_of_cutting_them(terminal):
    stream = terminal()
    emit_table(Table(headers=("A", "B"), rows=(("x" * 100, "y" * 100),)))
    assert stream.getvalue().count("x") == 100
    assert stream.getvalue().count("y") == 100


def test_ten_thousand_rows_are_all_shown(terminal):
    stream = terminal()
    emit_table(Table(headers=("A",), rows=tuple((f"row-{number}",) for number in range(10_000))))
    assert len(stream.getvalue().splitlines()) == 10_001


def test_a_bar_is_drawn_only_when_something_is_written(terminal):
    stream = terminal()
    with progress_bar(wanted=True) as draw:
        assert draw is not None
    assert stream.getvalue() == ""
    with progress_bar(wanted=True) as draw:
        draw(1, 2)
    assert "writing" in stream.getvalue()


def test_a_bar_is_drawn_on_a_terminal_only(terminal, monkeypatch):
    terminal()
    with progress_bar(wanted=True) as draw:
        assert draw is not None
        draw(1, 2)
    with progress_bar(wanted=False) as draw:
        assert draw is None
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar(wanted=True) as draw:
        assert draw is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb", "a\\rb"),
        ("\u202egnp", "\\u202egnp"),
        ("\udcff", "\\udcff"),
    ],
)
def test_dangerous_characters_are_made_visible(text, shown):
    assert clean(text) == shown


def test_json_of_every_kind_of_value():
    value = {
        "level": Level.WARN,
        "address": ip_address("fd00::1"),
        "path": Path("/a"),
        "time": datetime(2024, 1, 1, tzinfo=UTC),
        "check": Check(name="kernel", level=Level.OK, found="6.1"),
        "many": (1, 2.5, True, None),
    }
    assert json.loads(json.dumps(to_json(value))) == {
        "level": "warn",
        "address": "fd00::1",
        "path": "/a",
        "time": "2024-01-01T00:00:00+00:00",
        "check": {"name": "kernel", "level": "ok", "found": "6.1", "advice": ""},
        "many": [1, 2.5, True, None],
    }


def test_json_of_a_frontend_whose_origin_is_not_known():
    live = LiveFrontend(address=ip_address("10.0.0.1"), port=1, protocol=Protocol.TCP, action=Action.REFUSE)
    assert to_json(live)["kind"] is None


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (None, state(Action.REFUSE), "+ 10.96.0.1:53/UDP  refuse"),
        (state(Action.FORWARD, "10.0.0.1"), None, "- 10.96.0.1:53/UDP  forward  to 10.0.0.1:80"),
        (
            state(Action.FORWARD, "10.0.0.1", "10.0.0.2"),
            state(Action.FORWARD, "10.0.0.2", "10.0.0.3"),
            "~ 10.96.0.1:53/UDP  +10.0.0.3:80  -10.0.0.1:80",
        ),
        (
            state(Action.FORWARD, "10.0.0.1"),
            state(Action.UNREACHABLE),
            "~ 10.96.0.1:53/UDP  forward -> unreachable  -10.0.0.1:80",
        ),
        (
            state(Action.FORWARD, "fd00::1"),
            state(Action.FORWARD, "fd00::1", affinity=5, fallback=("fd00::2",)),
            "~ 10.96.0.1:53/UDP  affinity 0 -> 5 s  fallback +[fd00::2]:80",
        ),
        (
            None,
            state(Action.FORWARD, "10.0.0.1", fallback=("10.0.0.2",), redirect=True, rate=100),
            "+ 10.96.0.1:53/UDP  forward  to 10.0.0.1:80  local redirect of 100/s  else 10.0.0.2:80",
        ),
        (
            None,
            state(Action.FORWARD, "10.0.0.1", redirect=True),
            "+ 10.96.0.1:53/UDP  forward  to 10.0.0.1:80  local redirect  else refuse",
        ),
        (
            None,
            state(Action.FORWARD, "10.0.0.1", fallback=("10.0.0.2",)),
            "+ 10.96.0.1:53/UDP  forward  to 10.0.0.1:80  in place of 10.0.0.2:80",
        ),
        (
            state(Action.FORWARD, "10.0.0.1"),
            state(Action.FORWARD, "10.0.0.1", redirect=True, rate=5, fallback_action=Action.FORWARD),
            "~ 10.96.0.1:53/UDP  now a local redirect  rate no limit -> 5/s  fallback refuse -> forward",
        ),
        (
            state(Action.FORWARD, "10.0.0.1", redirect=True, rate=5),
            state(Action.FORWARD, "10.0.0.1", rate=0),
            "~ 10.96.0.1:53/UDP  no local redirect any more  rate 5/s -> no limit",
        ),
        (
            state(Action.FORWARD, "10.0.0.1", fallback_group=1),
            state(Action.FORWARD, "10.0.0.1", fallback_group=2),
            "~ 10.96.0.1:53/UDP  entry rewritten",
        ),
    ],
)
def test_a_change_says_only_what_differs(before, after, line):
    assert change_line(changed(before, after)) == line


def test_summary_and_pass_lines_count_frontends():
    plan = Plan(changes=(changed(None, state(Action.REFUSE)), changed(state(), state(Action.REFUSE))))
    assert summary_line(plan) == "1 to add, 1 to change, 0 to delete"
    result = PassResult(plan=plan, loaded_programs=False, attached=True, seconds=0.0125)
    assert pass_line(result) == "1 added, 1 changed, 0 deleted in 0.013 s"


def test_small_texts():
    assert endpoint_text(ip_address("fd00::1"), 80) == "[fd00::1]:80"
    assert (plural(1, "file"), plural(0, "file")) == ("1 file", "0 files")
