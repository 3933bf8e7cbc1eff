"""Names for what the kernel tells in numbers: who decides for a destination, whose pod is behind a cgroup or a backend.

Pure: everything comes from a `State`, which the last pass left behind. What it does not name stays
without a name; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TypeVar

from balancer.desired.types import FrontendKind, Source
from balancer.kernel.reasons import Reason
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol
from balancer.observe.identity import Identity
from balancer.plan.changes import address_port, destination
from balancer.state import Label, State
from balancer.views_event import Chosen, Client, Where

_ANY_ADDRESS = {4: ip_address("0.0.0.0"), 6: ip_address("::")}
_GAVE_WAY = (Reason.FALLBACK, Reason.RATE_LIMITED)
_SERVICE = "Service "
_MAX_CACHED = 50_000
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """What decided for a destination, with the texts of `Event`."""

    object: str = ""
    service: str = ""
    port_name: str = ""
    kind: FrontendKind | None = None
    source: Source | None = None
    file: str = ""
    gave_way: str = ""


class Names:
    """The names of one state file."""

    def __init__(self, state: State) -> None:
        self._labels = state.labels
        self._nodes = state.nodes
        self._pods = state.pods
        self._backend_pods = state.backend_pods
        self._deciders: dict[tuple[IPAddress, int, Protocol, Reason, bool], Decider] = {}
        self._chosen: dict[tuple[IPAddress, int], Chosen] = {}

    def decider(
        self, address: IPAddress, port: int, protocol: Protocol, reason: Reason, *, node_port: bool = False
    ) -> Decider:
        """Who decided. `node_port`: it was the frontend of a node port on every address."""
        key = (address, port, protocol, reason, node_port)
        known = self._deciders.get(key)
        if known is None:
            known = _room(self._deciders)[key] = self._decide(*key)
        return known

    def _decide(
        self, address: IPAddress, port: int, protocol: Protocol, reason: Reason, node_port: bool
    ) -> Decider:
        asked = _ANY_ADDRESS[address.version] if node_port else address
        label = self._labels.get(destination(asked, port, protocol))
        if label is None:
            return self._owner(address) if reason is Reason.UNKNOWN_PORT else Decider()
        acting = label.beneath if reason in _GAVE_WAY and label.beneath else label
        return Decider(
            object=acting.object,
            service=_service(label),
            port_name=acting.port_name,
            kind=acting.kind,
            source=acting.source,
            file=acting.file,
            gave_way=label.object if acting is not label else "",
        )

    def _owner(self, address: IPAddress) -> Decider:
        """Whose address it is, for a port that it does not have; unnamed if several share it."""
        owners = self._owners.get(str(address), {})
        if len(owners) != 1:
            return Decider()
        (label,) = owners.values()
        return Decider(
            object=label.object,
            service=_service(label),
            kind=label.kind,
            source=label.source,
            file=label.file,
        )

    @cached_property
    def _owners(self) -> Mapping[str, Mapping[str, Label]]:
        """The objects of each address, by their names."""
        found: dict[str, dict[str, Label]] = {}
        for name, label in self._labels.items():
            address = name.rpartition(":")[0].strip("[]")
            found.setdefault(address, {}).setdefault(label.object, label)
        return found

    def chosen(self, address: IPAddress, port: int) -> Chosen:
        """The backend with its node and pod."""
        known = self._chosen.get((address, port))
        if known is None:
            text = str(address)
            pod = self._backend_pods.get(address_port(address, port)) or self._backend_pods.get(text, "")
            known = Chosen(address=address, port=port, node=self._nodes.get(text, ""), pod=pod)
            _room(self._chosen)[address, port] = known
        return known

    def client(
        self, *, pid: int, command: str, cgroup_id: int, path: str, found: tuple[Identity, ...] | None
    ) -> Client:
        """Who asked: of the identities of a path, the first whose pod is known, else the innermost."""
        if found is None:
            return Client(pid=pid, command=command, cgroup_id=cgroup_id, cgroup=path)
        told = next((item for item in found if item.pod_uid in self._pods), found[0])
        pod = self._pods.get(told.pod_uid) if told.pod_uid else None
        return Client(
            pid=pid,
            command=command,
            where=_where(told),
            cgroup_id=cgroup_id,
            cgroup=path,
            namespace=pod.namespace if pod else "",
            pod=pod.name if pod else "",
            container=pod.containers.get(told.container_id, "") if pod else "",
            pod_uid=told.pod_uid,
            container_id=told.container_id,
            runtime=told.runtime,
            unit=told.unit,
        )


def _room(cache: dict[K, V]) -> dict[K, V]:
    """The cache, emptied when it is full: what is asked for is up to the processes of the host."""
    if len(cache) >= _MAX_CACHED:
        cache.clear()
    return cache


def _where(told: Identity) -> Where:
    if told.pod_uid:
        return Where.POD
    return Where.CONTAINER if told.container_id else Where.HOST


def _service(label: Label) -> str:
    """The Service at the bottom of what answers for a destination, "" when there is none."""
    for link in _chain(label):
        if link.object.startswith(_SERVICE):
            return link.object.removeprefix(_SERVICE)
    return ""


def _chain(label: Label) -> Iterator[Label]:
    link: Label | None = label
    while link is not None:
        yield link
        link = link.beneath
