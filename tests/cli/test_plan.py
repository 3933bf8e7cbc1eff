"""plan: a difference as lines, the whole desired state as a table, both as JSON."""

from __future__ import annotations

from dataclasses import replace

from balancer.desired.types import Action
from balancer.plan.diff import Verb
from cli.fakes import ERROR, FRONTEND, NEW, OLD, change, loaded_of, plan_of


def test_each_change_is_a_line_and_the_summary_is_last(run, facade):
    facade.plan = plan_of(
        change(Verb.ADD, "10.96.0.1"), change(Verb.CHANGE, "10.96.0.2"), change(Verb.DELETE, "fd00::3")
    )
    assert run("plan", "dir").stdout.splitlines() == [
        "+ 10.96.0.1:80/TCP  forward  to 10.244.1.5:8080  affinity 60 s",
        "~ 10.96.0.2:80/TCP  +10.244.1.5:8080  -10.244.1.4:8080  affinity 0 -> 60 s",
        "- [fd00::3]:80/TCP  forward  to 10.244.1.4:8080",
        "1 to add, 1 to change, 1 to delete",
    ]


def test_the_lock_is_let_go(run, facade):
    run("plan", "dir")
    assert facade.calls[-1] == "unlock"


def test_exit_code_4_only_when_asked_for_and_something_changes(run, facade):
    run("plan", "dir", code=0)
    run("plan", "--exit-code", "dir", code=4)
    facade.plan = plan_of()
    result = run("plan", "--exit-code", "dir", code=0)
    assert result.stdout == "0 to add, 0 to change, 0 to delete\n"


def test_errors_in_the_manifests_exit_3_and_win_over_4(run, facade):
    facade.loaded = loaded_of(ERROR)
    result = run("plan", "--exit-code", "dir", code=3)
    assert "is not a port" in result.stderr
    assert "1 to add" in result.stdout


def test_json_of_a_difference_matches_its_schema(run, facade, valid_json):
    facade.plan = plan_of(change(Verb.ADD), change(Verb.DELETE, "fd00::3"))
    value = valid_json(run("plan", "dir", "-o", "json"), "plan")
    assert value["summary"] == {"add": 1, "change": 0, "delete": 1}
    assert value["changes"][1]["before"]["backends"] == [{"address": "10.244.1.4", "port": 8080}]
    assert value["changes"][1]["after"] is None


def test_json_of_a_redirect_says_when_the_fallback_counts(run, facade, valid_json):
    redirect = replace(
        NEW, redirect=True, rate=5, packed_fallback=OLD.packed_backends, fallback_action=Action.FORWARD
    )
    facade.plan = plan_of(replace(change(Verb.CHANGE), after=redirect))
    after = valid_json(run("plan", "dir", "-o", "json"), "plan")["changes"][0]["after"]
    assert (after["redirect"], after["rate"], after["fallback_action"]) == (True, 5, "forward")
    assert after["fallback"] == [{"address": "10.244.1.4", "port": 8080}]


def test_from_empty_json_has_exactly_the_stable_fields_in_order(run, facade, valid_json):
    facade.loaded = loaded_of(ERROR)
    value = valid_json(run("plan", "--from-empty", "dir", "-o", "json", code=3), "plan")
    assert list(value) == ["frontends", "problems"]
    assert list(value["frontends"][0].items()) == [
        ("address", "10.96.0.10"),
        ("port", 80),
        ("protocol", "TCP"),
        ("kind", "ClusterIP"),
        ("object", "Service default/web"),
        ("port_name", "http"),
        ("source", "service"),
        ("file", "a.yaml:12"),
        ("action", "forward"),
        ("affinity_seconds", 0),
        ("backends", [{"address": "10.244.1.5", "port": 8080, "node": "n1", "weight": 1}]),
        ("fallback", []),
    ]
    assert list(value["problems"][0]) == ["file", "line", "column", "object", "path", "severity", "message"]


def test_from_empty_text_is_a_table_and_never_takes_the_lock(run, facade):
    lines = run("plan", "--from-empty", "dir").stdout.splitlines()
    assert lines[0].split() == ["FRONTEND", "KIND", "OBJECT", "ACTION", "BACKENDS", "FILE"]
    assert "Service default/web (http)" in lines[1]
    assert lines[1].endswith("a.yaml:12")
    assert facade.calls == ["compute dir"]


def test_a_wide_table_is_not_cut_for_a_pipe(run, facade):
    wide = replace(FRONTEND, object="Service default/" + "w" * 500)
    facade.loaded = loaded_of(frontends=[wide])
    assert "w" * 500 in run("plan", "--from-empty", "dir", env={"COLUMNS": "40"}).stdout


def test_from_empty_with_exit_code_tells_whether_anything_is_wanted(run, facade):
    run("plan", "--from-empty", "--exit-code", "dir", code=4)
    facade.loaded = loaded_of(frontends=[])
    run("plan", "--from-empty", "--exit-code", "dir", code=0)


def test_a_directory_without_manifests_is_refused(run, facade):
    facade.loaded = loaded_of(files=0)
    assert "no manifests in dir: nothing is removed" in run("plan", "dir", code=3).stderr
