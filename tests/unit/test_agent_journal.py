"""What the agent says: the fields of a pass, the names in it, and each problem once."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import ip_address

import pytest
from harness import schemas
from watch_world import CHANGED, Stage

from balancer.agent import Once
from balancer.desired.types import Frontend, FrontendKind
from balancer.errors import BrakeEngaged
from balancer.manifests.watch import Wake
from balancer.model.problem import Origin, Problem, Severity
from balancer.model.service import Protocol
from balancer.plan.diff import Plan, Verb

LOG = logging.getLogger("test-journal")


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.DEBUG, LOG.name)

    def events(name: str) -> list[dict]:
        return [record.fields for record in caplog.records if record.event == name]

    return events


@pytest.fixture
def world(tmp_path):
    made = Stage(tmp_path / "manifests", LOG)
    made.write("a.yaml", "a1")
    return made


def problem(line: int, message: str = "is wrong", *, name: str = "Service default/web") -> Problem:
    return Problem(origin=Origin(file="a.yaml", line=line), object=name, message=message)


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_problem_that_moved_to_another_line_is_the_same(said, caplog):
    once = Once(LOG)
    once.report([problem(3, "the same as b.yaml:7")])
    once.report([problem(5, "the same as b.yaml:9:1")])
    assert lines(caplog) == ["a.yaml:3:1: error: Service default/web: $: the same as b.yaml:7"]
    once.report([])
    assert lines(caplog)[1:] == ["solved: a.yaml:5:1: error: Service default/web: $: the same as b.yaml:9:1"]


def test_a_problem_of_no_object_is_told_apart_by_its_line(said):
    once = Once(LOG)
    once.report([problem(3, name="")])
    once.report([problem(4, name="")])
    assert [item["line"] for item in said("problem")] == [3, 4]


def test_problems_that_are_alike_are_counted(said):
    once = Once(LOG)
    once.report([problem(3), problem(4)])
    once.report([problem(8)])
    assert [item["line"] for item in said("problem")] == [3, 4]
    assert [item["line"] for item in said("solved")] == [4]


def test_the_fields_of_a_problem(said, caplog):
    Once(LOG).report([replace(problem(3), severity=Severity.WARNING, path="$.spec")])
    assert said("problem") == [
        {
            "file": "a.yaml",
            "line": 3,
            "column": 1,
            "object": "Service default/web",
            "path": "$.spec",
            "severity": "warning",
            "problem": "is wrong",
        }
    ]
    assert caplog.records[0].levelno == logging.WARNING


def changes(*verbs: tuple[Verb, str]) -> Plan:
    """One change for each verb and object, of ports 1, 2, 3..."""
    plain = CHANGED.changes[0]
    made = (
        replace(plain, verb=verb, port=port, object=name) for port, (verb, name) in enumerate(verbs, start=1)
    )
    return Plan(changes=tuple(made), writes=CHANGED.writes)


def test_a_pass_names_the_first_services_by_verb(world, said, caplog):
    names = [(Verb.ADD, f"Service default/s{number}") for number in range(12)]
    world.kernel.plan = changes(*names, names[0], (Verb.CHANGE, "LocalRedirectPolicy dns"))
    world.run()
    [fields] = said("pass")
    assert fields["added"]["frontends"] == 13
    assert fields["added"]["services"] == 12
    assert fields["added"]["names"] == [f"default/s{number}" for number in range(10)]
    assert fields["changed"] == {"frontends": 1, "services": 1, "names": ["LocalRedirectPolicy dns"]}
    assert fields["deleted"] == {"frontends": 0, "services": 0, "names": []}
    assert (
        "added default/s0, default/s1, default/s2 and 9 more; changed LocalRedirectPolicy dns;"
        in (lines(caplog)[0])
    )


def test_a_pass_names_what_is_deleted_by_what_was_there(world, said, monkeypatch):
    gone = Frontend(
        address=ip_address("10.0.0.1"),
        port=1,
        protocol=Protocol.TCP,
        kind=FrontendKind.CLUSTER_IP,
        object="Service default/old",
        origin=Origin(file="a.yaml", line=1),
        group="",
    )
    world.frontends = (gone, replace(gone, protocol=Protocol.UDP, object="Service default/other"))

    def delete() -> None:
        world.frontends = ()
        world.kernel.plan = CHANGED

    world.then(delete, Wake.TIMER)
    world.run()
    assert said("pass")[1]["deleted"]["names"] == ["default/old"]


def test_the_fields_of_a_pass_are_as_published(world, said, caplog):
    world.then(lambda: world.write("b.yaml", "odd b1"))
    world.run()
    first, second = said("pass")
    assert (first["cause"], first["files_read"], first["files"]) == ("start", 1, 1)
    assert (second["cause"], second["files_read"], second["files"]) == ("change", 1, 2)
    assert second["files_changed"] == [str(world.directory / "b.yaml")]
    assert (second["errors"], second["warnings"]) == (0, 1)
    assert ", 1 read, 1 problem" in lines(caplog)[-1]
    for fields in (first, second):
        head = {"time": "2026-01-02T03:04:05.678Z", "level": "info", "event": "pass", "message": "x"}
        schemas.check("log", head | fields)


def test_a_pass_that_is_tried_again_is_still_of_the_same_change(world, said):
    world.then(lambda: (world.write("a.yaml", "a2"), world.kernel.errors.append(BrakeEngaged("refused"))))
    world.then(None, Wake.TIMER)
    world.then(None, Wake.RELOAD)
    world.run()
    [_, again, reload] = said("pass")
    assert (again["cause"], again["files_changed"]) == ("change", [str(world.directory / "a.yaml")])
    assert (reload["cause"], reload["files_changed"]) == ("reload", [])


def test_an_error_that_comes_back_is_said_once_with_its_fields(world, said):
    world.kernel.errors = [BrakeEngaged("refused", hint="allow it"), BrakeEngaged("refused", hint="allow it")]
    world.then(None, Wake.TIMER)
    world.then(None, Wake.TIMER)
    world.run()
    assert said("pass_failed") == [
        {"error": "refused", "hint": "allow it", "kind": "BrakeEngaged", "failures": 1}
    ]
    assert said("recovered") == [{"failures": 2}]


def test_waiting_is_said_once(world, said):
    world.remove()
    world.then(None, Wake.TIMER)
    world.then(None, Wake.TIMER)
    world.run()
    assert said("waiting") == [{}]


def test_a_problem_without_a_place_begins_with_what_it_is(caplog):
    nowhere = Problem(
        origin=Origin(file="", line=0), severity=Severity.WARNING, message="sockets may be left"
    )
    Once(LOG).report([nowhere])
    assert lines(caplog) == ["warning: sockets may be left"]
