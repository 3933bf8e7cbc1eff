"""The one interface to maps, small enough that a fake can behave like the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from balancer.plan.entries import MapName


class MapStore(Protocol):
    """Maps of bytes. Every call may raise `KernelCallFailed`; a failed call may have done a part.

    Keys of array maps (slots, settings, counters) are `INDEX.pack(i)`. Updates and deletes of one
    key are atomic; a batch as a whole is not. Keys are handled in the order given.
    """

    def capacity(self, name: MapName) -> int:
        """How many entries the map can hold."""

    def dump(self, name: MapName) -> dict[bytes, bytes]:
        """Every entry of a hash map."""

    def read(self, name: MapName, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys, None where a key is absent."""

    def update(self, name: MapName, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Write entries, new or old."""

    def delete(self, name: MapName, keys: Sequence[bytes]) -> None:
        """Remove entries; a key that is absent already is not an error."""

    def retire(self, keys: Sequence[bytes]) -> None:
        """Add the counts in these entries of the counters map to its entry RETIRED, then zero them, one
        after the other, on every CPU. A call that fails in between may have added counts that it did not
        zero; none is lost.
        """

    def synchronize(self) -> None:
        """Return when no program run that began before this call is still going (an RCU grace period)."""
