"""A problem as text for people."""

from __future__ import annotations

from dataclasses import replace

from balancer.model.problem import Origin, Problem, Severity
from balancer.model.render import render_problem

PROBLEM = Problem(
    origin=Origin(file="a.yaml", line=7, column=11),
    message="0 is out of range: expected a port number",
    object="Service default/web",
    path="$.spec.ports[0].port",
    excerpt="  - port: 0",
)


def test_three_lines_with_the_caret_under_the_column() -> None:
    assert render_problem(PROBLEM).splitlines() == [
        "a.yaml:7:11: error: Service default/web: $.spec.ports[0].port: 0 is out of range: expected a port number",
        "  - port: 0",
        "          ^",
    ]


def test_unknown_parts_are_left_out() -> None:
    bare = Problem(origin=Origin(file="a.yaml", line=1), message="cannot be read", severity=Severity.WARNING)
    assert render_problem(bare) == "a.yaml:1:1: warning: cannot be read"


def test_caret_follows_tabs_and_wide_characters() -> None:
    text = render_problem(replace(PROBLEM, excerpt="\t名: 0", origin=Origin(file="a", line=1, column=5)))
    assert text.splitlines()[2] == "\t    ^"


def test_cut_excerpt_counts_from_its_own_first_column() -> None:
    cut = replace(
        PROBLEM, excerpt='"port":0', excerpt_column=101, origin=Origin(file="a", line=1, column=108)
    )
    assert render_problem(cut).splitlines()[2] == "       ^"


def test_nothing_reaches_the_terminal_that_it_would_obey() -> None:
    evil = replace(PROBLEM, message='"\x1b[31m\u202e" is bad', excerpt="a: \x1b[31m\x9b", object="Pod a\nb")
    text = render_problem(evil)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\\x1b[31m\\u202e" in text
    assert len(text.splitlines()) == 3
