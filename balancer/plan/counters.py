"""Which entry of the counters map belongs to which frontend.

Ids are dense and are given out again, so that the counters map need not be larger than the frontends
map. Two entries are never given out: NO_FRONTEND, and RETIRED, which keeps the counts of frontends that
went. So the sum over these two and all live frontends never goes down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

from balancer.errors import CapacityExceeded
from balancer.plan.actual import Actual
from balancer.plan.entries import MapName

NO_FRONTEND, RETIRED, FIRST = 0, 1, 2
"""Indexes of the counters map: two reserved ones, and the first that a frontend can have."""


def assign_counters(new: Iterable[bytes], actual: Actual, capacity: int) -> Mapping[bytes, int]:
    """An id for every new frontend: the lowest free ones from FIRST, by rising key.

    An id of any live frontend is taken, even if this plan deletes that frontend: until then the programs
    count in it. `capacity` is the size of the counters map; raises CapacityExceeded if an id lies
    outside.
    """
    taken = {entry.counter for entry in actual.frontends.values()}
    free = (number for number in count(FIRST) if number not in taken)
    ids = dict(zip(sorted(new), free, strict=False))
    need = max(ids.values(), default=RETIRED) + 1
    if need > capacity:
        raise CapacityExceeded(map_name=MapName.COUNTERS, need=need, limit=capacity)
    return ids
