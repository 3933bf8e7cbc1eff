"""What the loop looks at: the files that are heard of, all of them by the timer, and the kernel once in a while."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import ip_address

import pytest
from watch_world import CHANGED, Stage

from balancer.agent.loop import MOST_PUT_OFF, READ_ALL_SECONDS
from balancer.desired.types import Frontend, FrontendKind, SkippedPod
from balancer.errors import BrakeEngaged
from balancer.manifests.heard import ELSEWHERE, EVERYTHING, NOTHING, Heard
from balancer.manifests.watch import Wake
from balancer.model.problem import Origin, Problem
from balancer.model.service import Protocol

LOG = logging.getLogger("test-looks")


@pytest.fixture
def world(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, LOG.name)
    made = Stage(tmp_path / "manifests", LOG)
    made.write("a.yaml", "a1")
    made.write("b.yaml", "b1")
    made.now = 0.0
    made.ticks = lambda: made.now
    return made


@pytest.fixture
def looks(world, monkeypatch):
    """What was looked at, look by look."""
    seen: list[Heard] = []
    files = world.files()
    monkeypatch.setattr(world, "files", lambda: files)
    refresh = files.refresh
    monkeypatch.setattr(files, "refresh", lambda paths, heard: (seen.append(heard), refresh(paths, heard))[1])
    return seen


def test_a_change_is_looked_for_where_it_was_heard_of(world):
    def change():
        world.write("a.yaml", "a2")
        world.write("b.yaml", "b2")
        world.heard = Heard(files=frozenset({str(world.directory / "b.yaml")}))

    world.then(change)
    world.run()
    assert world.kernel.passes[-1] == {"a.yaml": "a1", "b.yaml": "b2"}
    assert "1 read" in world.told[-3]


@pytest.mark.parametrize(
    ("wake", "all_of_it"), [(Wake.CHANGE, NOTHING), (Wake.TIMER, ELSEWHERE), (Wake.RELOAD, EVERYTHING)]
)
def test_the_timer_looks_everywhere_and_a_reload_at_everything(world, looks, wake, all_of_it):
    name = Heard(files=frozenset({str(world.directory / "a.yaml")}))
    world.then(lambda: setattr(world, "heard", name), wake)
    world.run()
    assert looks == [EVERYTHING, name | all_of_it]


def test_everything_is_read_now_and_then(world, looks):
    world.heard = NOTHING
    for now in (60.0, READ_ALL_SECONDS, READ_ALL_SECONDS + 60):
        world.then(lambda now=now: setattr(world, "now", now), Wake.TIMER)
    world.run()
    assert looks == [EVERYTHING, ELSEWHERE, EVERYTHING, ELSEWHERE]


def test_after_a_failed_pass_it_looks_everywhere(world, looks):
    world.heard = NOTHING
    world.kernel.errors = [BrakeEngaged("too many deletes")]
    world.then()
    world.then()
    world.run()
    assert looks == [EVERYTHING, ELSEWHERE, NOTHING]


def test_where_watching_fails_everything_is_looked_at(world, looks):
    def fails():
        raise OSError(28, "No space left on device")

    world.heard = NOTHING
    world.then(lambda: setattr(world, "rewatch", fails))
    world.run()
    assert looks == [EVERYTHING, EVERYTHING]


def test_the_timer_counts_from_the_last_check_however_much_changes(world):
    world.then(lambda: setattr(world, "now", 25.0))
    world.then(lambda: setattr(world, "now", 70.0))
    world.then(lambda: setattr(world, "now", 71.0), Wake.TIMER)
    world.run()
    assert world.script.waits == [60, 35, 0, 60]


@pytest.mark.parametrize(("wake", "gives_way"), [(Wake.TIMER, True), (Wake.RELOAD, False)])
def test_a_kernel_that_is_as_it_was_left_needs_no_pass(world, caplog, wake, gives_way):
    world.follows = world.kernel.is_as_left = True
    world.then(lambda: world.script.put(Wake.CHANGE), wake)
    world.run()
    assert (world.kernel.attempts, world.kernel.audits) == (1, [gives_way])
    assert f"{wake.value}: in sync, nothing to change" in caplog.text


def test_a_kernel_that_is_not_as_it_was_left_gets_a_pass(world):
    world.follows = True
    world.then(None, Wake.TIMER)
    world.run()
    assert (world.kernel.attempts, len(world.kernel.audits)) == (2, 1)


def test_a_change_that_only_the_timer_saw_gets_a_pass_too(world):
    world.follows = world.kernel.is_as_left = True
    world.then(lambda: setattr(world, "frontends", (frontend(),)), Wake.TIMER)
    world.run()
    assert (world.kernel.attempts, len(world.kernel.audits)) == (2, 1)


def test_where_pods_have_to_be_looked_for_a_pass_does_it(world):
    pod = SkippedPod(namespace="default", name="web", uid="1", origin=Origin(file="a.yaml", line=1))
    world.desired = replace(world.desired, skipped_pods=(pod,))
    world.follows = world.kernel.is_as_left = True
    world.then(None, Wake.TIMER)
    world.run()
    assert world.kernel.attempts == 2


def test_a_problem_after_a_pass_is_a_reason_for_another(world):
    world.follows = world.kernel.is_as_left = True
    world.kernel.problems = (Problem(origin=Origin(file="", line=0), message="not written"),)
    world.then(lambda: setattr(world.kernel, "problems", ()), Wake.TIMER)
    world.then(None, Wake.TIMER)
    world.run()
    assert world.kernel.attempts == 2


def test_a_check_of_the_kernel_is_not_put_off_for_ever(world):
    world.follows = world.kernel.is_as_left = True
    world.script.put(Wake.CHANGE)
    for number in range(1, MOST_PUT_OFF + 3):
        world.then(lambda number=number: setattr(world, "now", 60.0 * number), Wake.TIMER)
    world.run()
    assert world.kernel.audits == [True] * (MOST_PUT_OFF - 1) + [False, True, True]


def test_one_reconciler_makes_all_passes(world):
    made = []
    reconciler = world.kernel.reconciler
    world.kernel.reconciler = lambda settings: (made.append(settings), reconciler(settings))[1]
    world.then(lambda: world.write("a.yaml", "a2"))
    world.run()
    assert (world.kernel.attempts, len(made)) == (2, 1)


def frontend() -> Frontend:
    return Frontend(
        address=ip_address("10.0.0.1"),
        port=1,
        protocol=Protocol.TCP,
        kind=FrontendKind.CLUSTER_IP,
        object="Service default/web",
        origin=Origin(file="a.yaml", line=1),
        group="",
    )


def test_what_went_is_named_after_the_step_that_took_it(world):
    world.follows = True
    world.frontends = (frontend(),)
    world.then(lambda: (setattr(world, "frontends", ()), setattr(world.kernel, "plan", CHANGED)), Wake.TIMER)
    world.run()
    assert "deleted default/web" in world.told[-3]


def test_what_is_held_is_settled_after_whole_passes_alone_and_when_all_was_told(world: Stage) -> None:
    world.then(lambda: world.write("a.yaml", "a2"))
    world.run()
    assert len(world.settled) == 2  # without a step every pass is a whole one
    assert any("READY=1" in text for text in world.settled[0])
    world.settled.clear()
    world.restart()
    world.follows = True
    world.then(lambda: world.write("a.yaml", "a3"))
    world.run()
    assert world.settled == []
