"""Whose process it is, told by the path of its cgroup: a pod's container, another container, or a unit of the host.

Pure: a path in, identities out. Nothing here looks at a file system, and nothing here knows which pods
exist; a path may name a pod that no manifest knows.

Where the shapes come from: kubelet's `pkg/kubelet/cm` names pods, with the cgroupfs driver
"kubepods/<class>/pod<uid>", with the systemd driver "kubepods-<class>-pod<uid>.slice" with the UID's
dashes as underscores, below whatever --cgroup-root is (kind has "kubelet"). The runtimes name the
containers inside: "<id>" (containerd and docker with cgroupfs), "crio-<id>" (CRI-O), and with systemd
"cri-containerd-<id>.scope", "crio-<id>.scope", "docker-<id>.scope", "libpod-<id>.scope".
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache

# A pod's UID: of the API with dashes, of systemd's names with underscores, of a static pod 32 digits.
_UID = r"[0-9a-f]{8}(?P<dash>[-_]?)[0-9a-f]{4}(?P=dash)[0-9a-f]{4}(?P=dash)[0-9a-f]{4}(?P=dash)[0-9a-f]{12}"
_POD = re.compile(rf"(?:^|-)pod(?P<uid>{_UID})(?:\.slice)?$")
_ID = r"(?P<id>[0-9a-f]{12,64})"
_SCOPE = re.compile(rf"(?P<prefix>[a-z][a-z-]*?)-{_ID}(?:\.scope)?")
_KATA = re.compile(rf"kata_{_ID}")
_BARE = re.compile(_ID)
_FULL = re.compile(r"(?P<id>[0-9a-f]{64})")
_UNIT = re.compile(r".+\.(?:service|scope|socket|mount)")
_RUNTIMES = {
    "cri-containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "docker": "docker",
    "libpod": "podman",
}
_BY_PARENT = {"docker": "docker", "libpod_parent": "podman", "default": "containerd", "k8s.io": "containerd"}


class Qos(enum.StrEnum):
    """Kubernetes: Pod Quality of Service Classes. The path of a guaranteed pod has no class in it."""

    GUARANTEED = "guaranteed"
    BURSTABLE = "burstable"
    BEST_EFFORT = "besteffort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a path says; each text is "" when it does not.

    `pod_uid` is as the API writes it: with dashes, or 32 digits for a static pod. `runtime` is
    "containerd", "cri-o", "docker" or "podman". `unit` is the innermost systemd unit of a process that is
    in no container. A sandbox ("pause") has a container id that the pod's status does not list.
    """

    pod_uid: str = ""
    container_id: str = ""
    runtime: str = ""
    qos: Qos | None = None
    unit: str = ""


HOST = Identity()


@lru_cache(maxsize=4096)
def identities(path: str) -> tuple[Identity, ...]:
    """What the path may stand for, the innermost first; never empty.

    A cluster that runs inside a container of another one has two pods in a path: which of them is meant
    depends on whose manifests are read.
    """
    parts = _parts(path)
    starts = [index for index, part in enumerate(parts) if _POD.search(part)]
    if not starts:
        return (_outside_pods(parts),)
    ends = [*starts[1:], len(parts)]
    return tuple(_pod(parts, start, end) for start, end in zip(reversed(starts), reversed(ends), strict=True))


def _parts(path: str) -> list[str]:
    """The components; a runtime that was not told that kubelet uses systemd leaves
    "<slice>:cri-containerd:<id>" as one directory.
    """
    parts: list[str] = []
    for part in path.split("/"):
        if ":cri-containerd:" in part or ":crio:" in part or ":docker:" in part:
            parent, prefix, identity = part.rsplit(":", 2)
            parts += [parent, f"{prefix}-{identity}"]
        elif part not in ("", ".", ".."):
            parts.append(part)
    return parts


def _pod(parts: list[str], start: int, end: int) -> Identity:
    match = _POD.search(parts[start])
    uid = match["uid"].replace("_", "-") if match else ""
    runtime, identity = "", ""
    for part in parts[start + 1 : end]:
        runtime, identity = _container(part, _BARE)
        if identity:
            break
    return Identity(pod_uid=uid, container_id=identity, runtime=runtime, qos=_qos(parts[: start + 1]))


def _qos(parts: list[str]) -> Qos | None:
    """The class named by the pod's own directory (systemd) or the one above it (cgroupfs)."""
    near = "/".join(parts[-2:])
    for qos in (Qos.BURSTABLE, Qos.BEST_EFFORT):
        if qos in near:
            return qos
    return Qos.GUARANTEED if "kubepods" in near else None


def _container(part: str, bare: re.Pattern[str]) -> tuple[str, str]:
    """(runtime, container id) of one component, ("", "") when it is none. The monitor of a container
    ("crio-conmon-<id>") runs beside it, not in it.
    """
    if (match := _SCOPE.fullmatch(part)) and match["prefix"] in _RUNTIMES:
        return _RUNTIMES[match["prefix"]], match["id"]
    if match := _KATA.fullmatch(part) or bare.fullmatch(part):
        return "", match["id"]
    return "", ""


def _outside_pods(parts: list[str]) -> Identity:
    """A container that no kubelet made, else the innermost systemd unit. An id stands alone there only as 64
    digits: shorter ones may be anything.
    """
    for index in range(len(parts) - 1, -1, -1):
        runtime, identity = _container(parts[index], _FULL)
        if identity:
            parent = parts[index - 1] if index else ""
            return Identity(container_id=identity, runtime=runtime or _BY_PARENT.get(parent, ""))
    units = [part for part in parts if _UNIT.fullmatch(part)]
    return Identity(unit=units[-1]) if units else HOST


def cgroup_lines(text: str) -> dict[str, str]:
    """The paths of /proc/PID/cgroup by controllers as they stand there: "" is version 2, "name=systemd" the
    named hierarchy, "cpu,cpuacct" a version 1 hierarchy. cgroups(7): hierarchy-ID:controller-list:path.
    """
    found = {}
    for line in text.splitlines():
        _, first, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if first and second:
            found[controllers] = path.removesuffix(" (deleted)")
    return found


def most_telling(paths: dict[str, str]) -> str:
    """Of the paths of one process, one that names a pod or a container, version 2 first; else the longest.

    On a hybrid host the runtime may have put the process into version 1 hierarchies only.
    """
    order = sorted(paths, key=lambda name: (name != "", name != "name=systemd", name))
    for name in order:
        if identities(paths[name])[0].container_id or identities(paths[name])[0].pod_uid:
            return paths[name]
    named = paths.get("", "/")
    return named if named != "/" else max((paths[name] for name in order), key=len, default="/")
