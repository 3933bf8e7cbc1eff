"""How the ports of the two sides of a policy find each other: by name and protocol.

The names are the policy's own. A frontend without ports stands for all ports of a Service; whether
those have partners is known only once the Service is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from balancer.manifests.fields import items, text
from balancer.manifests.finding import Finding
from balancer.manifests.paths import JsonPath

Port = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The toPorts of a frontend or a backend; `label` is which of the two."""

    label: str
    path: JsonPath
    ports: Sequence[Port]

    @classmethod
    def of(cls, label: str, data: Mapping[str, Any], path: JsonPath) -> Side:
        """The side that is described by the data at the path."""
        return cls(label=label, path=(*path, "toPorts"), ports=items(data, "toPorts"))

    def at(self, index: int, key: str) -> JsonPath:
        return (*self.path, index, key)


def check_ports(frontend: Side, backend: Side) -> Iterator[Finding]:
    """Names where there are several ports, every name once, every destination once, a partner for each."""
    several = max(len(frontend.ports), len(backend.ports)) > 1
    faults = [
        *_check_destinations(frontend),
        *(fault for side in (frontend, backend) for fault in _check_names(side, several=several)),
    ]
    yield from faults
    if faults or not frontend.ports:
        return
    if several:
        yield from _check_partners(frontend, backend)
        yield from _check_partners(backend, frontend)
    else:
        yield from _check_pair(frontend, backend)


def _check_destinations(side: Side) -> Iterator[Finding]:
    seen: dict[tuple[int, str], int] = {}
    for index, port in enumerate(side.ports):
        key = (int(port["port"]), port["protocol"])
        first = seen.setdefault(key, index)
        if first != index:
            message = f"{key[0]}/{key[1]} is also toPorts[{first}]: expected every port and protocol once"
            yield Finding(path=side.at(index, "port"), message=message)


def _check_names(side: Side, *, several: bool) -> Iterator[Finding]:
    """One name may stand for a TCP and a UDP port."""
    seen: dict[tuple[str, str], int] = {}
    for index, port in enumerate(side.ports):
        name = text(port, "name")
        if not name:
            if several:
                message = "a port among several has no name: expected the name that it has on both sides"
                yield Finding(path=side.at(index, "name"), message=message)
            continue
        first = seen.setdefault((name, port["protocol"]), index)
        if first != index:
            message = (
                f'the {port["protocol"]} port name "{name}" is also that of toPorts[{first}]: '
                "expected every name once"
            )
            yield Finding(path=side.at(index, "name"), message=message)


def _check_partners(side: Side, other: Side) -> Iterator[Finding]:
    """Both sides have names on every port."""
    partners = {(port["name"], port["protocol"]) for port in other.ports}
    for index, port in enumerate(side.ports):
        name, protocol = port["name"], port["protocol"]
        if (name, protocol) not in partners:
            message = (
                f'"{name}" has no partner: expected a {protocol} port of that name in the {other.label}, too'
            )
            yield Finding(path=side.at(index, "name"), message=message)


def _check_pair(frontend: Side, backend: Side) -> Iterator[Finding]:
    """One port on each side: they belong together unless they say otherwise."""
    (front,), (back,) = frontend.ports, backend.ports
    if front["protocol"] != back["protocol"]:
        message = f"{back['protocol']} is not the frontend's protocol: expected {front['protocol']}"
        yield Finding(path=backend.at(0, "protocol"), message=message)
    wanted, name = text(front, "name"), text(back, "name")
    if wanted and name and wanted != name:
        message = f'"{name}" is not the name of the frontend\'s port: expected "{wanted}"'
        yield Finding(path=backend.at(0, "name"), message=message)
