"""Names for what the kernel tells in numbers."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from balancer.desired.types import FrontendKind, Source
from balancer.kernel.reasons import Reason
from balancer.model.service import Protocol
from balancer.observe.identity import HOST, Identity
from balancer.observe.names import Decider, Names
from balancer.state import Label, State
from balancer.state.pod_names import PodName
from balancer.views_event import Where

UID = "1858680e-b044-4fd5-9dd4-f137e30e2180"
WEB = Label(FrontendKind.CLUSTER_IP, "Service default/web", "http", "a.yaml:3", "g")
NEAR = WEB._replace(
    object="LocalRedirectPolicy near", file="b.yaml:1", source=Source.LOCAL_REDIRECT, beneath=WEB
)
NODE_PORT = WEB._replace(kind=FrontendKind.NODE_PORT)
VIP = ip_address("10.96.0.1")
STATE = State(
    labels={
        "10.96.0.1:80/TCP": NEAR,
        "10.96.0.2:80/TCP": WEB,
        "10.96.0.2:81/TCP": WEB._replace(port_name="admin"),
        "203.0.113.1:80/TCP": WEB,
        "203.0.113.1:53/UDP": WEB._replace(object="Service default/dns"),
        "0.0.0.0:30080/TCP": NODE_PORT,
        "[::]:30080/TCP": NODE_PORT,
        "[fd00:96::1]:80/TCP": WEB,
    },
    nodes={"10.244.0.5": "n1"},
    pods={UID: PodName("shop", "cart-1", {"0123456789ab": "app"})},
    backend_pods={"10.244.0.5": "default/web-1", "172.16.0.1:9100": "infra/exporter"},
)


@pytest.fixture
def names() -> Names:
    return Names(STATE)


def _decider(names: Names, address: str, port: int, reason: Reason, *, node_port: bool = False) -> Decider:
    return names.decider(ip_address(address), port, Protocol.TCP, reason, node_port=node_port)


def test_the_object_that_decided(names: Names) -> None:
    found = _decider(names, "10.96.0.2", 80, Reason.FORWARDED)
    assert (found.object, found.service, found.port_name, found.file) == (
        WEB.object,
        "default/web",
        "http",
        "a.yaml:3",
    )


def test_a_policy_is_named_with_the_service_it_is_for(names: Names) -> None:
    found = _decider(names, "10.96.0.1", 80, Reason.FORWARDED)
    assert (found.object, found.service, found.source) == (NEAR.object, "default/web", Source.LOCAL_REDIRECT)


@pytest.mark.parametrize("reason", [Reason.FALLBACK, Reason.RATE_LIMITED])
def test_a_redirect_that_gave_way(names: Names, reason: Reason) -> None:
    """The next priority chose the backend, so it is what decided."""
    found = _decider(names, "10.96.0.1", 80, reason)
    assert (found.object, found.file, found.gave_way) == (WEB.object, "a.yaml:3", NEAR.object)


@pytest.mark.parametrize("address", ["172.16.0.1", "fd00:16::1"])
def test_a_node_port_is_named_by_the_entry_of_every_address(names: Names, address: str) -> None:
    assert _decider(names, address, 30080, Reason.FORWARDED, node_port=True).kind is FrontendKind.NODE_PORT
    assert _decider(names, address, 30080, Reason.FORWARDED).kind is None


def test_the_owner_of_an_address_without_the_port(names: Names) -> None:
    found = _decider(names, "10.96.0.2", 99, Reason.UNKNOWN_PORT)
    assert (found.object, found.service, found.port_name) == (WEB.object, "default/web", "")
    assert _decider(names, "fd00:96::1", 99, Reason.UNKNOWN_PORT).object == WEB.object


def test_no_owner_is_guessed_where_several_share_an_address(names: Names) -> None:
    assert _decider(names, "203.0.113.1", 99, Reason.UNKNOWN_PORT) == Decider()


def test_the_backends_pod_and_node(names: Names) -> None:
    near, host = names.chosen(ip_address("10.244.0.5"), 8080), names.chosen(ip_address("172.16.0.1"), 9100)
    assert (near.pod, near.node) == ("default/web-1", "n1")
    assert (host.pod, names.chosen(ip_address("172.16.0.1"), 80).pod) == ("infra/exporter", "")


def test_the_pod_that_asked(names: Names) -> None:
    told = Identity(pod_uid=UID, container_id="0123456789ab", runtime="containerd")
    client = names.client(pid=7, command="curl", cgroup_id=3, path="/x", found=(told,))
    assert (client.where, client.pod_name, client.container) == (Where.POD, "shop/cart-1", "app")


def test_a_sandbox_is_its_pods_and_no_container(names: Names) -> None:
    told = Identity(pod_uid=UID, container_id="ffffffffffff")
    client = names.client(pid=7, command="pause", cgroup_id=3, path="/x", found=(told,))
    assert (client.pod_name, client.container, client.container_id) == ("shop/cart-1", "", "ffffffffffff")


def test_of_two_pods_in_a_path_the_known_one_is_meant(names: Names) -> None:
    inner, outer = Identity(pod_uid="0" * 32), Identity(pod_uid=UID)
    assert names.client(pid=7, command="c", cgroup_id=3, path="/x", found=(inner, outer)).pod == "cart-1"
    strangers = names.client(
        pid=7, command="c", cgroup_id=3, path="/x", found=(inner, Identity(pod_uid="1" * 32))
    )
    assert (strangers.where, strangers.pod, strangers.pod_uid) == (Where.POD, "", "0" * 32)


@pytest.mark.parametrize(
    ("found", "where"),
    [((HOST,), Where.HOST), ((Identity(container_id="a" * 64),), Where.CONTAINER), (None, Where.UNKNOWN)],
)
def test_who_is_in_no_pod(names: Names, found: tuple[Identity, ...] | None, where: Where) -> None:
    client = names.client(pid=7, command="sshd", cgroup_id=3, path="/x", found=found)
    assert (client.where, client.pod_name) == (where, "")
