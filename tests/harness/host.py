"""A host to test on: a namespace, a cgroup, the product on it, servers and clients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import cgroups
from harness.balancer import Balancer
from harness.bpffs import bpffs
from harness.client import Client
from harness.netns import namespace
from harness.place import Place
from harness.servers import Servers


class Host:
    """One instance of the product and the processes it works for.

    Servers run outside of the cgroup, so that nothing they do is ever translated. `client` is a process
    of the host itself, in its namespace and in a cgroup of its own below the instance's.
    """

    def __init__(self, stack: contextlib.ExitStack, *, netns: str, directory: Path, node: str) -> None:
        self._stack = stack
        self.netns = netns
        self.node = node
        self.cgroup = stack.enter_context(cgroups.cgroup(node))
        pins = stack.enter_context(bpffs()) / "balancer"
        self.balancer = Balancer(netns=netns, cgroup=self.cgroup, bpffs=pins, directory=directory, node=node)
        self.servers = stack.enter_context(Servers(Place(netns=netns)))
        self.client = self.add_client("host")

    def place(self, name: str, *, netns: str | None = None) -> Place:
        """A cgroup of the host by name, in the host's namespace or another one."""
        return Place(netns=netns or self.netns, cgroup=cgroups.child(self.cgroup, *name.split("/")))

    def add_client(self, name: str, *, netns: str | None = None) -> Client:
        """A client in the cgroup `name` of the host; with `netns` of a pod, a pod-like client."""
        return self._stack.enter_context(Client(self.place(name, netns=netns)))

    def add_servers(self, netns: str) -> Servers:
        """Servers in a pod's namespace."""
        return self._stack.enter_context(Servers(Place(netns=netns)))


@contextlib.contextmanager
def lone_host(directory: Path, *, addresses: Sequence[str] = (), node: str = "node1") -> Iterator[Host]:
    """A host with nothing but loopback, which also has `addresses`. Nothing else has a route, so that
    an address that is not translated shows as ENETUNREACH.
    """
    with contextlib.ExitStack() as stack:
        netns = stack.enter_context(namespace(node, addresses=addresses))
        yield Host(stack, netns=netns, directory=directory, node=node)
