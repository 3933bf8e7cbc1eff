"""Which entry of the counters map belongs to which frontend.

Ids are dense and are given out again, so that the counters map need not be larger than the frontends
map. Index 0 is for what has no frontend and is never given out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

from balancer.errors import CapacityExceeded
from balancer.plan.actual import Actual
from balancer.plan.entries import MapName


def assign_counters(new: Iterable[bytes], actual: Actual, capacity: int) -> Mapping[bytes, int]:
    """An id for every new frontend: the lowest free ones from 1, by rising key.

    An id of any live frontend is taken, even if this plan deletes that frontend: until then the programs
    count in it. `capacity` is the size of the counters map; raises CapacityExceeded if an id lies
    outside.
    """
    taken = {entry.counter for entry in actual.frontends.values()}
    free = (number for number in count(1) if number not in taken)
    ids = dict(zip(sorted(new), free, strict=False))
    need = max(ids.values(), default=0) + 1
    if need > capacity:
        raise CapacityExceeded(map_name=MapName.COUNTERS, need=need, limit=capacity)
    return ids
