"""Finding the cgroups of pods by the names that kubelet and the runtimes give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from balancer.kernel.cgroups import pod_cgroups

UID = "1b6a3c5e-9a54-4c3b-8f3e-0d6c7a1e2f30"
UNDERSCORED = UID.replace("-", "_")


@pytest.mark.parametrize(
    "path",
    [
        f"kubepods/besteffort/pod{UID}",
        f"kubepods/pod{UID}",
        f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UNDERSCORED}.slice",
        f"kubepods.slice/kubepods-pod{UNDERSCORED}.slice",
        f"kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UNDERSCORED}.slice",
    ],
)
def test_names_of_both_drivers(tmp_path: Path, path: str) -> None:
    """kubelet: cgroupfs driver "pod<uid>", systemd driver "...-pod<uid>.slice" with underscores."""
    directory = tmp_path / path
    (directory / "cri-containerd-0123.scope").mkdir(parents=True)
    (found,) = pod_cgroups(tmp_path, tmp_path, {UID})
    assert (found.uid, found.path, found.level) == (UID, directory, len(path.split("/")))
    assert found.id == directory.stat().st_ino


def test_other_pods_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "kubepods" / "pod0000").mkdir(parents=True)
    assert pod_cgroups(tmp_path, tmp_path, {UID}) == ()


def test_level_counts_from_the_hierarchy(tmp_path: Path) -> None:
    """The root that is searched may lie deeper than the hierarchy's own root."""
    (tmp_path / "a" / "b" / f"pod{UID}").mkdir(parents=True)
    (found,) = pod_cgroups(tmp_path / "a" / "b", tmp_path, {UID})
    assert found.level == 3
