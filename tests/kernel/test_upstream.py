"""The outcomes that Kubernetes' own end-to-end tests ([sig-network] Services) check, case by case.

Each test is named after the upstream one. Where upstream starts pods, here servers and the slices
that the endpoint controller would write stand for them.
"""

from __future__ import annotations

import time

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.netns import namespace
from harness.objects import (
    Object,
    both,
    endpoint,
    endpoint_slice,
    endpoints_object,
    external_name,
    node,
    plain,
    port,
    service,
)

VIP, VIP2 = pool.vip(1)[0], pool.vip(2)[0]
NODE_PORT = 30080
NODES = (node("node1", *pool.OWN, zone="a"), node("node2", *pool.OTHER_NODE, zone="b"))


def _names(client: Client, address: str = VIP, number: int = 80) -> set[str]:
    """Everyone who answers there by TCP, and nobody else does by UDP."""
    tcp = set(client.tally(address, number))
    assert set(client.tally(address, number, way=Way.UNCONNECTED)) == tcp
    return tcp


def test_be_able_to_up_and_down_services(host: Host, client: Client) -> None:
    """Services come and go without disturbing each other."""
    host.balancer.apply(plain("up1", VIP, (pool.ONE, pool.TWO)), plain("up2", VIP2, (pool.THREE,)))
    assert (_names(client), _names(client, VIP2)) == ({"one", "two"}, {"three"})
    host.balancer.apply(plain("up2", VIP2, (pool.THREE,)))
    assert (client.tcp(VIP, 80), _names(client, VIP2)) == ("ENETUNREACH", {"three"})
    host.balancer.apply(plain("up2", VIP2, (pool.THREE,)), plain("up3", pool.vip(3)[0], (pool.FOUR,)))
    assert (_names(client, VIP2), _names(client, pool.vip(3)[0])) == ({"three"}, {"four"})


def test_serve_multiport_endpoints_from_pods(host: Host, client: Client) -> None:
    """Each port of a service goes to the port of the same name, as pods come and go."""
    ports = (port(80, "first"), port(81, "second"))
    for name, address, number in (("first", pool.ONE, 100), ("second", pool.TWO, 101)):
        host.servers.serve(name, address, number, "TCP")
    first, second = port(100, "first"), port(101, "second")
    slices = [
        endpoint_slice("multi", (pool.ONE,), first, suffix="-a"),
        endpoint_slice("multi", (pool.TWO,), second, suffix="-b"),
    ]
    for present, expected in (
        (slices, ["first", "second"]),
        (slices[:1], ["first", "ECONNREFUSED"]),
        ([], ["ECONNREFUSED"] * 2),
    ):
        host.balancer.apply(service("multi", *ports, ips=(VIP,)), present)
        assert [client.tcp(VIP, 80), client.tcp(VIP, 81)] == expected


def test_serve_endpoints_on_same_port_and_different_protocols(host: Host, client: Client) -> None:
    """One port number, TCP and UDP, with different endpoints; dropping one protocol leaves the other."""
    slices = [
        endpoint_slice("same", (pool.ONE,), port(pool.PORT, "tcp"), suffix="-tcp"),
        endpoint_slice("same", (pool.TWO,), port(pool.PORT, "udp", protocol="UDP"), suffix="-udp"),
    ]
    host.balancer.apply(service("same", *both(80), ips=(VIP,)), slices)
    assert (client.tcp(VIP, 80), client.udp(VIP, 80)) == ("one", "two")
    host.balancer.apply(service("same", port(80, "udp", protocol="UDP"), ips=(VIP,)), slices)
    assert (client.tcp(VIP, 80), client.udp(VIP, 80)) == ("ECONNREFUSED", "two")


def test_support_multiple_slices_with_different_ips_and_ports(host: Host, client: Client) -> None:
    """EndpointSlice: should support a Service with multiple IPs and ports spread over several slices."""
    host.servers.serve("odd", pool.THREE, 9090)
    slices = [
        endpoint_slice("many", (pool.ONE, pool.TWO), *both(pool.PORT), suffix="-a"),
        endpoint_slice("many", (pool.TWO, pool.FOUR), *both(pool.PORT), suffix="-b"),
        endpoint_slice("many", (pool.THREE,), *both(9090), suffix="-c"),
    ]
    host.balancer.apply(service("many", *both(80), ips=(VIP,)), slices)
    assert _names(client) == {"one", "two", "odd", "four"}
    tally = client.tally(VIP, 80, count=400)
    assert all(50 < count < 150 for count in tally.values())


def test_custom_endpoints(host: Host, client: Client) -> None:
    """A service without selector works from Endpoints made by hand; slices, once there, count alone."""
    custom = service("custom", *both(80), ips=(VIP,))
    by_hand = endpoints_object("custom", (pool.ONE, pool.TWO), *both(pool.PORT), not_ready=(pool.THREE,))
    host.balancer.apply(custom, by_hand)
    assert _names(client) == {"one", "two"}
    host.balancer.apply(custom, by_hand, endpoint_slice("custom", (pool.FOUR,), *both(pool.PORT)))
    assert _names(client) == {"four"}


def test_change_the_type_from_external_name_to_cluster_ip_and_node_port_and_back(
    host: Host, client: Client
) -> None:
    """All four type changes upstream checks, in a row."""
    slices = endpoint_slice("typed", (pool.ONE,), *both(pool.PORT))
    own = pool.OWN[0]
    for kind, node_port, expected in (
        (None, None, ("ENETUNREACH", "ECONNREFUSED")),
        ("ClusterIP", None, ("one", "ECONNREFUSED")),
        (None, None, ("ENETUNREACH", "ECONNREFUSED")),
        ("NodePort", NODE_PORT, ("one", "one")),
        (None, None, ("ENETUNREACH", "ECONNREFUSED")),
    ):
        typed = (
            external_name("typed", "example.com")
            if kind is None
            else service("typed", *both(80, node_port=node_port), ips=(VIP,), kind=kind)
        )
        host.balancer.apply(*NODES, typed, slices, plain("other", VIP2, (pool.TWO,)))
        assert (client.tcp(VIP, 80), client.tcp(own, NODE_PORT)) == expected


def test_be_updated_from_node_port_to_external_name_with_cluster_ip_left(host: Host, client: Client) -> None:
    """ExternalName is not served even when an old clusterIP is still in the object."""
    leftover = service("typed", *both(80), ips=(VIP,), kind="ExternalName", externalName="example.com")
    host.balancer.apply(
        leftover, endpoint_slice("typed", (pool.ONE,), *both(pool.PORT)), plain("b", VIP2, (pool.TWO,))
    )
    assert (client.tcp(VIP, 80), client.tcp(VIP2, 80)) == ("ENETUNREACH", "two")


def test_be_rejected_when_no_endpoints_exist(host: Host, client: Client) -> None:
    """Connections fail at once with ECONNREFUSED, on every address of the service."""
    lb = pool.balancer_ip(1)[0]
    host.balancer.apply(*NODES, plain("none", VIP, (), kind="LoadBalancer", lb=[lb], node_port=NODE_PORT))
    for address, number in ((VIP, 80), (lb, 80), (pool.OWN[0], NODE_PORT), (pool.OTHER_NODE[0], NODE_PORT)):
        assert _names(client, address, number) == {"ECONNREFUSED"}


def test_be_rejected_for_evicted_pods(host: Host, client: Client) -> None:
    """Endpoints that neither serve nor terminate are none."""
    evicted = endpoint(pool.ONE, ready=False, serving=False, terminating=False)
    host.balancer.apply(plain("evicted", VIP, (evicted,)))
    assert _names(client) == {"ECONNREFUSED"}


@pytest.mark.parametrize("cgroup", ["kubepods/pod7", "system.slice/app"], ids=["pod", "host-network"])
def test_respect_internal_traffic_policy_local(host: Host, cgroup: str) -> None:
    """From a pod and from the host network alike: the endpoints of this node alone."""
    client = host.add_client(cgroup)
    away, here = endpoint(pool.ONE, node="node2"), endpoint(pool.TWO, node="node1")
    host.balancer.apply(*NODES, plain("local", VIP, (away, here), internalTrafficPolicy="Local"))
    assert _names(client) == {"two"}
    host.balancer.apply(*NODES, plain("local", VIP, (away,), internalTrafficPolicy="Local"))
    assert _names(client) == {"EHOSTUNREACH"}


def test_fail_health_check_node_port_is_no_concern_but_external_local_on_other_nodes_is(
    host: Host, client: Client
) -> None:
    """ExternalTrafficPolicy Local: this node's port offers all endpoints to its own processes, another
    node's port only the endpoints of that node.
    """
    ends = (
        endpoint(pool.ONE, node="node1"),
        endpoint(pool.TWO, node="node2"),
        endpoint(pool.THREE, node="node3"),
    )
    host.balancer.apply(
        *NODES, plain("ext", VIP, ends, kind="NodePort", node_port=NODE_PORT, externalTrafficPolicy="Local")
    )
    assert _names(client, pool.OWN[0], NODE_PORT) == {"one", "two", "three"}
    assert _names(client, pool.OTHER_NODE[0], NODE_PORT) == {"two"}
    host.balancer.apply(
        *NODES,
        plain("ext", VIP, ends[:1], kind="NodePort", node_port=NODE_PORT, externalTrafficPolicy="Local"),
    )
    assert _names(client, pool.OTHER_NODE[0], NODE_PORT) == {"EHOSTUNREACH"}
    assert _names(client, pool.OWN[0], NODE_PORT) == {"one"}


def _leaving(address: str, node_name: str) -> Object:
    return endpoint(address, node=node_name, ready=False, serving=True, terminating=True)


def test_fallback_to_terminating_endpoints_when_there_are_no_ready_endpoints_with_internal_policy_cluster(
    host: Host, client: Client
) -> None:
    """KEP-1669 for internalTrafficPolicy Cluster."""
    host.balancer.apply(*NODES, plain("t", VIP, (_leaving(pool.ONE, "node1"), _leaving(pool.TWO, "node2"))))
    assert _names(client) == {"one", "two"}


def test_fallback_to_local_terminating_endpoints_with_internal_policy_local(
    host: Host, client: Client
) -> None:
    """KEP-1669 for internalTrafficPolicy Local: the local set is judged by itself."""
    ends = (_leaving(pool.ONE, "node1"), endpoint(pool.TWO, node="node2"))
    host.balancer.apply(*NODES, plain("t", VIP, ends, internalTrafficPolicy="Local"))
    assert _names(client) == {"one"}


@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_fallback_to_terminating_endpoints_for_external_policy(
    host: Host, client: Client, policy: str
) -> None:
    """KEP-1669 for both external policies, on another node's port."""
    ends = (_leaving(pool.ONE, "node2"), endpoint(pool.TWO, node="node2", ready=False, serving=False))
    host.balancer.apply(
        *NODES, plain("t", VIP, ends, kind="NodePort", node_port=NODE_PORT, externalTrafficPolicy=policy)
    )
    assert _names(client, pool.OTHER_NODE[0], NODE_PORT) == {"one"}


def test_ready_endpoints_are_preferred_over_terminating_ones(host: Host, client: Client) -> None:
    """A terminating endpoint gets nothing while a ready one is there."""
    host.balancer.apply(plain("t", VIP, (_leaving(pool.ONE, "node1"), endpoint(pool.TWO, ready=True))))
    assert _names(client) == {"two"}


def test_serve_unready_pods_when_not_ready_addresses_are_published(host: Host, client: Client) -> None:
    """publishNotReadyAddresses: the endpoint controller sets ready, and readiness alone is asked."""
    published = endpoint(pool.ONE, ready=True, serving=False, terminating=True)
    unready = endpoint(pool.TWO, ready=False, serving=False)
    host.balancer.apply(plain("tolerant", VIP, (published, unready), publishNotReadyAddresses=True))
    assert _names(client) == {"one"}


@pytest.mark.parametrize(
    "label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"]
)
def test_implement_the_label_on_and_off(host: Host, client: Client, label: str) -> None:
    """service-proxy-name and headless: a labelled service is somebody else's, until the label goes."""
    other = plain("other", VIP2, (pool.TWO,))
    for labels, expected in ((None, "one"), ({label: "foo"}, "ENETUNREACH"), (None, "one")):
        host.balancer.apply(plain("up", VIP, (pool.ONE,), labels=labels), other)
        assert (client.tcp(VIP, 80), client.tcp(VIP2, 80)) == (expected, "two")


@pytest.mark.parametrize("address", ["cluster", "node-port"])
def test_have_session_affinity(host: Host, client: Client, address: str) -> None:
    """ClientIP affinity for type ClusterIP and for NodePort."""
    host.balancer.apply(
        *NODES, plain("sticky", VIP, pool.FOUR_ADDRESSES, affinity=60, kind="NodePort", node_port=NODE_PORT)
    )
    target = (VIP, 80) if address == "cluster" else (pool.OTHER_NODE[0], NODE_PORT)
    assert list(client.tally(*target, count=50).values()) == [50]


@pytest.mark.parametrize("address", ["cluster", "node-port"])
def test_be_able_to_switch_session_affinity(host: Host, client: Client, address: str) -> None:
    """From None to ClientIP and back."""
    target = (VIP, 80) if address == "cluster" else (pool.OWN[0], NODE_PORT)
    for affinity, expected in ((None, 4), (60, 1), (None, 4)):
        directory = plain(
            "switch", VIP, pool.FOUR_ADDRESSES, affinity=affinity, kind="NodePort", node_port=NODE_PORT
        )
        host.balancer.apply(*NODES, directory)
        assert len(client.tally(*target, count=100)) == expected


def test_session_affinity_timeout(host: Host, client: Client) -> None:
    """After the timeout another endpoint comes up; twelve independent services agree by chance 4^-12 times."""
    directory = [plain(f"t{n}", pool.vip(n)[0], pool.FOUR_ADDRESSES, affinity=1) for n in range(1, 13)]
    host.balancer.apply(*directory)
    before = [client.tcp(pool.vip(n)[0], 80) for n in range(1, 13)]
    time.sleep(1.2)
    assert [client.tcp(pool.vip(n)[0], 80) for n in range(1, 13)] != before


@pytest.mark.parametrize("way", [Way.CONNECTED, Way.UNCONNECTED])
def test_preserve_udp_traffic_when_server_pod_cycles(host: Host, client: Client, way: Way) -> None:
    """A client that always sends from one port follows the service to the new pod."""
    host.balancer.apply(plain("cycle", VIP, (pool.ONE,)))
    held = client.open_udp()
    assert held.exchange(VIP, 80)[0].name == "one"
    assert client.ask(way, VIP, 80, source_port=12345)[0].name == "one"
    host.balancer.apply(plain("cycle", VIP, ()))
    host.balancer.apply(plain("cycle", VIP, (pool.TWO,)))
    assert held.exchange(VIP, 80)[0].name == "two"
    assert client.ask(way, VIP, 80, source_port=12345)[0].name == "two"


@pytest.mark.parametrize("hint", ["zones", "nodes"])
def test_traffic_distribution(host: Host, client: Client, hint: str) -> None:
    """PreferSameZone and PreferSameNode arrive as hints: the endpoints hinted for here are used alone."""
    here, there = (["a"], ["b"]) if hint == "zones" else (["node1"], ["node2"])
    ends = (
        endpoint(pool.ONE, node="node1", **{hint: here}),
        endpoint(pool.TWO, node="node2", **{hint: there}),
    )
    host.balancer.apply(*NODES, plain("near", VIP, ends, trafficDistribution="PreferClose"))
    assert _names(client) == {"one"}
    host.balancer.apply(*NODES, plain("near", VIP, (*ends, endpoint(pool.THREE, node="node2"))))
    assert _names(client) == {"one", "two", "three"}
    host.balancer.apply(*NODES, plain("near", VIP, ends[1:]))
    assert _names(client) == {"two"}


def test_prevent_node_port_collisions(host: Host, client: Client) -> None:
    """Two services that claim one node port: the older keeps it, the other is reported and keeps the rest."""
    old = plain("zz-old", VIP, (pool.ONE,), kind="NodePort", node_port=NODE_PORT)
    new = plain("aa-new", VIP2, (pool.TWO,), kind="NodePort", node_port=NODE_PORT)
    old[0]["metadata"]["creationTimestamp"] = "2024-01-01T00:00:00Z"
    new[0]["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    host.balancer.write(*NODES, old, new)
    result = host.balancer.run("apply", "--allow-mass-delete", "--keep-going", str(host.balancer.manifests))
    assert _names(client, pool.OWN[0], NODE_PORT) == {"one"}
    assert _names(client, VIP2) == {"two"}
    assert "aa-new" in result.stderr


def test_share_a_node_port_between_tcp_and_udp(host: Host, client: Client) -> None:
    """TCP and UDP are two spaces of port numbers: two services may each have 30080."""
    tcp, udp = port(80, "tcp", node_port=NODE_PORT), port(80, "udp", protocol="UDP", node_port=NODE_PORT)
    host.balancer.apply(
        *NODES,
        service("t", tcp, ips=(VIP,), kind="NodePort"), endpoint_slice("t", (pool.ONE,), *both(pool.PORT)),
        service("u", udp, ips=(VIP2,), kind="NodePort"), endpoint_slice("u", (pool.TWO,), *both(pool.PORT)),
    )  # fmt: skip
    own = pool.OWN[0]
    assert (client.tcp(own, NODE_PORT), client.udp(own, NODE_PORT)) == ("one", "two")


def test_serve_an_external_ip_shared_by_services_on_different_ports(host: Host, client: Client) -> None:
    """Several services on one external address with ports of their own."""
    shared = pool.external_ip(1)[0]
    host.balancer.apply(plain("a", VIP, (pool.ONE,), externalIPs=[shared]),
                        plain("b", VIP2, (pool.TWO,), number=81, externalIPs=[shared]))  # fmt: skip
    assert (_names(client, shared, 80), _names(client, shared, 81)) == ({"one"}, {"two"})


def test_leave_load_balancer_addresses_of_ip_mode_proxy_alone(host: Host, client: Client) -> None:
    """KEP-1860: traffic for ipMode Proxy has to reach the real load balancer; VIP does not."""
    lb = pool.balancer_ip(2)[0]
    host.servers.serve("real", lb, 80)
    host.balancer.apply(plain("p", VIP, (pool.ONE,), kind="LoadBalancer", lb=[lb], lb_mode="Proxy"))
    assert (_names(client, lb), _names(client)) == ({"real"}, {"one"})
    host.balancer.apply(plain("p", VIP, (pool.ONE,), kind="LoadBalancer", lb=[lb], lb_mode="VIP"))
    assert _names(client, lb) == {"one"}
    host.servers.stop(lb, 80)


def test_serve_a_dual_stack_service(host: Host, client: Client) -> None:
    """Each cluster address has the endpoints of its own family."""
    host.balancer.apply(
        service("dual", *both(80), ips=pool.vip(1), ipFamilyPolicy="RequireDualStack"),
        endpoint_slice("dual", (pool.ONE,), *both(pool.PORT)),
        endpoint_slice("dual", (pool.TWO6,), *both(pool.PORT)),
    )
    assert (_names(client), _names(client, pool.vip(1)[1])) == ({"one"}, {"two"})


@pytest.mark.parametrize("way", list(Way))
def test_allow_a_pod_to_reach_itself_through_its_service(host: Host, way: Way) -> None:
    """Hairpin: the pod is the only endpoint of the service it asks."""
    host.balancer.apply(plain("hairpin", VIP, (pool.ONE,)))
    with namespace("hairpin", addresses=[pool.ONE]) as netns:
        host.add_servers(netns).serve("myself", pool.ONE, pool.PORT)
        assert host.add_client(f"hairpin-{way}", netns=netns).one(way, VIP, 80).name == "myself"
