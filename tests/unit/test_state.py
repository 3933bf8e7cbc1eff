"""The state file: names for map entries, kept as a whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import address_frontend, cluster, local_redirect, service_frontend
from plan_builders import desired, frontend

from balancer import durable, state
from balancer.desired.types import Action, Desired, FrontendKind, PolicyStatus, Source
from balancer.errors import Exit, HostError
from balancer.model.policy import PolicyFrontend
from balancer.model.problem import Origin, Problem, Severity
from balancer.state.labels import NamesChange
from balancer.state.memo import Memo
from balancer.state.pod_names import PodName
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
    pods={"1858680e-b044-4fd5-9dd4-f137e30e2180": PodName("shop", "cart-1", {"ee3fc605": "app"})},
    backend_pods={"10.244.0.1": "default/web-1"},
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
    assert sorted(item.name for item in path.parent.iterdir()) == ["state.json", "state.json.names"]


def test_no_file_yet(tmp_path: Path) -> None:
    assert state.load(tmp_path / "state.json") == (state.State(), "")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 4}', '{"version": 4, "sha256": ""}\n{}', "\0" * 4096, "\xff"]
)
def test_damage_is_said_and_never_fatal(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, "latin-1")
    found, warning = state.load(path)
    assert found == state.State()
    assert "damaged" in warning


def test_a_text_of_another_shape_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    durable.write(path, state.VERSION, '{"last_pass": 3}')
    assert "damaged" in state.load(path)[1]


@pytest.mark.parametrize("name", ["state.json", "state.json.names"])
def test_a_damaged_file_is_set_aside_by_the_next_pass_and_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / "state.json"
    state.save(path, KEPT)
    damaged = (tmp_path / name).read_text().replace("web", "wob")
    (tmp_path / name).write_text(damaged)
    assert "checksum" in state.load(path)[1]
    state.save(path, KEPT)
    found, warning = state.load(path)
    assert found == KEPT
    assert f"set aside as {tmp_path / name}.aside" in warning
    assert (tmp_path / f"{name}.aside").read_text() == damaged


def test_an_idle_pass_leaves_the_names_alone(tmp_path: Path) -> None:
    """They are megabytes on a large host; the outcome of a pass is not."""
    path = tmp_path / "state.json"
    state.save(path, KEPT)
    before = [item.stat().st_ino for item in (path, path.with_name("state.json.names"))]
    assert KEPT.last_pass is not None
    state.save(path, replace(KEPT, last_pass=replace(KEPT.last_pass, seconds=0.7)))
    after = [item.stat().st_ino for item in (path, path.with_name("state.json.names"))]
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)
    assert state.load(path)[0].last_pass != KEPT.last_pass


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.save(path, KEPT)
    before = path.stat()
    state.save(path, KEPT)
    assert path.stat() == before


def test_a_pass_that_failed_keeps_the_names_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.save(path, KEPT)
    later = datetime(2026, 1, 3, tzinfo=UTC)
    state.note(path, problems=(), stale_files=("c.yaml",), failure="refused", time=later)
    found, _ = state.load(path)
    assert found.last_pass is not None
    assert (found.last_pass.result, found.last_pass.time, found.last_pass.frontends) == ("refused", later, 2)
    assert (found.problems, found.stale_files) == ((), ("c.yaml",))
    assert (found.labels, found.nodes, found.policies) == (KEPT.labels, KEPT.nodes, KEPT.policies)


def test_a_problem_after_a_pass_leaves_its_outcome(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.save(path, KEPT)
    state.note(path, problems=(), stale_files=(), failure="", time=datetime(2026, 1, 3, tzinfo=UTC))
    assert state.load(path)[0].last_pass == KEPT.last_pass


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
    durable.write(path, 99, "{}")
    assert "version 99" in state.load(path)[1]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot write the state file") as caught:
        state.save(tmp_path / "file" / "state.json", KEPT)
    assert caught.value.exit_code is Exit.HOST


def test_a_memo_is_kept_with_what_the_names_were(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    memo = Memo(files="1", basis="2", maps="3", found=KEPT.problems, said=KEPT.problems)
    state.save(path, replace(KEPT, memo=memo))
    assert state.outcome(path).memo == replace(memo, names=state.names_digest(path))
    assert state.names_digest(path) != ""


def test_any_other_pass_drops_the_memo(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    memo = Memo(files="1", basis="2", maps="3")
    for after in (
        lambda: state.save(path, KEPT),
        lambda: state.note(path, problems=(), stale_files=None, failure="refused", time=datetime.now(UTC)),
    ):
        state.save(path, replace(KEPT, memo=memo))
        after()
        assert state.outcome(path).memo is None


def test_a_change_of_names_is_added(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    mark = state.save(path, KEPT)
    change = NamesChange(labels={"10.96.0.1:80/TCP": None}, nodes={"10.244.0.9": "n9"})
    later = replace(KEPT, problems=())
    assert state.save_change(path, later, change, mark) is not None
    found, warning = state.load(path)
    assert (set(found.labels), found.nodes["10.244.0.9"]) == ({"10.96.0.2:80/TCP"}, "n9")
    assert (found.problems, warning) == ((), "")
    assert state.save_change(path, KEPT, change, mark) is None
    assert state.load(path)[0].problems == ()
