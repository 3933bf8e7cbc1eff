"""Whose connection an explanation is for: which rules of their own the process or pod has.

The programs know a caller by its cgroups and its network namespace, and so does this. Only reads.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from balancer.config import Settings
from balancer.errors import OperatorError
from balancer.explanation import AskedBy, Asker, Standing
from balancer.kernel import host, mounts
from balancer.kernel.cgroups import cgroup_id, pod_cgroups
from balancer.kernel.netns import socket_in
from balancer.live import Snapshot
from balancer.model.node import Pod
from balancer.plan.entries import CGROUP_FLAGS, CGROUP_ID, OWNER, CgroupFlag, Setting, group_id
from balancer.sources import Sources
from balancer.views import Loaded

_NETNS_COOKIE = 71  # SO_NETNS_COOKIE
_HINT = "give it as namespace/name, and see: balancer validate DIRECTORY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks, before a destination is known. `groups` are the ids of those whose redirects it backs."""

    name: str
    standing: Standing = Standing.SERVED
    words: str = "no rule of its own applies to it"
    cgroup: str = ""
    in_host_netns: bool | None = None
    groups: frozenset[int] = frozenset()

    def before(self, group: int, decides: str) -> Asker:
        """The client in front of a frontend of `group` that the object `decides`; 0 for no group."""
        standing, words = self.standing, self.words
        if standing is Standing.SERVED and group in self.groups:
            standing = Standing.OWN_BACKEND
            words = f"it is a backend of {decides}, so it gets the fallback and never itself"
        return Asker(
            name=self.name,
            standing=standing,
            words=words,
            cgroup=self.cgroup,
            in_host_netns=self.in_host_netns,
        )


def planned_client(loaded: Loaded, node: str, asked: AskedBy) -> Client:
    """By the manifests alone. Raises OperatorError where they cannot tell."""
    if asked.pod is None:
        raise OperatorError(
            "manifests know pods, not processes", hint="leave --from out, or name a pod with --pod"
        )
    pod = _pod(loaded.manifests.cluster.pods, asked.pod, node)
    name = f"pod {pod.meta.namespace}/{pod.meta.name}"
    desired = loaded.desired
    if any((item.namespace, item.name) == pod.meta.key for item in desired.skipped_pods):
        return Client(
            name=name,
            standing=Standing.OPTED_OUT,
            words=_opted_out(str(pod.meta.origin)),
            in_host_netns=pod.host_network,
        )
    groups = [
        group
        for item in desired.redirect_pods
        if (item.namespace, item.name) == pod.meta.key
        for group in item.groups
    ]
    return Client(
        name=name, in_host_netns=pod.host_network, groups=frozenset(group_id(group) for group in groups)
    )


def live_client(snapshot: Snapshot, sources: Sources, settings: Settings, asked: AskedBy) -> Client:
    """By the maps, for the cgroup that the process or pod is in now. Raises OperatorError for one that is not
    there.
    """
    cgroup = mounts.resolve_cgroup(settings.cgroup)
    if asked.pid is not None:
        return _of_process(snapshot, asked.pid, cgroup)
    uid, name, in_host_netns = _known_pod(snapshot, sources, settings.node, asked.pod or ("", ""))
    found = pod_cgroups(cgroup, mounts.hierarchy_of(cgroup), {uid} if uid else set())
    if not found:
        return Client(
            name=name,
            standing=Standing.UNKNOWN,
            words=f"no cgroup of it (uid {uid or 'not exported'}) is below {cgroup}, so its rules are not known",
            in_host_netns=in_host_netns,
        )
    return _in_cgroup(snapshot, name, found[0].path, in_host_netns)


def _of_process(snapshot: Snapshot, pid: int, served: Path) -> Client:
    name, home = _process(pid, served)
    own = snapshot.setting(Setting.HOST_NETNS) == _cookie_of(pid)
    if not home.is_relative_to(served):
        words = f"it is in {home}, and the programs serve {served}"
        return Client(name=name, standing=Standing.OUTSIDE, words=words, cgroup=str(home), in_host_netns=own)
    return _in_cgroup(snapshot, name, home, own)


def _process(pid: int, served: Path) -> tuple[str, Path]:
    """What the process is called, and its cgroup2 directory."""
    directory = Path("/proc") / str(pid)
    try:
        lines = (directory / "cgroup").read_text().splitlines()
        command = (directory / "comm").read_text().strip()
    except OSError as error:
        raise OperatorError(
            f"no process {pid} can be seen here: {error.strerror}", hint="see: ps -e"
        ) from None
    inside = next(line.partition("::")[2] for line in lines if line.startswith("0::"))
    return f"process {pid} ({command})", mounts.hierarchy_of(served) / inside.lstrip("/")


def _cookie_of(pid: int) -> int:
    namespace = Path("/proc") / str(pid) / "ns/net"
    try:
        if namespace.stat().st_ino == Path("/proc/self/ns/net").stat().st_ino:
            return host.netns_cookie()
        with socket_in(namespace, socket.AF_INET, socket.SOCK_DGRAM, 0) as probe:
            return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, _NETNS_COOKIE, 8), "little")
    except OSError as error:
        raise OperatorError(f"the network namespace of process {pid} cannot be seen: {error}") from None


def _in_cgroup(snapshot: Snapshot, name: str, home: Path, in_host_netns: bool | None) -> Client:
    ids = dict(_levels(home))
    levels = snapshot.setting(Setting.CGROUP_LEVELS)
    counted = {ids[level] for level in ids if levels >> level & 1}
    flags = (snapshot.actual.cgroups.get(CGROUP_ID.pack(item)) for item in counted)
    if any(raw is not None and CGROUP_FLAGS.unpack(raw)[0] & CgroupFlag.SKIP for raw in flags):
        return Client(
            name=name,
            standing=Standing.OPTED_OUT,
            words=_opted_out("by the live maps"),
            cgroup=str(home),
            in_host_netns=in_host_netns,
        )
    owned = (OWNER.unpack(raw) for raw in snapshot.actual.owners)
    return Client(
        name=name,
        cgroup=str(home),
        in_host_netns=in_host_netns,
        groups=frozenset(group for group, item in owned if item in counted),
    )


def _levels(home: Path) -> Iterator[tuple[int, int]]:
    """(depth below the root of the hierarchy, cgroup id) of a cgroup and each one above it."""
    hierarchy = mounts.hierarchy_of(home)
    parts = home.relative_to(hierarchy).parts
    for level in range(1, len(parts) + 1):
        yield level, cgroup_id(hierarchy.joinpath(*parts[:level]))


def _known_pod(
    snapshot: Snapshot, sources: Sources, node: str, asked: tuple[str, str]
) -> tuple[str, str, bool | None]:
    """UID, name, and whether it is in the host's network namespace; by the manifests, else by the state file."""
    name = f"pod {'/'.join(asked)}"
    if not any(pod.meta.key == asked for pod in sources.cluster.pods):
        for uid, pod in snapshot.names.pods.items():
            if (pod.namespace, pod.name) == asked:
                return uid, name, None
    found = _pod(sources.cluster.pods, asked, node)
    return found.running_uid, name, found.host_network


def _pod(pods: tuple[Pod, ...], asked: tuple[str, str], node: str) -> Pod:
    by_name: Mapping[tuple[str, str], Pod] = {pod.meta.key: pod for pod in pods}
    pod = by_name.get(asked)
    if pod is None:
        raise OperatorError(f"the manifests have no Pod {'/'.join(asked)}", hint=_HINT)
    if pod.node_name != node:
        where = f"node {pod.node_name}" if pod.node_name else "no node yet"
        raise OperatorError(
            f"Pod {'/'.join(asked)} runs on {where}, and this is {node}",
            hint="ask on that node, or with --node and --from",
        )
    return pod


def _opted_out(where: str) -> str:
    return f'it opted out with balancing.elf.io/skip: "true" ({where})'
