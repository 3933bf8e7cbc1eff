"""Labels for frontends, and which of them get a series when there are more than a host is asked to tell of.

Pure: entries and names in, labels out. A label is only ever what a map or the state file says; what neither
knows is "", which to Prometheus is the same as no label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from balancer.desired.types import FrontendKind, Source
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol
from balancer.plan.changes import address_port
from balancer.state import Label
from balancer.views import LivePolicy

_SERVICE = "Service "


class FrontendLabels(NamedTuple):
    """`port` is the service port's name, its number where it has none; `address` is "10.96.0.1:80"."""

    namespace: str
    service: str
    port: str
    protocol: str
    kind: str
    address: str
    source: str
    policy: str


class ServicePort(NamedTuple):
    namespace: str
    service: str
    port: str
    protocol: str


class Counted(NamedTuple):
    """One frontend: how many backends its connections get, and decisions in the order of `Reason`."""

    labels: FrontendLabels
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def series(self) -> int:
        """How many series it takes: one for each reason that was ever counted."""
        return len(self.counts) - self.counts.count(0)


class Names:
    """The state file's names, ready to label frontends. `labels` are by "address:port/PROTOCOL"."""

    def __init__(self, labels: Mapping[str, Label], policies: Iterable[LivePolicy]) -> None:
        self._labels = labels
        self._targets = {item.object: item.target for item in policies if item.target.startswith(_SERVICE)}
        self._numbers = dict(_port_numbers(labels))

    def of(self, address: IPAddress, port: int, protocol: Protocol, source: Source | None) -> FrontendLabels:
        """`source` is what the map knows of it, None for nothing."""
        place = address_port(address, port)
        label = self._labels.get(f"{place}/{protocol}")
        if label is None:
            return FrontendLabels("", "", "", protocol, "", place, source or "", "")
        source = source or label.source
        service, named = self._service_of(label)
        namespace, _, name = service.removeprefix(_SERVICE).partition("/")
        return FrontendLabels(
            namespace=namespace,
            service=name,
            port=named.port_name or str(self._numbers.get((named.object, protocol), port)),
            protocol=protocol,
            kind=label.kind,
            address=place,
            source=source,
            policy="" if source is Source.SERVICE else label.object,
        )

    def _service_of(self, label: Label) -> tuple[str, Label]:
        """The service that a frontend is of, "" for none, and the label that has the name of its port."""
        link: Label | None = label
        while link is not None:
            if link.object.startswith(_SERVICE):
                return link.object, link
            link = link.beneath
        return self._targets.get(label.object, ""), label


def _port_numbers(labels: Mapping[str, Label]) -> Iterable[tuple[tuple[str, str], int]]:
    """The service port's number where it has no name, as only the single port of a service may have none; a
    node port's number is another one.
    """
    for name, label in labels.items():
        link: Label | None = label
        while link is not None:
            of_service = link.object.startswith(_SERVICE)
            if of_service and not link.port_name and link.kind is not FrontendKind.NODE_PORT:
                place, _, protocol = name.rpartition("/")
                yield (link.object, protocol), int(place.rpartition(":")[2])
            link = link.beneath


def busiest(frontends: Iterable[Counted], limit: int) -> tuple[list[Counted], int]:
    """Those that take at most `limit` series together, the busiest first, and how many are left out.

    A frontend that never decided anything takes none and is in neither.
    """
    active = sorted((item for item in frontends if item.series), key=lambda item: (-item.total, item.labels))
    taken = 0
    for place, item in enumerate(active):
        taken += item.series
        if taken > limit:
            return active[:place], len(active) - place
    return active, 0


def service_backends(
    found: Mapping[ServicePort, int], decisions: Mapping[tuple[str, ...], int], limit: int
) -> Sequence[tuple[ServicePort, int]]:
    """At most `limit` service ports with their number of backends: those without any first, since they are
    what somebody has to look at, then the busiest.
    """
    order = sorted(found.items(), key=lambda item: (item[1] > 0, -decisions.get(item[0], 0), item[0]))
    return order[:limit]
