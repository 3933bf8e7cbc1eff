"""What every Kubernetes object has: identity, labels, age and the place it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address

from balancer.model.problem import Origin

IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """`namespace` is "" for cluster-scoped kinds. `created` is timezone-aware, None when not exported."""

    kind: str
    namespace: str
    name: str
    origin: Origin
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    resource_version: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace, self.name)

    @property
    def age_order(self) -> tuple[bool, float, str, str, str]:
        """Sorts the older object first: by creationTimestamp, then by name. Undated objects come last."""
        stamp = self.created.timestamp() if self.created else 0.0
        return (self.created is None, stamp, self.namespace, self.name, self.kind)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"
