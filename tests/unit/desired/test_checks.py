"""Warnings about what is valid but surprising."""

from __future__ import annotations

from builders import host, node, port, service, slice_

from balancer.model.problem import Severity

from .asking import REFUSED, answer, desired, messages


def test_an_external_ip_that_shadows_a_node_is_reported() -> None:
    """CVE-2020-8554: whoever may write a service can take another machine's traffic."""
    state = desired(service(external_ips=["198.51.100.1", "192.168.0.2"]), node("n2", "192.168.0.2"))
    assert messages(state) == [
        "web.yaml:1 Service default/web $.spec.externalIPs[1]: external IP 192.168.0.2 is also an address "
        "of Node n2 (n2.yaml:1); this service takes its ports over there"
    ]


def test_an_external_ip_that_shadows_this_host_is_reported() -> None:
    """The host's own interfaces count as well as Node objects."""
    state = desired(service(external_ips="172.17.0.1"), on=host("vm", "172.17.0.1"))
    assert "external IP 172.17.0.1 is also an address of this host" in messages(state)[0]


def test_a_load_balancer_ip_that_is_a_nodes_is_reported() -> None:
    """Service load balancers that run on the nodes report node addresses in the status."""
    state = desired(service(lb="192.168.0.2"), node("n2", "192.168.0.2"))
    assert "$.status.loadBalancer.ingress: load balancer IP 192.168.0.2 is also" in messages(state)[0]


def test_an_external_ip_that_is_another_services_cluster_ip_is_reported() -> None:
    """CVE-2020-8554: an external IP equal to a ClusterIP takes that service's free ports."""
    victim = service("dns", cluster_ips="10.96.0.53")
    state = desired(service(external_ips="10.96.0.53", ports=[8053]), victim)
    assert (
        "external IP 10.96.0.53 is also the ClusterIP of Service default/dns (dns.yaml:1)"
        in messages(state)[0]
    )


def test_a_services_own_cluster_ip_as_external_ip_is_no_news() -> None:
    """Naming the own ClusterIP again changes nothing."""
    assert desired(service(external_ips="10.96.0.10")).problems == ()


def test_sctp_is_reported_and_not_answered() -> None:
    """SCTP sockets have no hook that could translate them."""
    web = service(ports=[port(80), port(132, "s", "SCTP")])
    state = desired(web, slice_("10.244.1.5"))
    assert [frontend.port for frontend in state.frontends] == [80]
    assert messages(state) == [
        "web.yaml:1 Service default/web $.spec.ports[1].protocol: "
        "port 132/SCTP is not answered: only TCP and UDP are"
    ]


def test_two_nodes_with_one_address_are_reported() -> None:
    """A node that was replaced under a new name often leaves its old object behind."""
    state = desired(node("n2", "192.168.0.2"), node("n3", "192.168.0.2"))
    assert messages(state) == [
        "n3.yaml:1 Node n3 $.status.addresses: 192.168.0.2 is also an address of Node n2 (n2.yaml:1), "
        "which counts as its owner"
    ]


def test_nothing_found_here_is_an_error() -> None:
    """What was exported from a running cluster must apply, whatever is odd in it."""
    state = desired(
        service("a", external_ips="0.0.0.0", ports=[port(1, protocol="SCTP")]), service("b"), service("c")
    )
    assert len(state.problems) == 3
    assert {problem.severity for problem in state.problems} == {Severity.WARNING}
    assert answer(state, "10.96.0.10:80") == REFUSED
