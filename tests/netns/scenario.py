"""The network that a sample folder describes, with its very addresses: nodes on a wire, pods behind them.

Every backend that the README names gets a real server, which answers with its own "address:port". The
sample's files are applied as they are, on the one host that the scenario is seen from.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv6Network, ip_address, ip_network
from pathlib import Path

from harness import cgroups
from harness.client import Client, Way
from harness.host import Host
from harness.netns import Network
from harness.objects import Object
from harness.place import Place
from harness.samples import SAMPLES, Row, objects, rows
from harness.servers import Servers

_WIRE = ip_network("192.0.2.0/24")
_WIRE6 = IPv6Network("2001:db8:56::/64")
_SPARE = 240
"""From here on, addresses of the wire that no sample uses: for hosts that have none there."""
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_ENTRIES = ("balancing.elf.io/nodeProxyIpv4", "balancing.elf.io/nodeProxyIpv6")
_PICKS = 24
"""For each backend: that one of three is never picked then happens once in 10^12 times."""


def _node_addresses(node: Object) -> list[str]:
    """Every address of a Node, entry addresses included."""
    annotations = node["metadata"].get("annotations") or {}
    given = [item["address"] for item in node["status"]["addresses"] if item["type"].endswith("IP")]
    return [*given, *(annotations[key] for key in _ENTRIES if key in annotations)]


def pod_addresses(pod: Object) -> list[str]:
    return [item["ip"] for item in pod["status"].get("podIPs", [])]


def _wire6(nodes: Sequence[Object]) -> IPv6Network:
    """The /64 of the nodes' IPv6 addresses."""
    found = (address for node in nodes for address in _node_addresses(node) if ":" in address)
    first = next(found, None)
    return IPv6Network(f"{first}/64", strict=False) if first else _WIRE6


class Scenario:
    """One sample folder seen from one host; `node` without a Node object is a host outside of the cluster.

    A pod's addresses are on its node, unless the pod was given a namespace of its own before `serve`.
    """

    def __init__(self, stack: contextlib.ExitStack, folder: str, node: str, directory: Path) -> None:
        self._stack = stack
        self._net = Network(stack)
        self._hosts: dict[str, str] = {}
        self._space: dict[str, str] = {}
        self.folder = folder
        self.rows = rows(folder, node)
        self.pods = {item["metadata"]["name"]: item for item in objects(folder, "Pod")}
        self._add_hosts(objects(folder, "Node"), node)
        self.host = Host(stack, netns=self._hosts[node], directory=directory, node=node)

    def _add_hosts(self, nodes: Sequence[Object], own: str) -> None:
        """The nodes, this host and one elsewhere, each with one address of each family on the wire."""
        addresses = {item["metadata"]["name"]: _node_addresses(item) for item in nodes}
        wires = (_WIRE, _wire6(nodes))
        for spare, name in enumerate({**addresses, own: [], "elsewhere": []}, _SPARE):
            given = addresses.get(name, [])
            on_wire = [next((a for a in given if ip_address(a) in w), str(w[spare])) for w in wires]
            self._hosts[name] = self._net.add_host(name, *on_wire)
            self._space |= dict.fromkeys(on_wire, self._hosts[name])
        for name, given in addresses.items():
            self._announce(name, *(address for address in given if address not in self._space))

    def _announce(self, host: str, *addresses: str) -> None:
        self._net.announce(self._hosts[host], *addresses)
        self._space |= dict.fromkeys(addresses, self._hosts[host])

    def _place_addresses(self, addresses: Iterable[str]) -> None:
        """Give each address that nobody has yet to its pod's node, or to the host elsewhere."""
        node_of = {a: pod["spec"]["nodeName"] for pod in self.pods.values() for a in pod_addresses(pod)}
        by_owner: dict[str, list[str]] = defaultdict(list)
        for address in sorted(set(addresses) - set(self._space)):
            if ip_address(address).is_loopback:
                self._space[address] = self.host.netns
            else:
                by_owner[node_of.get(address, "elsewhere")].append(address)
        for owner, found in by_owner.items():
            self._announce(owner, *found)

    def space_of_pod(self, name: str) -> str:
        """The namespace of a pod behind its node; made when first asked for."""
        pod = self.pods[name]
        addresses = pod_addresses(pod)
        if addresses[0] not in self._space:
            space = self._net.add_pod(name, self._hosts[pod["spec"]["nodeName"]], *addresses)
            self._space |= dict.fromkeys(addresses, space)
        return self._space[addresses[0]]

    def add_pod(self, label: str, *addresses: str) -> str:
        """A pod of this host that the sample has no object for; returns its namespace."""
        return self._net.add_pod(label, self.host.netns, *addresses)

    def serve(self) -> None:
        """A server for every backend and fallback backend of the README."""
        started: dict[str, Servers] = {}
        wanted = {(target, row.protocol) for row in self.rows for target in row.backends}
        self._place_addresses(address for (address, _), _ in wanted)
        for (address, port), protocol in sorted(wanted):
            space = self._space[address]
            if space not in started:
                started[space] = self._stack.enter_context(Servers(Place(netns=space)))
            name = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            started[space].serve(name, address, port, protocol)

    def apply(self) -> None:
        """The sample's own files, with its own settings."""
        config = SAMPLES / self.folder / "config.yaml"
        if config.exists():
            self.host.balancer.config.write_text(config.read_text())
        self.host.balancer.run("apply", str(SAMPLES / self.folder / "manifests"))

    def cgroup_of_pod(self, name: str) -> str:
        """As a kubelet with the cgroupfs driver names it."""
        return f"kubepods/besteffort/pod{self.pods[name]['metadata']['uid']}"

    def make_cgroups(self) -> None:
        """The cgroups of the pods of this host."""
        for name, pod in self.pods.items():
            if pod["spec"].get("nodeName") == self.host.node:
                cgroups.child(self.host.cgroup, *self.cgroup_of_pod(name).split("/"))

    def place_in_pod(self, name: str) -> Place:
        """A container of a pod: its namespace and cgroup."""
        return self.host.place(f"{self.cgroup_of_pod(name)}/container", netns=self.space_of_pod(name))

    def client_in_pod(self, name: str) -> Client:
        return self._stack.enter_context(Client(self.place_in_pod(name)))


def ask(client: Client, row: Row) -> frozenset[str]:
    """Everyone who answers there, or the error. A sticky row that kept to one of its backends counts as all."""
    way = Way.TCP if row.protocol == "TCP" else Way.UNCONNECTED
    address = _LOOPBACK.get(row.address, row.address)
    found = frozenset(client.tally(address, row.port, way=way, count=_PICKS * max(1, len(row.answers))))
    return row.answers if row.sticky and len(found) == 1 and found <= row.answers else found


@contextlib.contextmanager
def scenario(folder: str, node: str, directory: Path) -> Iterator[Scenario]:
    """A sample's network, without servers yet; everything of it goes at the end."""
    with contextlib.ExitStack() as stack:
        yield Scenario(stack, folder, node, directory)
