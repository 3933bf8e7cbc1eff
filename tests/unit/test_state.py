"""The state file: names for map entries, kept as a whole or not at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from balancer import state
from balancer.desired.types import FrontendKind
from balancer.errors import Exit, HostError
from balancer.model.problem import Origin, Problem, Severity
from balancer.views import LastPass

KEPT = state.State(
    last_pass=LastPass(
        time=datetime(2026, 1, 2, tzinfo=UTC),
        result="converged",
        seconds=0.5,
        frontends=2,
        files=1,
        changes=2,
    ),
    labels={
        "10.96.0.1:80/TCP": state.Label(FrontendKind.CLUSTER_IP, "Service d/web", "http", "a.yaml:3", "g")
    },
    nodes={"10.244.0.1": "n1"},
    problems=(
        Problem(
            origin=Origin(file="a.yaml", line=2), message="odd", severity=Severity.WARNING, excerpt="x: 1"
        ),
    ),
    stale_files=("b.yaml",),
)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.json"
    state.save(path, KEPT)
    assert state.load(path) == (KEPT, "")
    assert [item.name for item in path.parent.iterdir()] == ["state.json"]


def test_no_file_yet(tmp_path: Path) -> None:
    assert state.load(tmp_path / "state.json") == (state.State(), "")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "state": 3, "sha256": ""}']
)
def test_damage_is_said_and_never_fatal(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    found, warning = state.load(path)
    assert found == state.State()
    assert "damaged" in warning


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.save(path, KEPT)
    document = json.loads(path.read_text())
    document["state"] = document["state"].replace("web", "wob")
    path.write_text(json.dumps(document))
    assert "checksum" in state.load(path)[1]


def test_another_version(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"version": 99}')
    assert "version 99" in state.load(path)[1]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot write the state file") as caught:
        state.save(tmp_path / "file" / "state.json", KEPT)
    assert caught.value.exit_code is Exit.HOST
