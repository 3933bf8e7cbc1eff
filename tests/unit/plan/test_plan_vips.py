"""Where most VIPs are: the hint for the order in which programs ask the maps."""

from __future__ import annotations

from ipaddress import ip_address

from balancer.desired.types import AddressFlags
from balancer.plan.entries import Setting, address_bytes
from balancer.plan.vips import vip_settings


def _span(*addresses: str, flags: AddressFlags = AddressFlags.VIP) -> tuple[str, int]:
    found = vip_settings({address_bytes(ip_address(text)): flags for text in addresses})[Setting.VIPS_IPV4]
    return str(ip_address(found >> 32)), found & 0xFFFFFFFF


def test_the_span_reaches_from_the_first_to_the_last() -> None:
    assert _span("10.96.0.10", "10.97.0.1", "10.96.0.1") == ("10.96.0.1", 0x10001)


def test_one_vip_is_a_span_of_one() -> None:
    assert _span("10.96.0.10") == ("10.96.0.10", 1)


def test_the_block_with_most_of_them_counts() -> None:
    """A local DNS on 169.254.20.10 must not put all between it and the services among the VIPs."""
    assert _span("10.96.0.10", "169.254.20.10", "10.96.0.12") == ("10.96.0.10", 3)


def test_the_block_is_no_larger_than_a_service_range_may_be() -> None:
    """Kubernetes: a --service-cluster-ip-range of IPv4 has at most 20 bits for hosts."""
    assert _span("10.95.255.255", "10.96.0.0", "10.111.255.255", "10.112.0.0") == ("10.96.0.0", 1 << 20)


def test_loopback_is_left_out() -> None:
    """The gate answers for all of 127.0.0.0/8 as for 127.0.0.1, so the frontend there must not go first."""
    assert _span("127.0.0.5", "127.0.0.6", "10.96.0.10") == ("10.96.0.10", 1)


def test_only_vips_count() -> None:
    """Others leave most of their ports alone, so they are asked for at the gate."""
    others = AddressFlags.EXTERNAL | AddressFlags.NODE | AddressFlags.LOOPBACK
    assert _span("198.51.100.1", flags=others) == ("0.0.0.0", 0)


def test_of_ipv6_the_upper_half_that_most_have() -> None:
    """Two words of the address as they lie in memory, as the programs read them."""
    texts = ("fd00:96::1", "fd00:97::1", "fd00:96::2", "10.96.0.1")
    found = vip_settings({address_bytes(ip_address(text)): AddressFlags.VIP for text in texts})
    words = memoryview(ip_address("fd00:96::").packed).cast("I")
    assert found[Setting.VIPS_IPV6] == words[0] << 32 | words[1]


def test_without_vips_there_is_no_hint() -> None:
    assert vip_settings({}) == {Setting.VIPS_IPV4: 0, Setting.VIPS_IPV6: 0}
