"""One network for all tests: node1, node2 and an outside host on a wire, and pods behind the nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from harness.host import Host
from harness.netns import Network, network

from netns.world import ENDPOINTS, OUTSIDE_ADDRESSES, POD_CLIENT, PORT, WIRE, World


def _add_pod(stack: contextlib.ExitStack, net: Network, hosts: dict[str, Host], name: str) -> None:
    """A pod with a server that answers with the pod's name."""
    node, *addresses = ENDPOINTS[name]
    servers = hosts[node].add_servers(net.add_pod(name, hosts[node].netns, *addresses))
    for address in addresses:
        servers.serve(name, address, PORT)


@pytest.fixture(scope="session")
def world(kernel_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole network, with an instance of the product and a client on each host."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(network())
        places = {name: net.add_host(name, *WIRE[name]) for name in ("node1", "node2")}
        places["outside"] = net.add_host("outside", *OUTSIDE_ADDRESSES)
        hosts = {
            name: Host(stack, netns=netns, directory=tmp_path_factory.mktemp(name), node=name)
            for name, netns in places.items()
        }
        for name in ENDPOINTS:
            _add_pod(stack, net, hosts, name)
        pod = net.add_pod("client", hosts["node1"].netns, *POD_CLIENT)
        yield World(hosts=hosts, pod=hosts["node1"].add_client("kubepods/pod-client", netns=pod))
