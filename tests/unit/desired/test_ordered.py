"""Long ordered values of which a few change."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

import pytest

from balancer.desired.ordered import Sorted, SortedGate, Unfit, address_order
from balancer.desired.types import AddressFlags

VIP, NODE = AddressFlags.VIP, AddressFlags.NODE


def test_items_go_and_come_in_their_places() -> None:
    held = Sorted(["a", "c", "e"], str.casefold)
    assert held.change(["c"], ["D", "b"]) == ("a", "b", "D", "e")
    assert held.change(["D"], ["d"]) == ("a", "b", "d", "e")


@pytest.mark.parametrize(("gone", "put"), [(["x"], []), (["C"], []), ([], ["C"])])
def test_what_does_not_fit_is_refused(gone: list[str], put: list[str]) -> None:
    """An item that is not held, one with the place of another, and a place that is taken."""
    with pytest.raises(Unfit):
        Sorted(["a", "c", "e"], str.casefold).change(gone, put)


def test_the_gate_stays_in_address_order_through_many_changes() -> None:
    """As `address_flags` gives it: IPv4 first, then by number."""
    chance = random.Random(7)
    expected = {IPv4Address(number * 2): VIP for number in range(600)}
    gate = SortedGate(expected)
    for _ in range(60):
        put = {IPv4Address(chance.randrange(1300)): NODE for _ in range(chance.choice([1, 3, 40]))}
        put |= {IPv6Address(chance.randrange(50)): VIP}
        gone = chance.sample(
            sorted(expected.keys() - put.keys(), key=address_order), chance.choice([0, 1, 30])
        )
        expected = {ip: flag for ip, flag in (expected | put).items() if ip not in gone}
        expected = dict(sorted(expected.items(), key=lambda item: address_order(item[0])))
        assert list(gate.change(gone, put).items()) == list(expected.items())


def test_a_gate_may_begin_and_end_empty() -> None:
    gate = SortedGate({})
    address = IPv4Address("10.96.0.1")
    assert gate.change([], {address: VIP}) == {address: VIP}
    assert gate.change([address], {}) == {}
    with pytest.raises(Unfit):
        gate.change([address], {})
