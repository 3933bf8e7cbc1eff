"""Rules about lists of ports that several kinds share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from balancer.manifests.fields import text
from balancer.manifests.finding import Finding
from balancer.manifests.paths import JsonPath


def check_port_names(ports: Sequence[Mapping[str, Any]], path: JsonPath) -> Iterator[Finding]:
    """Names are needed once there are several ports, and then each name only once."""
    for index, port in enumerate(ports):
        if len(ports) > 1 and not text(port, "name"):
            message = "a port among several has no name: expected a name of its own"
            yield Finding(path=(*path, index, "name"), message=message)
    yield from check_unique_names(ports, path)


def check_unique_names(
    ports: Sequence[Mapping[str, Any]], path: JsonPath, *, unnamed: bool = False
) -> Iterator[Finding]:
    """Every name once; with `unnamed`, the empty name counts as one too."""
    seen: dict[str, int] = {}
    for index, port in enumerate(ports):
        name = text(port, "name")
        first = seen.setdefault(name, index)
        if first != index and (name or unnamed):
            message = f'the port name "{name}" is also that of ports[{first}]: expected every name once'
            yield Finding(path=(*path, index, "name"), message=message)
