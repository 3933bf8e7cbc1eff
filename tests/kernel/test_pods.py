"""Pod-like clients: a namespace and a cgroup of their own, and pods that opted out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.netns import namespace
from harness.objects import Object, node, plain, pod

UID = "6a1f7a3e-0d53-4c69-8d6e-0c6d2f0b7a11"
OTHER_UID = "b2c3d4e5-1111-2222-3333-444455556666"
CGROUPFS = f"kubepods/besteffort/pod{UID}/0123456789abcdef"
SYSTEMD = (
    f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID.replace('-', '_')}.slice/"
    "cri-containerd-0123456789abcdef.scope"
)
VIP = pool.vip(1)[0]
SKIP = {"balancing.elf.io/skip": "true"}


def _web() -> list[Object]:
    return plain("web", VIP, (pool.ONE,), kind="NodePort", node_port=30080)


@pytest.mark.parametrize("cgroup", [CGROUPFS, SYSTEMD], ids=["cgroupfs", "systemd"])
@pytest.mark.parametrize("where", ["annotations", "labels"])
def test_a_pod_can_opt_out(host: Host, client: Client, cgroup: str, where: str) -> None:
    """balancing.elf.io/skip: "true" leaves the pod's processes untranslated, and nobody else's."""
    skipped = host.add_client(cgroup)
    neighbour = host.add_client(cgroup.replace(UID, OTHER_UID).replace(UID.replace("-", "_"), "b2c3"))
    host.balancer.apply(_web(), pod("app", "node1", uid=UID, **{where: SKIP}))
    assert {skipped.one(way, VIP, 80).errno for way in Way} == {"ENETUNREACH"}
    assert (client.tcp(VIP, 80), neighbour.tcp(VIP, 80)) == ("one", "one")


def test_opting_in_again(host: Host) -> None:
    """Taking the label away takes effect with the next pass."""
    app = host.add_client(CGROUPFS)
    host.balancer.apply(_web(), pod("app", "node1", uid=UID, annotations=SKIP))
    assert app.tcp(VIP, 80) == "ENETUNREACH"
    host.balancer.apply(_web(), pod("app", "node1", uid=UID))
    assert app.tcp(VIP, 80) == "one"


@pytest.mark.parametrize("value", ["false", "", "maybe"])
def test_only_true_opts_out(host: Host, value: str) -> None:
    """Any other value means nothing."""
    app = host.add_client(CGROUPFS)
    host.balancer.apply(_web(), pod("app", "node1", uid=UID, annotations={"balancing.elf.io/skip": value}))
    assert app.tcp(VIP, 80) == "one"


def test_a_pod_of_another_node_is_no_concern_of_this_host(host: Host) -> None:
    """Only pods of this node run here; an equal UID elsewhere changes nothing."""
    app = host.add_client(CGROUPFS)
    host.balancer.apply(_web(), pod("app", "node2", uid=UID, annotations=SKIP))
    assert app.tcp(VIP, 80) == "one"


@pytest.fixture(scope="module")
def in_pod(host: Host) -> Iterator[tuple[Client, str]]:
    """A client in a namespace of its own, with a server in it under the endpoint's address."""
    with namespace("pod", addresses=[pool.ONE]) as netns:
        servers = host.add_servers(netns)
        servers.serve("pod", pool.ONE, pool.PORT)
        servers.serve("inside", "127.0.0.1", 30080)
        yield host.add_client("kubepods/pod1", netns=netns), netns


@pytest.mark.parametrize("way", list(Way))
def test_hairpin(host: Host, in_pod: tuple[Client, str], way: Way) -> None:
    """Kubernetes: a pod can reach itself through its own service."""
    host.balancer.apply(_web())
    reply = in_pod[0].one(way, VIP, 80)
    assert (reply.name, reply.source) == ("pod", (VIP, 80))


def test_a_pods_loopback_is_its_own(host: Host, client: Client, in_pod: tuple[Client, str]) -> None:
    """127.0.0.1 inside a pod is the pod, not the node: node ports are not answered there."""
    host.balancer.apply(_web(), node("node1", *pool.OWN))
    assert in_pod[0].tcp("127.0.0.1", 30080) == "inside"
    assert in_pod[0].tcp(pool.OWN[0], 30080) == "pod"
    assert client.tcp("127.0.0.1", 30080) == "one"
