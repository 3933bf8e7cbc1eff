"""apply: what is refused before the kernel is touched, and what is said afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from balancer.errors import (
    BrakeEngaged,
    CapacityExceeded,
    HostUnfit,
    KernelCallFailed,
    LockHeld,
    NotConverged,
)
from balancer.passes.unchanged import Unchanged
from balancer.plan.diff import Verb
from balancer.views import PassResult
from cli.fakes import ERROR, WARNING, change, loaded_of, plan_of

LATER = replace(WARNING, message="the last ones known are kept")


def test_success_says_what_changed(run, facade):
    facade.plan = plan_of(change(Verb.ADD), change(Verb.DELETE, "10.96.0.2"))
    assert run("apply", "dir").stdout == "1 added, 0 changed, 1 deleted in 0.250 s, programs loaded\n"
    assert facade.calls == ["compute dir", "apply allow_mass_delete=False", "unlock"]


def test_nothing_to_do_says_in_sync(run, facade):
    facade.plan = plan_of()
    assert run("apply", "dir").stdout.startswith("in sync, nothing to change")


def test_errors_exit_3_list_every_problem_and_leave_the_kernel_alone(run, facade):
    facade.loaded = loaded_of(ERROR, WARNING)
    result = run("apply", "dir", code=3)
    assert facade.calls == ["compute dir", "note_failure InvalidManifests"]
    assert "is not a port" in result.stderr
    assert "odd but fine" in result.stderr
    assert "balancer: error: 1 error in the manifests" in result.stderr
    assert "hint:" in result.stderr


def test_keep_going_applies_the_rest_and_says_so(run, facade):
    facade.loaded = loaded_of(ERROR)
    result = run("apply", "--keep-going", "dir")
    assert "apply allow_mass_delete=False" in facade.calls
    assert "is not a port" in result.stderr
    assert "applied without the objects that have errors" in result.stderr


def test_dry_run_shows_the_plan_and_writes_nothing(run, facade):
    result = run("apply", "--dry-run", "dir")
    assert result.stdout.endswith("1 to add, 0 to change, 0 to delete\n")
    assert facade.calls == ["compute dir", "dry_run allow_mass_delete=False", "unlock"]


def test_what_needs_no_manifests_begins_before_they_are_read(run, facade):
    run("apply", "dir")
    assert facade.begun == ("dir",)


def test_a_dry_run_begins_nothing(run, facade):
    run("apply", "--dry-run", "dir")
    assert facade.begun == ()


def test_allow_mass_delete_is_passed_on(run, facade):
    run("apply", "--allow-mass-delete", "dir")
    assert "apply allow_mass_delete=True" in facade.calls


def test_an_empty_directory_removes_nothing_unless_told_to(run, facade):
    facade.loaded = loaded_of(files=0)
    assert "no manifests in dir" in run("apply", "dir", code=3).stderr
    assert facade.calls == ["compute dir", "note_failure InputError"]
    run("apply", "--allow-mass-delete", "dir", code=0)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (NotConverged("read back something else"), 1),
        (LockHeld("pid 7 holds the lock"), 1),
        (CapacityExceeded(map_name="slots", need=9, limit=8), 1),
        (BrakeEngaged("90 of 100 frontends would go"), 5),
        (HostUnfit("no cgroup2"), 6),
        (KernelCallFailed("update map frontends", 1), 6),
    ],
)
def test_each_error_has_its_exit_code_and_message(run, facade, failure, code):
    facade.failure = failure
    result = run("apply", "dir", code=code)
    assert f"balancer: error: {failure}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("options", "word", "attached"), [([], "applied", True), (["--dry-run"], "dry-run", None)]
)
def test_json_matches_its_schema(run, facade, valid_json, options, word, attached):
    facade.loaded = loaded_of(WARNING)
    value = valid_json(run("apply", *options, "dir", "-o", "json"), "apply")
    assert (value["result"], value["attached"]) == (word, attached)
    assert value["summary"]["add"] == len(value["changes"]) == 1
    assert [problem["message"] for problem in value["problems"]] == ["odd but fine"]


def test_json_of_a_refusal_and_of_nothing_to_do(run, facade, valid_json):
    facade.loaded = loaded_of(ERROR)
    refused = valid_json(run("apply", "dir", "-o", "json", code=3), "apply")
    assert (refused["result"], refused["changes"], len(refused["problems"])) == ("refused", [], 1)
    facade.loaded, facade.plan = loaded_of(), plan_of()
    assert valid_json(run("apply", "dir", "-o", "json"), "apply")["result"] == "in-sync"


@pytest.fixture
def same():
    result = PassResult(plan=plan_of(), loaded_programs=False, attached=True, seconds=0.5, problems=(LATER,))
    return Unchanged(result=result, problems=(WARNING,))


def test_what_has_not_changed_is_not_worked_out(run, facade, same):
    """Its warnings are told as ever, those of the files and those of the pass."""
    facade.same = same
    result = run("apply", "dir")
    assert result.stdout == "in sync, nothing to change in 0.500 s\n"
    assert "odd but fine" in result.stderr
    assert "kept" in result.stderr
    assert facade.calls == ["unchanged look_only=False"]


def test_what_has_not_changed_is_in_sync_in_json_too(run, facade, same, valid_json):
    facade.same = same
    value = valid_json(run("apply", "-o", "json", "dir"), "apply")
    assert (value["result"], len(value["problems"]), value["seconds"]) == ("in-sync", 2, 0.5)


def test_a_dry_run_of_what_has_not_changed_only_looks(run, facade, same):
    facade.same = same
    assert run("apply", "--dry-run", "dir").stdout == "0 to add, 0 to change, 0 to delete\n"
    assert run("plan", "--exit-code", "dir").stdout == "0 to add, 0 to change, 0 to delete\n"
    assert facade.calls == ["unchanged look_only=True"] * 2


def test_the_whole_desired_state_is_always_worked_out(run, facade, same):
    facade.same = same
    run("plan", "--from-empty", "dir")
    assert facade.calls == ["compute dir"]
