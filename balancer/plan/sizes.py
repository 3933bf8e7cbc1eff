"""How large maps are made: with room to grow, never smaller than what is live, within the limits."""

from __future__ import annotations

from collections.abc import Mapping

from balancer.errors import CapacityExceeded
from balancer.plan.entries import MapName

# Entries; of `events` bytes. `peers`, `affinity` and `events` do not follow from the desired state; peers must
# be a power of two, events a power of two of whole pages.
DEFAULT_SIZES: Mapping[str, int] = {
    MapName.ADDRESSES: 4096,
    MapName.FRONTENDS: 4096,
    MapName.SLOTS: 16384,
    MapName.MEMBERS: 4096,
    MapName.AFFINITY: 65536,
    MapName.COUNTERS: 4098,
    MapName.CGROUPS: 256,
    MapName.OWNERS: 1024,
    MapName.RATES: 4098,
    "peers": 262144,
    "events": 1 << 20,
}


def choose_sizes(
    needs: Mapping[MapName, int], live: Mapping[str, int], limits: Mapping[str, int]
) -> dict[str, int]:
    """Sizes that hold `needs`. Equal to `live` wherever that is enough, so that nothing is rebuilt.

    A map that has to be made or to grow gets twice the need, at the most its limit. Raises
    CapacityExceeded when a need alone is above its limit.
    """
    need_of = {str(name): need for name, need in needs.items()}
    sizes = {}
    for name, default in DEFAULT_SIZES.items():
        need = need_of.get(name, 0)
        limit = limits.get(name)
        if limit is not None and need > limit:
            raise CapacityExceeded(map_name=name, need=need, limit=limit)
        size = live.get(name, 0)
        if size < max(need, 1):
            size = max(default, _power_of_two(2 * need))
            size = min(size, limit) if limit is not None else size
        sizes[name] = size
    return sizes


def _power_of_two(number: int) -> int:
    return 1 << max(number - 1, 0).bit_length()
