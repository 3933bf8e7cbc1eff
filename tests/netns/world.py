"""The addresses of the network, and its hosts and clients by name."""

from __future__ import annotations

from dataclasses import dataclass

from harness.client import Client
from harness.host import Host
from harness.objects import Object, both, endpoint, endpoint_slice, node, service

WIRE = {"node1": ("172.30.0.1", "fd00:30::1"), "node2": ("172.30.0.2", "fd00:30::2")}
OUTSIDE_ADDRESSES = ("172.30.0.9", "fd00:30::9")
POD_CLIENT = ("10.244.1.20", "fd00:244:1::20")
PORT = 8080
ENDPOINTS = {
    "a1": ("node1", "10.244.1.10", "fd00:244:1::10"),
    "b1": ("node2", "10.244.2.10", "fd00:244:2::10"),
    "b2": ("node2", "10.244.2.11", "fd00:244:2::11"),
}
EVERYONE = frozenset(ENDPOINTS)
ON_NODE1 = frozenset({"a1"})
ON_NODE2 = EVERYONE - ON_NODE1

CLIENTS = ("pod", "node", "outside")
WAYS_IN = ("cluster", "external", "lb", "node1", "node2")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`pod` is a client in a pod of node1, with a namespace and a cgroup of its own."""

    hosts: dict[str, Host]
    pod: Client

    def client(self, kind: str) -> Client:
        """A pod-like client on node1, a process of node1, or a process of the outside host."""
        return self.pod if kind == "pod" else self.host_of(kind).client

    def host_of(self, kind: str) -> Host:
        """The host whose instance works for this client."""
        return self.hosts["outside" if kind == "outside" else "node1"]

    def apply(self, *objects: Object | list[Object]) -> None:
        """Apply the same directory on every host, each for itself."""
        nodes = [node(name, *addresses) for name, addresses in WIRE.items()]
        for host in self.hosts.values():
            host.balancer.apply(nodes, *objects)

    def apply_for(self, kind: str, *objects: Object | list[Object]) -> None:
        """Apply only on the host of one client."""
        nodes = [node(name, *addresses) for name, addresses in WIRE.items()]
        self.host_of(kind).balancer.apply(nodes, *objects)


def address_of(number: int, way_in: str, *, six: bool = False) -> tuple[str, int]:
    """Where to connect to reach the service `number` by one of WAYS_IN."""
    pairs = {
        "cluster": (f"10.96.0.{number}", f"fd00:96::{number}"),
        "external": (f"203.0.113.{number}", f"2001:db8:113::{number}"),
        "lb": (f"198.51.100.{number}", f"2001:db8:51::{number}"),
        **WIRE,
    }
    return pairs[way_in][six], 30080 + number if way_in in WIRE else 80


def conditions(**of: dict[str, bool] | None) -> dict[str, dict[str, bool]]:
    """Every endpoint by name; None takes one away, a dictionary sets its conditions."""
    chosen: dict[str, dict[str, bool] | None] = {**{name: {} for name in ENDPOINTS}, **of}
    return {name: given for name, given in chosen.items() if given is not None}


def balanced(
    name: str, number: int, state: dict[str, dict[str, bool]] | None = None, **spec: object
) -> list[Object]:
    """A LoadBalancer service on all its addresses and both families, with the endpoints of the network."""
    present = conditions() if state is None else state
    ips, externals, lbs = (
        [address_of(number, way, six=six)[0] for six in (False, True)]
        for way in ("cluster", "external", "lb")
    )
    made = service(
        name,
        *both(80, node_port=30080 + number),
        ips=ips,
        kind="LoadBalancer",
        lb=lbs,
        externalIPs=externals,
        ipFamilyPolicy="RequireDualStack",
        **spec,  # type: ignore[arg-type]
    )
    slices = [
        endpoint_slice(
            name,
            [
                endpoint(ENDPOINTS[pod][1 + six], node=ENDPOINTS[pod][0], **given)
                for pod, given in present.items()
            ],
            *both(PORT),
        )
        for six in (False, True)
    ]
    return [made, *slices]
