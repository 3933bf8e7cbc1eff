"""Desired state to logical entries."""

from __future__ import annotations

from ipaddress import ip_address

from plan_builders import desired, frontend, key, wanted

from balancer.desired.types import Action, AddressFlags
from balancer.plan.encode import encode
from balancer.plan.entries import (
    ACTION_NUMBER,
    CGROUP_FLAGS,
    CGROUP_ID,
    MEMBER,
    OWNER,
    CgroupFlag,
    FrontendFlag,
    address_bytes,
    backend_bytes,
    group_id,
)


def raw(text: str, port: int) -> bytes:
    return backend_bytes(ip_address(text), port)


def test_tcp_frontend_without_affinity_has_no_group() -> None:
    found = wanted(frontend("10.96.0.1:80", "10.0.0.1:8080", "10.0.0.2:8080"))
    item = found.frontends[key("10.96.0.1:80")]
    assert item.group == 0
    assert item.action == ACTION_NUMBER[Action.FORWARD]
    assert item.backends == (raw("10.0.0.1", 8080), raw("10.0.0.2", 8080))
    assert found.members == frozenset()


def test_affinity_makes_members_of_backends_and_fallback() -> None:
    """Kubernetes: ClientIP affinity is kept per service port, only to backends it still has."""
    found = wanted(frontend("10.96.0.1:80", "10.0.0.1:80", fallback=["10.0.0.2:80"], affinity=60, group="g"))
    item = found.frontends[key("10.96.0.1:80")]
    assert (item.group, item.affinity_seconds) == (group_id("g"), 60)
    assert item.fallback_group == group_id("g beneath")
    assert found.members == {
        MEMBER.pack(group_id("g"), raw("10.0.0.1", 80)),
        MEMBER.pack(group_id("g beneath"), raw("10.0.0.2", 80)),
    }


def test_a_redirect_has_a_group_whatever_its_protocol() -> None:
    """Its own backends are known by the group, and get the next priority."""
    found = wanted(
        frontend("10.96.0.1:80", "10.0.0.1:80", fallback=["10.0.0.2:80"], redirect=True, rate=7, group="r"),
        owner_cgroups=[("r", 12)],
    )
    item = found.frontends[key("10.96.0.1:80")]
    assert (item.group, item.flags, item.rate) == (group_id("r"), FrontendFlag.REDIRECT, 7)
    assert item.fallback_action == ACTION_NUMBER[Action.FORWARD]
    assert found.owners == {OWNER.pack(group_id("r"), 12)}


def test_without_a_next_priority_the_fallback_refuses() -> None:
    found = wanted(frontend("10.96.0.1:80", "10.0.0.1:80", redirect=True))
    item = found.frontends[key("10.96.0.1:80")]
    assert (item.fallback, item.fallback_action) == ((), ACTION_NUMBER[Action.REFUSE])


def test_udp_has_a_group_without_affinity() -> None:
    """An unconnected UDP socket keeps its backend for one VIP."""
    found = wanted(frontend("10.96.0.1:53", "10.0.0.1:53", protocol="UDP", group="dns"))
    assert found.frontends[key("10.96.0.1:53", "UDP")].group == group_id("dns")
    assert len(found.members) == 1


def test_frontend_that_refuses_has_no_group() -> None:
    found = wanted(frontend("10.96.0.1:53", protocol="UDP", affinity=60))
    item = found.frontends[key("10.96.0.1:53", "UDP")]
    assert (item.group, item.action, item.backends) == (0, ACTION_NUMBER[Action.REFUSE], ())


def test_frontends_of_one_group_share_members() -> None:
    found = wanted(
        frontend("10.96.0.1:53", "10.0.0.1:53", protocol="UDP", group="dns"),
        frontend("203.0.113.1:53", "10.0.0.1:53", protocol="UDP", group="dns"),
    )
    assert len(found.members) == 1


def test_equal_lists_are_one_tuple() -> None:
    found = wanted(frontend("10.96.0.1:80", "10.0.0.1:80"), frontend("10.96.0.2:80", "10.0.0.1:80"))
    first, second = (found.frontends[key(text)].backends for text in ("10.96.0.1:80", "10.96.0.2:80"))
    assert first is second


def test_address_and_its_mapped_form_add_their_flags() -> None:
    flags = {
        ip_address("10.0.0.1"): AddressFlags.NODE,
        ip_address("::ffff:10.0.0.1"): AddressFlags.EXTERNAL,
    }
    found = encode(desired(addresses=flags))
    assert found.addresses == {address_bytes(ip_address("10.0.0.1")): 6}


def test_first_of_two_frontends_with_one_key_counts() -> None:
    found = wanted(frontend("10.0.0.1:80", "10.1.0.1:80"), frontend("::ffff:10.0.0.1:80", "fd00::1:80"))
    assert list(found.frontends) == [key("10.0.0.1:80")]
    assert found.frontends[key("10.0.0.1:80")].backends == (raw("10.1.0.1", 80),)


def test_skipped_cgroups_become_flags() -> None:
    found = wanted(skipped_cgroups=[7])
    assert found.cgroups == {CGROUP_ID.pack(7): CGROUP_FLAGS.pack(CgroupFlag.SKIP)}


def test_labels_name_frontends_and_do_not_make_states_differ() -> None:
    one = wanted(frontend("10.96.0.1:80", name="Service a/b", group="g"))
    other = wanted(frontend("10.96.0.1:80", name="Service c/d", group="g"))
    assert one.labels[key("10.96.0.1:80")] == ("Service a/b", "ClusterIP")
    assert one == other
