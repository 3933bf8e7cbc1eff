"""Two services that claim one address:port/protocol."""

from __future__ import annotations

from builders import endpoint, node, port, service, slice_

from balancer.model.problem import Severity

from .asking import answer, at, desired, messages

A = slice_("10.244.1.1", service="a")
B = slice_("10.244.2.2", service="b")
FIRST, SECOND = ["10.244.1.1:8080"], ["10.244.2.2:8080"]
SHARED = {"external_ips": "198.51.100.1"}


def test_the_older_service_keeps_a_shared_external_ip() -> None:
    """Age decides by creationTimestamp; the loser's warning names the place of both."""
    young = service("a", age=1, cluster_ips="10.96.0.1", line=3, **SHARED)
    old = service("b", age=9, cluster_ips="10.96.0.2", line=7, **SHARED)
    state = desired(young, old, A, B)
    assert answer(state, "198.51.100.1:80") == SECOND
    assert messages(state) == [
        "a.yaml:3 Service default/a $.spec.externalIPs[0]: 198.51.100.1:80/TCP is served for "
        "Service default/b (b.yaml:7), which is older, and not for this one"
    ]
    assert [problem.severity for problem in state.problems] == [Severity.WARNING]


def test_without_timestamps_the_name_decides() -> None:
    """Undated objects, as people write them by hand, go by namespace and name."""
    state = desired(
        service("b", cluster_ips="10.96.0.2", **SHARED), service("a", cluster_ips="10.96.0.1", **SHARED), A, B
    )
    assert answer(state, "198.51.100.1:80") == FIRST
    assert "which is older" not in messages(state)[0]
    assert "whose name sorts first" in messages(state)[0]


def test_services_may_share_an_external_ip_on_different_ports() -> None:
    """Kubernetes: several services on one external IP with different ports are fine."""
    one = service("a", cluster_ips="10.96.0.1", ports=[80], **SHARED)
    two = service("b", cluster_ips="10.96.0.2", ports=[81], **SHARED)
    state = desired(one, two, A, B)
    assert answer(state, "198.51.100.1:80") == FIRST
    assert answer(state, "198.51.100.1:81") == SECOND
    assert state.problems == ()


def test_the_same_port_for_tcp_and_udp_is_no_conflict() -> None:
    """Kubernetes: protocol is part of the key."""
    one = service("a", cluster_ips="10.96.0.1", **SHARED)
    two = service("b", cluster_ips="10.96.0.2", ports=[port(80, protocol="UDP")], **SHARED)
    state = desired(one, two)
    assert at(state, "198.51.100.1:80/TCP") is not None
    assert at(state, "198.51.100.1:80/UDP") is not None
    assert state.problems == ()


def test_node_port_collisions_are_reported_at_the_port() -> None:
    """Upstream: "should prevent NodePort collisions"; the API refuses them, files cannot."""
    one = service("a", cluster_ips="10.96.0.1", age=2, ports=[port(80, node_port=30080)])
    two = service("b", cluster_ips="10.96.0.2", age=1, ports=[port(79, "x"), port(80, "y", node_port=30080)])
    state = desired(one, two, A, B)
    assert answer(state, "127.0.0.1:30080") == FIRST
    assert messages(state) == [
        "b.yaml:1 Service default/b $.spec.ports[1].nodePort: node port 30080/TCP is served for "
        "Service default/a (a.yaml:1), which is older, and not for this one"
    ]


def test_the_loser_of_a_node_port_gets_no_exact_entries_either() -> None:
    """A node port is won or lost as a whole: other nodes' addresses must not go to the loser."""
    one = service("a", cluster_ips="10.96.0.1", age=2, ports=[port(80, node_port=30080)])
    two = service("b", cluster_ips="10.96.0.2", age=1, ports=[port(80, node_port=30080)], external="Local")
    local_pod = slice_(endpoint("10.244.2.2", node="n2"), service="b")
    state = desired(one, two, A, local_pod, node("n1", "192.168.0.1"), node("n2", "192.168.0.2"))
    assert answer(state, "192.168.0.2:30080") == FIRST


def test_a_collision_in_one_protocol_leaves_the_other_alone() -> None:
    """Kubernetes: TCP and UDP node ports of one number may belong to different services."""
    one = service("a", cluster_ips="10.96.0.1", ports=[port(80, node_port=30080)])
    two = service("b", cluster_ips="10.96.0.2", ports=[port(80, protocol="UDP", node_port=30080)])
    assert desired(one, two, A, B).problems == ()


def test_a_shared_cluster_ip_is_reported_at_the_cluster_ip() -> None:
    """A ClusterIP belongs to one service; two files may say otherwise."""
    state = desired(service("a", age=2), service("b", age=1), A, B)
    assert answer(state, "10.96.0.10:80") == FIRST
    assert "Service default/b $.spec.clusterIP: 10.96.0.10:80/TCP is served for" in messages(state)[0]


def test_one_service_with_the_same_port_twice_is_reported() -> None:
    """Kubernetes: port and protocol are unique within a service."""
    state = desired(service(ports=[port(80, "a"), port(80, "b")]))
    assert "claimed twice by this service: $.spec.ports[0] is served" in messages(state)[0]


def test_a_collision_is_reported_once_for_both_families() -> None:
    """One field at fault gives one warning, not one per address family."""
    dual = {"ports": [port(80, node_port=30080)]}
    one = service("a", cluster_ips=["10.96.0.1", "fd00:96::1"], **dual)
    two = service("b", cluster_ips=["10.96.0.2", "fd00:96::2"], **dual)
    assert len(desired(one, two).problems) == 1
