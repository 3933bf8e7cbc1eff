"""Ties: the ways in which one service can have a part in what becomes of another."""

from __future__ import annotations

from ipaddress import ip_address

from builders import address_frontend, balancing, cluster, local_redirect, port, service, service_frontend

from balancer.desired.ties import POLICIES, Member, Ties, ties_of_policies, ties_of_service

KEY = ("default", "web")
MACHINE = ip_address("192.168.0.2")


def test_every_address_that_a_service_names_is_a_tie() -> None:
    """An address counts as the service's whether or not it is served there, as one that a proxy answers."""
    ips = {"cluster_ips": "10.96.0.1", "external_ips": "198.51.100.1", "lb": "198.51.100.2"}
    found = ties_of_service(service(**ips, lb_proxy="198.51.100.3", type="ExternalName"), ())
    texts = ("10.96.0.1", "198.51.100.1", "198.51.100.2", "198.51.100.3")
    assert found == {KEY, *map(ip_address, texts)}


def test_a_v4_mapped_address_is_the_ipv4_address() -> None:
    assert ip_address("192.0.2.1") in ties_of_service(service(external_ips="::ffff:192.0.2.1"), ())


def test_node_ports_are_ties_by_their_number() -> None:
    """The number of a node port is taken on every node, whatever its protocol."""
    found = ties_of_service(service(ports=[port(80, "a", "TCP", 30080), port(81, "b", "UDP", 30081)]), ())
    assert {30080, 30081} <= found
    assert not {80, 81} & found


def test_at_the_address_of_a_machine_a_port_is_a_number_too() -> None:
    assert 8443 in ties_of_service(service(external_ips="192.168.0.2", ports=[8443]), {MACHINE})


def test_policies_are_tied_to_the_services_and_addresses_they_name() -> None:
    known = cluster(
        local_redirect(frontend=service_frontend("web"), enabled=False),
        balancing(frontend=address_frontend("198.18.0.1")),
    )
    assert ties_of_policies(known) == {KEY, ip_address("198.18.0.1")}


def chained() -> tuple[Ties, list[Member]]:
    """Four members, each tied to the next; one more on its own."""
    ties, members = Ties(), [("default", name) for name in "abcde"]
    for number, member in enumerate(members[:4]):
        ties.put(member, frozenset({number, number + 1, member}))
    ties.put(members[4], frozenset({99}))
    return ties, members


def test_whoever_is_tied_to_a_member_is_reached_in_turn() -> None:
    ties, members = chained()
    assert ties.reach([members[0]], [], 10) == set(members[:4])
    assert ties.reach([], [99], 10) == {members[4]}
    assert ties.reach([POLICIES], [members[3], 99], 10) == {POLICIES, *members}


def test_too_many_are_not_counted_to_the_end() -> None:
    ties, members = chained()
    assert ties.reach([members[0]], [], 3) is None


def test_other_ties_take_the_place_of_those_before() -> None:
    ties, members = chained()
    ties.put(members[1], frozenset())
    assert ties.reach([members[0]], [], 10) == {members[0]}
    assert ties.of(members[1]) == frozenset()
