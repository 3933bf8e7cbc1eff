"""The export scripts, run for real against a kubectl that prints samples/cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from harness.kubectl import Kubectl
from harness.patience import until
from harness.samples import SAMPLES

from balancer.cli import main
from balancer.manifests import discover

EXPORT = SAMPLES / "sync" / "export"
ONE_MORE = """- apiVersion: v1
  kind: Service
  metadata: {name: one-more, namespace: default}
  spec: {clusterIP: 10.96.99.99, ports: [{port: 80}]}
"""


@pytest.fixture
def kubectl(tmp_path: Path) -> Kubectl:
    (tmp_path / "bin").mkdir()
    return Kubectl(tmp_path / "bin")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "manifests"


def export(kubectl: Kubectl, target: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(EXPORT / "export.sh"), str(target)]
    given = kubectl.environment(**environment)
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=120)


def planned(path: Path) -> list[dict[str, Any]]:
    """The frontends on one node, without the places they come from."""
    arguments = ["plan", "--from-empty", "-o", "json", "--node", "k8s-worker-1", str(path)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    frontends = json.loads(result.stdout)["frontends"]
    return [{key: value for key, value in item.items() if key != "file"} for item in frontends]


def eventually(condition: Callable[[], bool]) -> None:
    until(condition, "it never becomes so", pause=0.02)


def test_an_export_serves_what_the_cluster_serves(kubectl: Kubectl, target: Path) -> None:
    result = export(kubectl, target)
    assert result.returncode == 0, result.stderr
    assert CliRunner().invoke(main, ["validate", str(target)]).exit_code == 0
    assert planned(target) == planned(SAMPLES / "cluster" / "manifests")
    assert discover([target]) == (target / "cluster.yaml",)


def test_an_export_is_not_for_everybody(kubectl: Kubectl, target: Path) -> None:
    """Pods carry their environment."""
    export(kubectl, target)
    assert (target / "cluster.yaml").stat().st_mode & 0o777 == 0o640


def test_policies_are_exported_where_there_are_any(kubectl: Kubectl, target: Path) -> None:
    """kubectl refuses a whole list if one of its resources is unknown."""
    export(kubectl, target)
    assert "balancing" not in kubectl.asked()[-1]
    kubectl.has_policies("balancingpolicies.balancing.elf.io", "localredirectpolicies.balancing.elf.io")
    export(kubectl, target)
    wanted = ",nodes,balancingpolicies.balancing.elf.io,localredirectpolicies.balancing.elf.io "
    assert wanted in kubectl.asked()[-1]


@pytest.mark.parametrize("fault", ["fails", "no-discovery"])
def test_what_goes_wrong_leaves_the_old_export(kubectl: Kubectl, target: Path, fault: str) -> None:
    export(kubectl, target)
    before = (target / "cluster.yaml").read_bytes()
    kubectl.add("services", ONE_MORE)
    kubectl.switch(fault, on=True)
    assert export(kubectl, target).returncode != 0
    assert (target / "cluster.yaml").read_bytes() == before
    assert sorted(path.name for path in target.iterdir()) == [".export.lock", "cluster.yaml"]


def test_a_cluster_without_services_is_no_cluster(kubectl: Kubectl, target: Path) -> None:
    """Missing rights show as empty lists."""
    export(kubectl, target)
    before = (target / "cluster.yaml").read_bytes()
    kubectl.items("services", "")
    result = export(kubectl, target)
    assert (result.returncode, "no Service in the export" in result.stderr) == (1, True)
    assert (target / "cluster.yaml").read_bytes() == before


def test_killed_in_the_middle_the_old_export_stays(kubectl: Kubectl, target: Path) -> None:
    """What is left of the new one is hidden from readers, and gone with the next export."""
    export(kubectl, target)
    before = (target / "cluster.yaml").read_bytes()
    kubectl.switch("hangs", on=True)
    command = [str(EXPORT / "export.sh"), str(target)]
    with subprocess.Popen(command, env=kubectl.environment(), start_new_session=True) as process:
        partial = target / ".cluster.yaml.new"
        eventually(lambda: partial.exists() and partial.stat().st_size > 1000)
        assert "another export" in export(kubectl, target).stderr
        os.killpg(process.pid, signal.SIGKILL)
    assert (target / "cluster.yaml").read_bytes() == before
    assert discover([target]) == (target / "cluster.yaml",)
    kubectl.switch("hangs", on=False)
    assert export(kubectl, target).returncode == 0
    assert not partial.exists()


def test_the_file_is_replaced_as_a_whole_and_only_if_it_differs(kubectl: Kubectl, target: Path) -> None:
    def inode() -> int:
        return (target / "cluster.yaml").stat().st_ino

    export(kubectl, target)
    first = inode()
    export(kubectl, target)
    assert inode() == first
    kubectl.add("services", ONE_MORE)
    export(kubectl, target)
    assert inode() != first
    assert "one-more" in (target / "cluster.yaml").read_text()


def test_the_watch_exports_when_something_changes(kubectl: Kubectl, target: Path) -> None:
    """And it leaves no process behind."""
    command = [str(EXPORT / "watch.sh"), str(target)]
    given = kubectl.environment(QUIET="1", RESYNC="3600")
    with subprocess.Popen(command, env=given, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        eventually((target / "cluster.yaml").exists)
        eventually(lambda: sum("--watch-only" in line for line in kubectl.asked()) == 3)
        kubectl.add("services", ONE_MORE)
        kubectl.report_change("services")
        eventually(lambda: "one-more" in (target / "cluster.yaml").read_text())
        process.terminate()
        assert process.wait(timeout=120) == 0
    eventually(lambda: not _in_session(process.pid))


def _in_session(session: int) -> list[str]:
    """The living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(path.parent.name)
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A bare repository with one commit on main."""
    bare, tree = tmp_path / "repository.git", tmp_path / "tree"
    _git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    _git("clone", "--quiet", str(bare), str(tree))
    (tree / "README").write_text("exports\n")
    _git("-C", str(tree), "add", "README")
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    _git("-C", str(tree), *who, "commit", "--quiet", "--message=first")
    _git("-C", str(tree), "push", "--quiet", "origin", "HEAD:main")
    return bare


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=120).stdout


def test_each_state_of_the_cluster_is_one_commit(kubectl: Kubectl, repository: Path) -> None:
    def publish() -> int:
        command = [str(EXPORT / "publish.sh"), f"file://{repository}"]
        subprocess.run(command, env=kubectl.environment(), check=True, capture_output=True, timeout=120)
        return int(_git("-C", str(repository), "rev-list", "--count", "main"))

    assert [publish(), publish()] == [2, 2]
    kubectl.add("services", ONE_MORE)
    assert publish() == 3
    assert "one-more" in _git("-C", str(repository), "show", "main:manifests/cluster.yaml")
    assert _git("-C", str(repository), "ls-tree", "-r", "--name-only", "main").split() == [
        "README",
        "manifests/cluster.yaml",
    ]


def test_a_failed_export_is_no_commit(kubectl: Kubectl, repository: Path) -> None:
    kubectl.switch("fails", on=True)
    command = [str(EXPORT / "publish.sh"), f"file://{repository}"]
    result = subprocess.run(command, env=kubectl.environment(), check=False, capture_output=True, timeout=120)
    assert result.returncode != 0
    assert _git("-C", str(repository), "rev-list", "--count", "main") == "1\n"
