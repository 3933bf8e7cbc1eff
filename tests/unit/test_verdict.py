"""What a status says first, and what to do next: words for somebody who was woken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from balancer.model.problem import Origin, Problem, Severity
from balancer.report.statuses import age_text, status_lines
from balancer.report.verdict import verdict
from balancer.views import Attachment, Canary, CanaryResult, LastPass, MapFill, PolicyCount, Status

TIME = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
HOOKS = (
    "connect4",
    "connect6",
    "sendmsg4",
    "sendmsg6",
    "recvmsg4",
    "recvmsg6",
    "getpeername4",
    "getpeername6",
)
PASS = LastPass(
    time=TIME,
    result="converged",
    seconds=0.012,
    frontends=14,
    files=3,
    changes=0,
    paths=("/etc/balancer/manifests",),
)
GOOD = Status(
    loaded=True,
    build_id="3f2a",
    attachments=tuple(Attachment(hook=name, attached=True, cgroup="/sys/fs/cgroup") for name in HOOKS),
    canary=Canary(result=CanaryResult.WORKED, note="a child was answered"),
    maps=(MapFill(name="frontends", used=3, capacity=12), MapFill(name="slots", used=1, capacity=12)),
    last_pass=PASS,
    policies=PolicyCount(in_force=2),
    counters={"forwarded": 5, "affinity": 2, "refused": 1},
)
ERROR = Problem(origin=Origin(file="/etc/a.yaml", line=12), object="Service d/web", message="is not a port")
WARNING = replace(ERROR, severity=Severity.WARNING)
APPLY, DOCTOR = "balancer apply /etc/balancer/manifests", "balancer doctor"
VALIDATE = "balancer validate /etc/balancer/manifests"
DETACHED = replace(GOOD.attachments[0], attached=False, note="no link is pinned")
CASES = [
    (GOOD, "working", ()),
    (
        replace(GOOD, stale_files=("/etc/b c",)),
        "working with 1 stale file",
        ("balancer validate '/etc/b c'",),
    ),
    (replace(GOOD, problems=(ERROR, WARNING)), "working with 1 error and 1 warning", (VALIDATE,)),
    (replace(GOOD, problems=(WARNING,)), "working with 1 warning", ()),
    (replace(GOOD, last_pass=None), "working with no pass on record", ("balancer apply DIRECTORY",)),
    (
        replace(GOOD, last_pass=replace(PASS, result="the disk is full")),
        "working, but the last pass failed: the disk is full",
        (APPLY,),
    ),
    (
        replace(GOOD, canary=Canary(note="no memory")),
        "working as far as can be told",
        (DOCTOR,),
    ),
    (
        replace(GOOD, canary=Canary(result=CanaryResult.FAILED, note="connect4 did not answer")),
        "not effective: every hook is attached, but connect4 did not answer",
        (DOCTOR, APPLY),
    ),
    (
        replace(GOOD, attachments=(DETACHED, *GOOD.attachments[1:])),
        "not effective: 1 hook is not attached (connect4): no link is pinned",
        (APPLY, DOCTOR),
    ),
    (
        replace(GOOD, attachments=(DETACHED,)),
        "not effective: no hook is attached: no link is pinned",
        (APPLY, DOCTOR),
    ),
    (
        Status(loaded=False, last_pass=PASS),
        "not effective: nothing is loaded, services are not answered",
        (APPLY,),
    ),
]


@pytest.mark.parametrize(("status", "words", "commands"), CASES)
def test_verdict(status: Status, words: str, commands: tuple[str, ...]) -> None:
    found = verdict(status)
    assert (found.words, found.next) == (words, commands)


@pytest.mark.parametrize("status", [case[0] for case in CASES])
def test_it_fits_a_screen_of_80_columns_and_24_lines(status: Status) -> None:
    crowded = replace(
        status,
        problems=(replace(ERROR, message="long " * 40),) * 30,
        policies=PolicyCount(in_force=1, not_in_force=9),
    )
    for shown in (status, crowded):
        lines = list(status_lines(shown, now=TIME + timedelta(minutes=5)))
        assert len(lines) <= 20  # the prompt and the command's own line are on the screen too
        assert max(map(len, lines)) <= 80


def test_a_crowd_of_problems_is_cut_short_errors_first() -> None:
    lines = list(status_lines(replace(GOOD, problems=(*[WARNING] * 9, ERROR)), now=TIME))
    start = lines.index("problems   1 error, 9 warnings")
    assert lines[start + 1 : start + 3] == ["  /etc/a.yaml:12: error: Service d/web", "    is not a port"]
    assert lines[start + 7] == "  7 more: balancer status --all"


def test_since_when_a_file_is_stale() -> None:
    stale = replace(GOOD, stale_files=("b.yaml",), stale_since={"b.yaml": TIME - timedelta(hours=2)})
    lines = list(status_lines(stale, now=TIME))
    start = lines.index("stale      b.yaml")
    assert lines[start + 1].strip() == "last good content in force since 2026-05-01 01:00 UTC (2 h)"


def test_decisions_are_by_result() -> None:
    lines = list(status_lines(GOOD, now=TIME))
    assert "decisions  7 forwarded, 1 rejected (refused 1)" in lines


def test_maps_are_told_of_from_half_full_on() -> None:
    assert "maps       none more than half full (frontends 25.0 %)" in list(status_lines(GOOD, now=TIME))
    full = replace(GOOD, maps=(*GOOD.maps, MapFill(name="members", used=7, capacity=12)))
    assert "maps       members 58.3 % full (7 of 12)" in list(status_lines(full, now=TIME))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")],
)
def test_ages(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
