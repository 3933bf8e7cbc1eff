"""Whose process a cgroup path names: a table of the shapes that hosts really have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balancer.observe.identity import HOST, Identity, Qos, cgroup_lines, identities, most_telling

UID = "1858680e-b044-4fd5-9dd4-f137e30e2180"
FLAT = UID.replace("-", "_")
OUTER = "46dac9a5-3882-4111-9221-dd9559149484"
STATIC = "b1e89a2fcc688644de3eb95aee8025ce"
ID = "ee3fc60554cd9eefdd745a10dda84e041a7883c0381d067e76185d342de64759"
NODE = "744ba5524431986481406cfd13382cbeb7e59a4739dec5ff8b458bc821969662"
BURST = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{FLAT}.slice"
KIND = f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{FLAT}.slice"

# (where the shape comes from, path, UID, container id, runtime, class)
PODS = [
    ("kubelet, cgroupfs; containerd", f"/kubepods/besteffort/pod{UID}/{ID}", UID, ID, "", "besteffort"),
    ("kubelet, cgroupfs; guaranteed has no class", f"/kubepods/pod{UID}/{ID}", UID, ID, "", "guaranteed"),
    (
        "kubelet, systemd; containerd",
        f"{BURST}/cri-containerd-{ID}.scope",
        UID,
        ID,
        "containerd",
        "burstable",
    ),
    ("kubelet, systemd; cri-dockerd", f"{BURST}/docker-{ID}.scope", UID, ID, "docker", "burstable"),
    ("kubelet, systemd; CRI-O", f"{BURST}/crio-{ID}.scope", UID, ID, "cri-o", "burstable"),
    ("CRI-O with crun", f"{BURST}/crio-{ID}.scope/container", UID, ID, "cri-o", "burstable"),
    ("CRI-O, cgroupfs", f"/kubepods/burstable/pod{UID}/crio-{ID}", UID, ID, "cri-o", "burstable"),
    ("CRI-O's monitor is in no container", f"{BURST}/crio-conmon-{ID}.scope", UID, "", "", "burstable"),
    (
        "kubelet, systemd; guaranteed",
        f"/kubepods.slice/kubepods-pod{FLAT}.slice/cri-containerd-{ID}.scope",
        *(UID, ID, "containerd", "guaranteed"),
    ),
    (
        "kubelet before 1.11, systemd: the UID keeps its dashes",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID}.slice/docker-{ID}.scope",
        *(UID, ID, "docker", "burstable"),
    ),
    (
        "kind, systemd: kubelet --cgroup-root=/kubelet",
        f"{KIND}/cri-containerd-{ID}.scope",
        UID,
        ID,
        "containerd",
        "burstable",
    ),
    (
        "kind, cgroupfs, seen inside the node",
        f"/kubelet/kubepods/burstable/pod{UID}/{ID}",
        UID,
        ID,
        "",
        "burstable",
    ),
    (
        "kind, cgroup v1, seen from the docker host",
        f"/docker/{NODE}/kubelet/kubepods/besteffort/pod{UID}/{ID}",
        *(UID, ID, "", "besteffort"),
    ),
    (
        "kind, cgroup v2, seen from the docker host",
        f"/system.slice/docker-{NODE}.scope{KIND}/cri-containerd-{ID}.scope",
        *(UID, ID, "containerd", "burstable"),
    ),
    (
        "static pod: the kubelet's hash of the file",
        f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{STATIC}.slice/cri-containerd-{ID}.scope",
        *(STATIC, ID, "containerd", "burstable"),
    ),
    ("static pod, cgroupfs", f"/kubepods/burstable/pod{STATIC}/{ID}", STATIC, ID, "", "burstable"),
    (
        "containerd without SystemdCgroup under a kubelet with systemd, v2",
        f"/system.slice/containerd.service/kubepods-besteffort-pod{FLAT}.slice:cri-containerd:{ID}",
        *(UID, ID, "containerd", "besteffort"),
    ),
    (
        "the same, in a v1 hierarchy of one controller",
        f"/kubepods-besteffort-pod{FLAT}.slice:cri-containerd:{ID}",
        *(UID, ID, "containerd", "besteffort"),
    ),
    (
        "systemd inside a pod",
        f"{BURST}/cri-containerd-{ID}.scope/system.slice/nginx.service",
        *(UID, ID, "containerd", "burstable"),
    ),
    (
        "docker inside a pod: the pod's container counts",
        f"/kubepods/burstable/pod{UID}/{ID}/docker/{NODE}",
        *(UID, ID, "", "burstable"),
    ),
    ("Kata Containers, cgroupfs", f"/kubepods/besteffort/pod{UID}/kata_{ID}", UID, ID, "", "besteffort"),
    ("a process in the pod's own cgroup", BURST, UID, "", "", "burstable"),
    ("/proc/PID/cgroup read in another cgroup namespace", f"/../../pod{UID}/{ID}", UID, ID, "", None),
]


@pytest.mark.parametrize(
    ("origin", "path", "uid", "container", "runtime", "qos"), PODS, ids=[row[0] for row in PODS]
)
def test_pods(origin: str, path: str, uid: str, container: str, runtime: str, qos: str | None) -> None:
    """The pod, its container and its class."""
    expected = Identity(pod_uid=uid, container_id=container, runtime=runtime, qos=Qos(qos) if qos else None)
    assert identities(path)[0] == expected


OTHERS = [
    ("docker, cgroupfs", f"/docker/{ID}", Identity(container_id=ID, runtime="docker")),
    ("docker, systemd", f"/system.slice/docker-{ID}.scope", Identity(container_id=ID, runtime="docker")),
    ("docker in docker", f"/docker/{NODE}/docker/{ID}", Identity(container_id=ID, runtime="docker")),
    ("old Debian's docker, an id alone", f"/{ID}", Identity(container_id=ID)),
    ("Amazon ECS", f"/ecs/00e34457fc4b4c78/{ID}", Identity(container_id=ID)),
    ("nerdctl", f"/system.slice/nerdctl-{ID}.scope", Identity(container_id=ID, runtime="containerd")),
    ("ctr", f"/default/{ID}", Identity(container_id=ID, runtime="containerd")),
    ("podman", f"/machine.slice/libpod-{ID}.scope/container", Identity(container_id=ID, runtime="podman")),
    (
        "podman's pods are not kubelet's",
        f"/machine.slice/machine-libpod_pod_{NODE}.slice/libpod-{ID}.scope",
        Identity(container_id=ID, runtime="podman"),
    ),
    (
        "podman without root",
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope",
        Identity(container_id=ID, runtime="podman"),
    ),
    ("podman's monitor", f"/machine.slice/libpod-conmon-{ID}.scope", Identity(unit=f"libpod-conmon-{ID}.scope")),
    ("a service", "/system.slice/ssh.service", Identity(unit="ssh.service")),
    ("an instance of a template", "/system.slice/system-getty.slice/getty@tty1.service", Identity(unit="getty@tty1.service")),
    ("a login", "/user.slice/user-0.slice/session-3.scope", Identity(unit="session-3.scope")),
    ("a node of kind, no pod of it", f"/system.slice/docker-{NODE}.scope/kubelet.slice/kubelet.service", Identity(container_id=NODE, runtime="docker")),
    ("the kubelet itself", "/system.slice/kubelet.service", Identity(unit="kubelet.service")),
    ("no pod below kubepods", "/kubepods.slice/kubepods-burstable.slice", HOST),
    ("a name that only looks like a pod's", "/kubepods/burstable/pod-of-mine/x", HOST),
    ("short digits stand for nothing", "/jobs/0123456789abcdef", HOST),
    ("the root", "/", HOST),
    ("nothing", "", HOST),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "path", "expected"), OTHERS, ids=[row[0] for row in OTHERS])
def test_everything_else(origin: str, path: str, expected: Identity) -> None:
    """Containers that no kubelet made, systemd units, and what has no name."""
    assert identities(path) == (expected,)


def test_a_cluster_inside_a_container_of_another_one() -> None:
    """kind in a pod: whose manifests are read decides, so both are told, the inner one first."""
    path = f"/kubepods/burstable/pod{OUTER}/{NODE}/kubelet/kubepods/besteffort/pod{UID}/{ID}"
    inner, outer = identities(path)
    assert (inner.pod_uid, inner.container_id) == (UID, ID)
    assert (outer.pod_uid, outer.container_id) == (OUTER, NODE)


V1 = f"""12:pids:/kubepods/besteffort/pod{UID}/{ID}
4:cpu,cpuacct:/kubepods/besteffort/pod{UID}/{ID}
1:name=systemd:/system.slice/containerd.service
"""


def test_lines_of_version_1() -> None:
    """cgroups(7): hierarchy-ID:controller-list:cgroup-path, one line for each hierarchy."""
    found = cgroup_lines(V1)
    assert list(found) == ["pids", "cpu,cpuacct", "name=systemd"]
    assert most_telling(found) == f"/kubepods/besteffort/pod{UID}/{ID}"


def test_lines_of_a_hybrid_host() -> None:
    """The runtime put the process into version 1 alone; version 2 shows what started it."""
    found = cgroup_lines(V1 + "0::/system.slice/containerd.service\n")
    assert found[""] == "/system.slice/containerd.service"
    assert identities(most_telling(found))[0].pod_uid == UID


def test_version_2_wins_where_it_tells_as_much() -> None:
    found = cgroup_lines(f"3:memory:/docker/{NODE}\n0::{BURST}/crio-{ID}.scope\n")
    assert identities(most_telling(found))[0].container_id == ID


def test_the_path_of_a_removed_cgroup() -> None:
    """cgroups(7): " (deleted)" follows the path of a cgroup that is gone."""
    assert cgroup_lines("0::/docker/x (deleted)\n") == {"": "/docker/x"}


@pytest.mark.parametrize("text", ["", "\n", "0", "0:", "::", "\x00:\x00:\x00", "0::/a:b:c\n"])
def test_odd_lines_never_raise(text: str) -> None:
    assert isinstance(most_telling(cgroup_lines(text)), str)


_PIECES = st.sampled_from(
    [
        "",
        "/",
        ":",
        "-",
        "_",
        "kubepods",
        ".slice",
        "pod",
        UID,
        FLAT,
        STATIC,
        ID,
        "cri-containerd",
        "crio-",
        ".scope",
        "..",
        "\x00",
    ]
)


@given(st.lists(_PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_no_path_breaks_it(path: str) -> None:
    """A process may be put into a cgroup of any name. What is told is a UID and an id, or nothing."""
    for found in identities(path):
        assert found.pod_uid in ("", UID, STATIC)
        assert not found.container_id or int(found.container_id, 16) >= 0
    assert isinstance(most_telling(cgroup_lines(f"0::{path}\n")), str)


def test_a_host_without_anything_telling() -> None:
    assert most_telling({"": "/", "pids": "/user.slice"}) == "/user.slice"
    assert most_telling({}) == "/"
