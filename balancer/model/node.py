"""Node, Pod and Namespace, as far as load balancing looks at them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from balancer.model.meta import IPAddress, Meta

ZONE_LABEL = "topology.kubernetes.io/zone"
SKIP_KEY = "balancing.elf.io/skip"
# On the API's copy of a static pod ("mirror pod"): the UID that the kubelet runs it under, a hash of its file.
STATIC_UID_KEYS = ("kubernetes.io/config.mirror", "kubernetes.io/config.hash")


class NodeAddressType(enum.StrEnum):
    INTERNAL = "InternalIP"
    EXTERNAL = "ExternalIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAddress:
    """Host names and DNS entries of status.addresses are dropped when read."""

    type: NodeAddressType
    address: IPAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    meta: Meta
    addresses: tuple[NodeAddress, ...] = ()

    @property
    def zone(self) -> str:
        """The node's zone, "" when it has none."""
        return self.meta.labels.get(ZONE_LABEL, "")

    def internal_ip(self, version: int) -> IPAddress | None:
        """The first InternalIP of the family (4 or 6), None when there is none."""
        for entry in self.addresses:
            if entry.type is NodeAddressType.INTERNAL and entry.address.version == version:
                return entry.address
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """`ready` is the Ready condition; `terminating` is a deletionTimestamp or a finished phase.
    `containers` are (id, name) of those that the status knows, init and ephemeral ones too; an id has no
    "containerd://" before it.
    """

    meta: Meta
    node_name: str = ""
    addresses: tuple[IPAddress, ...] = ()
    ready: bool = False
    terminating: bool = False
    host_network: bool = False
    containers: tuple[tuple[str, str], ...] = ()

    @property
    def running_uid(self) -> str:
        """The UID that the kubelet and its cgroups use; "" when it is not exported."""
        for key in STATIC_UID_KEYS:
            if uid := self.meta.annotations.get(key, ""):
                return uid
        return self.meta.uid

    @property
    def skip(self) -> bool:
        """Whether the pod opted out of translation by label or annotation."""
        value = self.meta.annotations.get(SKIP_KEY, self.meta.labels.get(SKIP_KEY, ""))
        return value == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    meta: Meta
