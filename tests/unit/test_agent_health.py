"""Whether the agent is well, and that asking costs no more than it is worth."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from balancer.agent import Standing
from balancer.agent.health import EFFECT_SECONDS, HealthCheck
from balancer.agent.lately import BUSY_SECONDS, Lately
from balancer.errors import HostError
from balancer.views import Attachment, Canary, CanaryResult, Status

WELL = Standing(converged=True, ready=True, reason="", attempts=1)
HOOK = Attachment(hook="connect4", attached=True)
WORKS = Status(loaded=True, attachments=(HOOK,), canary=Canary(result=CanaryResult.WORKED, note="fine"))


class Ticker:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Host:
    """An agent's standing and a kernel's status, and how often the latter was asked for."""

    def __init__(self) -> None:
        self.standing = WELL
        self.answer: Status | Exception = WORKS
        self.asked = 0
        self.clock = Ticker()
        self.health = HealthCheck(lambda: self.standing, self.status, self.clock)

    def status(self) -> Status:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def host():
    return Host()


def test_well_is_converged_effective_and_ready(host):
    found = host.health()
    assert (found.converged, found.effective, found.ready, found.reason) == (True, True, True, "")


def test_before_the_first_pass_the_kernel_is_not_asked(host):
    host.standing = Standing()
    found = host.health()
    assert (found.converged, found.effective, found.ready) == (False, False, False)
    assert found.reason == "the first pass has not ended yet"
    assert host.asked == 0


def test_a_failing_pass_is_not_converged_and_stays_ready(host):
    host.standing = replace(WELL, converged=False, reason="pass failed: refused")
    found = host.health()
    assert (found.converged, found.effective, found.ready) == (False, True, True)
    assert found.reason == "pass failed: refused"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Status(loaded=False), "nothing is loaded"),
        (
            replace(WORKS, attachments=(HOOK, replace(HOOK, attached=False, hook="send6", note="no link"))),
            "not attached: send6 (no link)",
        ),
        (replace(WORKS, canary=Canary(result=CanaryResult.FAILED, note="never saw it")), "never saw it"),
        (HostError("no cgroup2", hint="mount it"), "not known: no cgroup2 (hint: mount it)"),
        (RuntimeError("a bug"), "not known: RuntimeError: a bug"),
    ],
)
def test_without_effect_it_says_why(host, answer, said):
    host.answer = answer
    host.standing = replace(WELL, reason="1 stale file")
    found = host.health()
    assert (found.converged, found.effective) == (True, False)
    assert found.reason.startswith("1 stale file; ")
    assert said in found.reason


def test_a_canary_that_cannot_be_sent_is_no_fault(host):
    """A host without a cluster IP has nothing to try it with."""
    host.answer = replace(WORKS, canary=Canary(note="there is no cluster IP to try it with"))
    assert host.health().effective
    assert "no cluster IP" in host.health().reason


def test_probes_without_pause_ask_the_kernel_once_in_a_while(host):
    for _ in range(100):
        host.health()
    assert host.asked == 1
    host.clock.now = EFFECT_SECONDS
    host.health()
    assert host.asked == 2


def test_the_end_of_a_pass_makes_the_answer_old(host):
    """What the pass repaired shows at once."""
    host.answer = Status(loaded=False)
    assert not host.health().effective
    host.answer = WORKS
    host.standing = replace(WELL, attempts=2)
    assert host.health().effective


def test_lately_is_made_by_one_for_all_who_ask_at_once():
    begun, may_end, made = threading.Event(), threading.Event(), []

    def make() -> int:
        begun.set()
        assert may_end.wait(10)
        made.append(1)
        return len(made)

    lately = Lately(make, seconds=1.0, clock=Ticker())
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(lately())) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert found == [1] * 5


def test_while_it_is_busy_an_older_value_will_do():
    """But not for as long as a pass may hang."""
    clock, busy, made = Ticker(), [True], []
    lately = Lately(lambda: made.append(1) or len(made), seconds=1.0, clock=clock, busy=lambda: busy[0])
    found = []
    for clock.now in (0.0, 5.0, BUSY_SECONDS):
        found.append(lately())
    busy[0] = False
    clock.now += 1.0
    assert [*found, lately()] == [1, 1, 2, 3]


def test_lately_does_not_keep_an_error():
    answers = iter([HostError("not now"), 7])

    def make() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lately = Lately(make, seconds=1.0, clock=Ticker())
    with pytest.raises(HostError):
        lately()
    assert lately() == 7
