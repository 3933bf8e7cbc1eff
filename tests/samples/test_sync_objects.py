"""The cluster's side of the set-ups: objects that fit each other, and the scripts they run."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.samples import SAMPLES
from harness.units import setting
from ruamel.yaml import YAML

SYNC = SAMPLES / "sync"
SCRIPTS = sorted(SYNC.glob("*/*.sh"))
FILES = sorted(path for kind in ("yaml", "yml") for path in SYNC.glob(f"*/*.{kind}"))
Object = dict[str, Any]


def read(path: Path) -> list[Any]:
    """Every document; a key that is given twice is an error."""
    return list(YAML(typ="safe", pure=True).load_all(path))


def of_kind(kind: str, file: str) -> Object:
    (found,) = (item for item in read(SYNC / file) if item["kind"] == kind)
    return found  # type: ignore[no-any-return]


def containers() -> Iterator[tuple[Object, Object]]:
    """Each container of a pod with its pod's spec."""
    cron = of_kind("CronJob", "export/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    daemon = of_kind("DaemonSet", "git-sync/daemonset.yaml")["spec"]["template"]["spec"]
    for pod in (cron, daemon):
        for container in pod["containers"]:
            yield container, pod


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_for_any_shell(path: Path) -> None:
    """Images with kubectl often have no bash."""
    assert path.read_text().startswith("#!/bin/sh\n")
    assert os.access(path, os.X_OK)
    subprocess.run(["sh", "-n", path], check=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_is_yaml(path: Path) -> None:
    assert all(read(path))


def test_what_a_container_mounts_is_there() -> None:
    for container, pod in containers():
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}


def test_no_container_may_do_more_than_it_must() -> None:
    """Kubernetes: pod security standards, restricted, but for the capabilities of the one that needs them."""
    for container, _ in containers():
        security = container["securityContext"]
        assert security["capabilities"]["drop"] == ["ALL"]
        assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
        assert "privileged" not in security


def test_the_agent_has_the_same_capabilities_everywhere() -> None:
    daemon = of_kind("DaemonSet", "git-sync/daemonset.yaml")["spec"]["template"]["spec"]
    added = daemon["containers"][0]["securityContext"]["capabilities"]["add"]
    assert [f"CAP_{name}" for name in added] == list(setting("balancer.service", "CapabilityBoundingSet"))


def test_the_agents_pod_sees_the_host() -> None:
    """Node ports, sockets of all processes, pins that outlive the pod, and the cgroup of all pods."""
    daemon = of_kind("DaemonSet", "git-sync/daemonset.yaml")["spec"]["template"]["spec"]
    assert daemon["hostNetwork"] is daemon["hostPID"] is True
    paths = {volume["hostPath"]["path"] for volume in daemon["volumes"] if "hostPath" in volume}
    assert {"/sys/fs/bpf", "/sys/fs/cgroup", "/run/netns", "/var/lib/balancer"} == paths


def test_selectors_match_their_pods() -> None:
    spec = of_kind("DaemonSet", "git-sync/daemonset.yaml")["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_the_rights_are_those_that_the_export_needs() -> None:
    """RBAC: resources of one group, without the group in their names; reading only."""
    role = of_kind("ClusterRole", "export/rbac.yaml")
    granted = {
        f"{resource}.{group}".rstrip(".")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    text = (SYNC / "export" / "export.sh").read_text()
    (wanted,) = re.findall(r"\$\{RESOURCES:-([^}]+)\}", text)
    policies = {"localredirectpolicies.balancing.elf.io", "balancingpolicies.balancing.elf.io"}
    assert granted == {*wanted.split(","), *policies}
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}


def test_the_rights_reach_the_export() -> None:
    account = of_kind("ServiceAccount", "export/rbac.yaml")["metadata"]
    binding = of_kind("ClusterRoleBinding", "export/rbac.yaml")
    cron = of_kind("CronJob", "export/cronjob.yaml")
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert binding["roleRef"]["name"] == of_kind("ClusterRole", "export/rbac.yaml")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", **account}]
    assert (pod["serviceAccountName"], cron["metadata"]["namespace"]) == tuple(account.values())


def test_kustomize_finds_everything() -> None:
    (root,) = read(SYNC / "export" / "kustomization.yaml")
    (scripts,) = root["configMapGenerator"]
    pod = of_kind("CronJob", "export/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert all((SYNC / "export" / name).is_file() for name in (*root["resources"], *scripts["files"]))
    assert scripts["name"] in {volume.get("configMap", {}).get("name") for volume in pod["volumes"]}
    assert pod["containers"][0]["command"][0].removeprefix("/scripts/") in scripts["files"]
    assert pod["containers"][0]["image"] == root["images"][0]["name"]


@pytest.mark.parametrize(
    ("file", "kind", "where"),
    [
        ("gitops/flux.yaml", "Kustomization", ("path",)),
        ("gitops/argocd.yaml", "Application", ("source", "path")),
    ],
)
def test_gitops_points_at_the_export(file: str, kind: str, where: tuple[str, ...]) -> None:
    """And its patch at the environment variable that names the repository: a JSON pointer, RFC 6901."""
    spec = of_kind(kind, file)["spec"]
    path: Any = spec
    for step in where:
        path = path[step]
    assert (SAMPLES.parent / path / "kustomization.yaml").is_file()
    (patch,) = spec["patches"] if kind == "Kustomization" else spec["source"]["kustomize"]["patches"]
    (operation,) = YAML(typ="safe").load(patch["patch"])
    place: Any = of_kind("CronJob", "export/cronjob.yaml")
    for step in operation["path"].split("/")[1:-1]:
        place = place[int(step)] if isinstance(place, list) else place[step]
    assert place["name"] == "REPOSITORY"
    assert operation["value"] == place["value"]


def test_git_sync_makes_the_link_that_the_agent_reads() -> None:
    agent, syncer = (container for container, pod in containers() if "hostPID" in pod)
    options = dict(word[2:].split("=", 1) for word in syncer["args"])
    assert agent["args"][1].startswith(f"{options['root']}/{options['link']}/")


def test_flux_takes_its_sources_by_name() -> None:
    source = of_kind("GitRepository", "gitops/flux.yaml")
    reference = of_kind("Kustomization", "gitops/flux.yaml")["spec"]["sourceRef"]
    assert reference == {"kind": "GitRepository", "name": source["metadata"]["name"]}
