"""Node, Pod and Namespace, as far as load balancing looks at them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from balancer.model.meta import IPAddress, Meta

ZONE_LABEL = "topology.kubernetes.io/zone"
SKIP_KEY = "balancing.elf.io/skip"


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
    """`ready` is the Ready condition; `terminating` is a deletionTimestamp or a finished phase."""

    meta: Meta
    node_name: str = ""
    addresses: tuple[IPAddress, ...] = ()
    ready: bool = False
    terminating: bool = False
    host_network: bool = False

    @property
    def skip(self) -> bool:
        """Whether the pod opted out of translation by label or annotation."""
        value = self.meta.annotations.get(SKIP_KEY, self.meta.labels.get(SKIP_KEY, ""))
        return value == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    meta: Meta
