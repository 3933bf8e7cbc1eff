"""Options, environment variables and the config file, in the order in which they win."""

from __future__ import annotations

from pathlib import Path

import pytest


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return str(path)


def test_option_wins_over_variable_over_file(run, facade, tmp_path):
    file = config(tmp_path, "node: from-file\nbpffs: /file\nstate: /file.json\n")
    env = {"BALANCER_NODE": "from-env", "BALANCER_BPFFS": "/env"}
    run("validate", "dir", "--config", file, "--node", "from-option", env=env)
    assert facade.settings.node == "from-option"
    assert facade.settings.bpffs == Path("/env")
    assert facade.settings.state == Path("/file.json")
    assert facade.settings.cgroup is None


@pytest.mark.parametrize(("variable", "field"), [("NODE_NAME", "node-a"), ("BALANCER_NODE", "node-a")])
def test_the_node_name_comes_from_the_environment(run, facade, variable, field):
    run("validate", "dir", env={variable: "node-a"})
    assert facade.settings.node == field


@pytest.mark.parametrize(
    ("variable", "value", "call"),
    [
        ("BALANCER_DRY_RUN", "1", "dry_run allow_mass_delete=False"),
        ("BALANCER_ALLOW_MASS_DELETE", "true", "apply allow_mass_delete=True"),
    ],
)
def test_flags_are_variables_too(run, facade, variable, value, call):
    run("apply", "dir", env={variable: value})
    assert call in facade.calls


def test_output_and_from_are_variables_too(run, facade, valid_json):
    env = {"BALANCER_OUTPUT": "json", "BALANCER_FROM": "a:b"}
    valid_json(run("explain", "10.96.0.10:80", env=env), "explain")
    assert facade.calls[0] == "compute a b"


def test_an_invalid_config_file_exits_2_with_place_and_caret(run, facade, tmp_path):
    file = config(tmp_path, "node: a\nbpfs: /x\n")
    result = run("validate", "dir", env={"BALANCER_CONFIG": file}, code=2)
    assert f"{file}:2:1: error: $.bpfs: unknown setting 'bpfs'" in result.stderr
    assert "\nbpfs: /x\n^\n" in result.stderr
    assert facade.calls == []
