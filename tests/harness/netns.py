"""Network namespaces: single hosts with nothing but loopback, and networks of hosts and pods.

No traffic leaves these namespaces: none of them has an interface of the machine, and the wire between
hosts is a bridge in a namespace of its own.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import names

_SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.dad_transmits=0",
    "net.ipv6.ip_nonlocal_bind=1",
)


def _ip(*lines: str, netns: str | None = None) -> None:
    """Run `lines` as one batch of ip commands, in a namespace by name; CalledProcessError on the first bad one."""
    command = ["ip", *(["-n", netns] if netns else []), "-batch", "-"]
    subprocess.run(command, input="\n".join(lines), text=True, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def namespace(label: str = "", *, addresses: Sequence[str] = ()) -> Iterator[str]:
    """A namespace with loopback up; `addresses` are more addresses of loopback. Yields its name."""
    name = names.fresh(label)
    _ip(f"netns add {name}")
    try:
        _ip("link set lo up", netns=name)
        inside = ["nsenter", f"--net=/run/netns/{name}", "sysctl", "-q", *_SYSCTLS]
        subprocess.run(inside, check=True)
        add_addresses(name, addresses)
        yield name
    finally:
        _ip(f"netns del {name}")


def add_addresses(netns: str, addresses: Sequence[str], *, device: str = "lo") -> None:
    """Give a namespace addresses of its own, each as a host route, usable at once."""
    if addresses:
        _ip(*(_address(address, device) for address in addresses), netns=netns)


def add_local_ranges(netns: str, ranges: Sequence[str]) -> None:
    """Let servers of the namespace answer in these ranges (CIDRs) although no interface has the addresses."""
    _ip(*(f"route add local {cidr} dev lo" for cidr in ranges), netns=netns)


def remove_addresses(netns: str, addresses: Sequence[str]) -> None:
    """Take addresses of loopback away again."""
    _ip(*(f"addr del {address}/{_bits(address)} dev lo" for address in addresses), netns=netns)


def _bits(address: str) -> int:
    return 128 if ":" in address else 32


def _address(address: str, device: str) -> str:
    return f"addr add {address}/{_bits(address)} dev {device}" + (" nodad" if ":" in address else "")


class Network:
    """Hosts on one wire, and pods behind hosts; every address can reach every other one.

    Pod addresses are routed, as with an underlay network or a CNI that announces its pods: each host
    has a route to each pod by way of the pod's node.
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._fabric = stack.enter_context(namespace("fabric"))
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._pods = 0
        _ip("link add br0 type bridge", "link set br0 up", netns=self._fabric)

    def add_host(self, label: str, *addresses: str) -> str:
        """A host on the wire; returns its namespace. Addresses must share a /24 or /64 with the others."""
        name = self._stack.enter_context(namespace(label))
        port = f"port{len(self._hosts)}"
        _ip(f"link add eth0 netns {name} type veth peer name {port} netns {self._fabric}")
        _ip(f"link set {port} master br0 up", netns=self._fabric)
        on_wire = [
            f"addr add {a}/{64 if ':' in a else 24} dev eth0{' nodad' if ':' in a else ''}" for a in addresses
        ]
        _ip("link set eth0 up", *on_wire, netns=name)
        self._hosts[name] = addresses
        return name

    def announce(self, host: str, *addresses: str) -> None:
        """More addresses of a host (by its namespace), off the wire, known to every host added so far."""
        add_addresses(host, addresses)
        self._add_routes(host, addresses)

    def add_pod(self, label: str, node: str, *addresses: str) -> str:
        """A pod behind the host with namespace `node`, known to every host added so far; returns its namespace."""
        name = self._stack.enter_context(namespace(label))
        self._pods += 1
        port = f"pod{self._pods}"
        _ip(f"link add eth0 netns {name} type veth peer name {port} netns {node}")
        _ip(f"link set {port} up", netns=node)
        _ip("link set eth0 up", netns=name)
        add_addresses(name, addresses, device="eth0")
        for address in addresses:
            self._route(name, node, port, address)
        return name

    def _route(self, pod: str, node: str, port: str, address: str) -> None:
        """IPv6 neighbours are found on the link alone, so the pod's IPv6 gateway is a link-local address."""
        six = ":" in address
        gateway = "fe80::1" if six else self._on_wire(node, address)
        if six:
            _ip(f"addr add {gateway}/64 dev {port} nodad", netns=node)
        _ip(f"route add {gateway} dev eth0", f"route add default via {gateway} dev eth0", netns=pod)
        _ip(f"route add {address} dev {port}", netns=node)
        self._add_routes(node, [address])

    def _on_wire(self, host: str, address: str) -> str:
        """The host's own address of the same family."""
        (own,) = (own for own in self._hosts[host] if (":" in own) == (":" in address))
        return own

    def _add_routes(self, owner: str, addresses: Sequence[str]) -> None:
        """From every other host to addresses behind `owner`."""
        for host in self._hosts:
            if host != owner:
                _ip(*(f"route add {a} via {self._on_wire(owner, a)}" for a in addresses), netns=host)


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """An empty network; everything in it goes at the end, in reverse order."""
    with contextlib.ExitStack() as stack:
        yield Network(stack)


def remove_leftovers() -> None:
    """Remove the namespaces of killed runs; their interfaces go with them."""
    directory = Path("/run/netns")
    for path in directory.iterdir() if directory.exists() else ():
        if names.is_leftover(path.name):
            _ip(f"netns del {path.name}")
