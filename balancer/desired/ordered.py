"""Long ordered values of which a few change: the next one costs what changed, and one fast copy.

Each refuses a change that does not fit what it holds, so that a mistake elsewhere is never carried on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from balancer.desired.types import AddressFlags
from balancer.model.meta import IPAddress

_Item = TypeVar("_Item")
_CHUNK = 256


class Unfit(Exception):
    """What was to be changed is not there, or what is new is there already."""


class Sorted(Generic[_Item]):
    """Items by a key that no two of them share. `items` come in that order."""

    def __init__(self, items: Iterable[_Item], key: Callable[[_Item], Any]) -> None:
        self._items = list(items)
        self._key = key

    def change(self, gone: Iterable[_Item], put: Iterable[_Item]) -> tuple[_Item, ...]:
        """All items, in order, without the ones and with the others. Raises Unfit."""
        for item in gone:
            index, there = self._find(item)
            if not there or self._items[index] != item:
                raise Unfit(f"{item} is not held")
            del self._items[index]
        for item in put:
            index, there = self._find(item)
            if there:
                raise Unfit(f"{item} has the place of {self._items[index]}")
            self._items.insert(index, item)
        return tuple(self._items)

    def _find(self, item: _Item) -> tuple[int, bool]:
        key = self._key(item)
        index = bisect_left(self._items, key, key=self._key)
        return index, index < len(self._items) and self._key(self._items[index]) == key


class SortedGate:
    """The flags of addresses in address order.

    Kept as short dictionaries that follow each other: hashing an address runs Python code, and joining
    dictionaries hashes none again.
    """

    def __init__(self, flags: Mapping[IPAddress, AddressFlags]) -> None:
        addresses = list(flags)
        self._chunks = [
            {address: flags[address] for address in addresses[at : at + _CHUNK]}
            for at in range(0, max(len(addresses), 1), _CHUNK)
        ]
        self._starts = [address_order(addresses[at]) for at in range(0, len(addresses), _CHUNK)] or [(0, 0)]

    def change(
        self, gone: Iterable[IPAddress], put: Mapping[IPAddress, AddressFlags]
    ) -> dict[IPAddress, AddressFlags]:
        """All flags, in address order, without the ones and with the others. Raises Unfit."""
        for address in gone:
            if self._chunks[self._index(address)].pop(address, None) is None:
                raise Unfit(f"{address} is not held")
        for address, flags in put.items():
            index = self._index(address)
            new = address not in self._chunks[index]
            self._chunks[index][address] = flags
            if new:
                self._arrange(index)
        joined: dict[IPAddress, AddressFlags] = {}
        for chunk in self._chunks:
            joined.update(chunk)
        return joined

    def _index(self, address: IPAddress) -> int:
        return max(bisect_right(self._starts, address_order(address)) - 1, 0)

    def _arrange(self, index: int) -> None:
        """Sorts a dictionary that was added to, and halves it if it became long."""
        found = sorted(self._chunks[index].items(), key=lambda item: address_order(item[0]))
        if len(found) < 2 * _CHUNK:
            self._chunks[index] = dict(found)
            return
        self._chunks[index : index + 1] = [dict(found[:_CHUNK]), dict(found[_CHUNK:])]
        self._starts.insert(index + 1, address_order(found[_CHUNK][0]))


def address_order(address: IPAddress) -> tuple[int, int]:
    """IPv4 first, then by number."""
    return (address.version, int(address))
