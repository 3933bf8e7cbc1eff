"""Checks of doctor that depend on what lies in the cgroup hierarchies."""

from __future__ import annotations

from pathlib import Path

import pytest

from balancer.kernel import diagnosis, mounts

POD = "kubepods.slice/kubepods-pod1.slice"


@pytest.fixture
def hierarchies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A host with a cgroup v1 and a cgroup2 hierarchy, both empty."""
    found = {kind: tmp_path / kind for kind in ("cgroup", "cgroup2")}
    for directory in found.values():
        directory.mkdir()
    monkeypatch.setattr(mounts, "mount_points", lambda kind: (found[kind],) if kind in found else ())
    return found


def _pods(hierarchies: dict[str, Path]) -> diagnosis.Finding:
    found = diagnosis.examine(hierarchies["cgroup2"] / "pins", hierarchies["cgroup2"])
    return next(item for item in found if item.name == "pods")


def test_no_pods(hierarchies: dict[str, Path]) -> None:
    assert _pods(hierarchies)[1:3] == ("ok", "no pods on this host")


def test_pods_in_cgroup2(hierarchies: dict[str, Path]) -> None:
    (hierarchies["cgroup2"] / POD).mkdir(parents=True)
    (hierarchies["cgroup"] / POD).mkdir(parents=True)
    assert _pods(hierarchies).level == "ok"


def test_pods_in_cgroup_v1_only(hierarchies: dict[str, Path]) -> None:
    """A hybrid host whose kubelet uses cgroup v1: a pod's cgroup cannot be known."""
    (hierarchies["cgroup"] / POD).mkdir(parents=True)
    found = _pods(hierarchies)
    assert (found.level, "cgroup v1 only" in found.found) == ("warn", True)
    assert "redirect" in found.advice
