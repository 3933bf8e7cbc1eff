"""The bytes of map entries."""

from __future__ import annotations

from ipaddress import ip_address

from balancer.model.service import Protocol
from balancer.plan import entries
from balancer.plan.entries import FrontendEntry, address_bytes, address_of


def test_ipv4_is_stored_v4_mapped() -> None:
    """RFC 4291 2.5.5.2: an IPv4 address as IPv6 is ::ffff:a.b.c.d."""
    raw = address_bytes(ip_address("10.96.0.1"))
    assert raw == ip_address("::ffff:10.96.0.1").packed
    assert address_of(raw) == ip_address("10.96.0.1")


def test_ports_are_in_network_order() -> None:
    key = entries.frontend_key(ip_address("10.96.0.1"), 0x1234, Protocol.UDP)
    assert key[16:18] == b"\x12\x34"
    assert key[18] == 17
    assert entries.backend_bytes(ip_address("10.0.0.1"), 0x0050)[16:18] == b"\x00\x50"


def test_sizes_are_those_of_the_structs() -> None:
    """Those of bpf/types.h: frontend_key, frontend, backend, member_key, address_info, affinity."""
    structs = (
        entries.FRONTEND_KEY,
        entries.FRONTEND,
        entries.BACKEND,
        entries.MEMBER,
        entries.ADDRESS_INFO,
        entries.AFFINITY,
    )
    assert [item.size for item in structs] == [20, 56, 20, 32, 8, 32]


def test_frontend_check_is_made_of_the_key() -> None:
    """`frontend_check` of bpf/select.h, worked out by hand for [1:2:3:4]:0x0050/TCP."""
    words = [int.to_bytes(number, 4, "little") for number in (1, 2, 3, 4)]
    key = b"".join(words) + int.to_bytes(0x5000, 2, "little") + b"\x06\x00"
    high = 1 ^ 3 ^ (0x5000 << 8) ^ 6
    low = 2 ^ 4
    assert entries.frontend_check(key) == high << 32 | low


def test_address_value_holds_flags_and_check() -> None:
    """`address_check` of bpf/select.h: the four words of the address, xored."""
    raw = b"".join(int.to_bytes(number, 4, "little") for number in (1, 2, 4, 8))
    value = entries.address_value(raw, 5)
    assert value == int.to_bytes(5, 4, "little") + int.to_bytes(15, 4, "little")
    assert entries.address_flags(value) == 5


def test_frontend_entry_keeps_every_field() -> None:
    key = entries.frontend_key(ip_address("fd00::1"), 443, Protocol.TCP)
    entry = FrontendEntry(2**64 - 1, 9, 1, 2, 3, 4, 5, 6, 7, 2, 255, 1)
    raw = entry.pack(key)
    assert FrontendEntry.unpack(raw) == entry
    assert int.from_bytes(raw[:8], "little") == entries.frontend_check(key)


def test_group_id_depends_on_the_name_alone_and_is_never_zero() -> None:
    assert entries.group_id("default/web:http/TCP/4/cluster") == entries.group_id(
        "default/web:http/TCP/4/cluster"
    )
    assert entries.group_id("a") != entries.group_id("b")
    assert entries.group_id("") > 0
