"""validate: lists every problem, exits 3 for errors."""

from __future__ import annotations

from balancer.errors import PathUnreadable
from cli.fakes import ERROR, WARNING, loaded_of


def test_clean_manifests_exit_0_with_a_summary(run, facade):
    result = run("validate", "dir")
    assert result.stdout == "1 file: 1 Service; ignored: 2 Secret; 0 errors, 0 warnings\n"
    assert facade.calls == ["compute dir"]


def test_an_error_exits_3_and_is_shown_with_its_place(run, facade):
    facade.loaded = loaded_of(ERROR, WARNING)
    result = run("validate", "dir", code=3)
    assert "a.yaml:12:1: error: Service default/bad: $.spec.ports[0].port: is not a port" in result.stdout
    assert "a.yaml:12:1: warning: Service default/web" in result.stdout
    assert result.stdout.endswith("1 error, 1 warning\n")


def test_warnings_alone_exit_0(run, facade):
    facade.loaded = loaded_of(WARNING)
    assert "0 errors, 1 warning" in run("validate", "dir").stdout


def test_json_matches_its_schema(run, facade, valid_json):
    facade.loaded = loaded_of(ERROR, WARNING)
    value = valid_json(run("validate", "dir", "-o", "json", code=3), "validate")
    assert (value["errors"], value["warnings"]) == (1, 1)
    assert value["objects"] == {"Service": 1}
    assert value["problems"][0] == {
        "file": "a.yaml",
        "line": 12,
        "column": 1,
        "object": "Service default/bad",
        "path": "$.spec.ports[0].port",
        "severity": "error",
        "message": "is not a port",
    }


def test_a_path_is_required(run, facade):
    assert "Missing argument 'PATH...'" in run("validate", code=2).stderr


def test_an_unreadable_path_exits_3_with_a_message(run, facade, monkeypatch):
    def unreadable(*_arguments):
        raise PathUnreadable("no such directory: dir", hint="create it")

    monkeypatch.setattr(facade, "compute", unreadable)
    result = run("validate", "dir", code=3)
    assert result.stderr == "balancer: error: no such directory: dir\nhint: create it\n"
    assert result.stdout == ""


def test_control_characters_of_a_file_never_reach_the_terminal(run, facade):
    from dataclasses import replace

    facade.loaded = loaded_of(replace(ERROR, message="bad name \x1b[2J"))
    out = run("validate", "dir", code=3).stdout
    assert "\x1b" not in out
    assert "bad name \\x1b[2J" in out
