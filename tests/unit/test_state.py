"""The state file: names for map entries, kept as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import address_frontend, cluster, local_redirect, service_frontend
from plan_builders import desired, frontend

from balancer import state
from balancer.desired.types import Action, Desired, FrontendKind, PolicyStatus, Source
from balancer.errors import Exit, HostError
from balancer.model.policy import PolicyFrontend
from balancer.model.problem import Origin, Problem, Severity
from balancer.views import LastPass, LivePolicy

SERVICE = state.Label(FrontendKind.CLUSTER_IP, "Service d/web", "http", "a.yaml:3", "g")
REDIRECTED = SERVICE._replace(
    object="LocalRedirectPolicy near",
    file="b.yaml:1",
    source=Source.LOCAL_REDIRECT,
    beneath=SERVICE._replace(action=Action.REFUSE),
)
POLICY = LivePolicy(
    kind="LocalRedirectPolicy",
    name="near",
    file="b.yaml:1",
    applies=True,
    reason="odd",
    target="Service d/web",
    frontends=("10.96.0.2:80/TCP",),
    backends=("10.244.0.1:80",),
)
KEPT = state.State(
    last_pass=LastPass(
        time=datetime(2026, 1, 2, tzinfo=UTC),
        result="converged",
        seconds=0.5,
        frontends=2,
        files=1,
        changes=2,
    ),
    labels={"10.96.0.1:80/TCP": SERVICE, "10.96.0.2:80/TCP": REDIRECTED},
    nodes={"10.244.0.1": "n1"},
    policies=(POLICY,),
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


def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    """Written before there were policies: labels of five fields and no list of policies."""
    body = json.dumps(
        {
            "last_pass": None,
            "labels": {"10.96.0.1:80/TCP": ["ClusterIP", "Service d/web", "http", "a.yaml:3", "g"]},
            "nodes": {},
            "problems": [],
            "stale_files": [],
        }
    )
    path = tmp_path / "state.json"
    digest = hashlib.sha256(body.encode()).hexdigest()
    path.write_text(json.dumps({"version": 1, "sha256": digest, "state": body}))
    assert state.load(path) == (state.State(labels={"10.96.0.1:80/TCP": SERVICE}), "")


def test_labels_keep_what_is_beneath_a_frontend() -> None:
    lower = frontend("10.96.0.10:80", "10.0.0.1:80", name="Service d/web", group="g")
    top = replace(lower, beneath=lower, object="BalancingPolicy far", source=Source.BALANCING)
    labels, _ = state.label_frontends(desired(top))
    (label,) = labels.values()
    assert (label.object, label.source) == ("BalancingPolicy far", Source.BALANCING)
    assert label.beneath is not None
    assert (label.beneath.object, label.beneath.group, label.beneath.beneath) == ("Service d/web", "g", None)


@pytest.mark.parametrize(
    ("front", "target"),
    [
        (service_frontend("web", "d"), "Service d/web"),
        (address_frontend("fd00::1"), "fd00::1"),
    ],
)
def test_a_policy_is_kept_with_what_it_is_for(front: PolicyFrontend, target: str) -> None:
    policy = local_redirect("near", front)
    status = PolicyStatus(
        kind="LocalRedirectPolicy", name="near", origin=policy.meta.origin, applies=False, reason="disabled"
    )
    (kept,) = state.label_policies(cluster(policy), Desired(policies=(status,)))
    assert (kept.object, kept.target, kept.reason) == ("LocalRedirectPolicy near", target, "disabled")
    assert not kept.in_force


def test_another_version(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"version": 99}')
    assert "version 99" in state.load(path)[1]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot write the state file") as caught:
        state.save(tmp_path / "file" / "state.json", KEPT)
    assert caught.value.exit_code is Exit.HOST
