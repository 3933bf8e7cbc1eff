"""Whether the desired state fits the maps, found out before anything is written.

Additions come before removals in the safe order, so what has to fit is not only the state that is
wanted but everything that is there at the fullest moment on the way to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from balancer.errors import CapacityExceeded
from balancer.plan.actual import Actual
from balancer.plan.counters import FIRST
from balancer.plan.encode import Wanted
from balancer.plan.entries import MapName


def needs(wanted: Wanted) -> Mapping[MapName, int]:
    """How many entries of each map the state takes once it is reached.

    Slots are those of every distinct list. Counters are one for each frontend and the reserved ones.
    """
    lists = {backends for item in wanted.frontends.values() for backends in (item.backends, item.fallback)}
    return {
        MapName.ADDRESSES: len(wanted.addresses),
        MapName.FRONTENDS: len(wanted.frontends),
        MapName.SLOTS: sum(map(len, lists)),
        MapName.MEMBERS: len(wanted.members),
        MapName.CGROUPS: len(wanted.cgroups),
        MapName.OWNERS: len(wanted.owners),
        MapName.COUNTERS: len(wanted.frontends) + FIRST,
        MapName.RATES: len(wanted.frontends) + FIRST,
    }


def check_capacity(wanted: Wanted, actual: Actual, capacities: Mapping[MapName, int]) -> None:
    """Raise CapacityExceeded if the state, or old and new entries together, do not fit a map.

    Slots are checked here for the state alone; whether new blocks fit between the live ones is known
    only after placing them (`blocks.place`).
    """
    for name, need in needs(wanted).items():
        if need > capacities[name]:
            raise CapacityExceeded(map_name=name, need=need, limit=capacities[name])
    for name, need in _peaks(wanted, actual).items():
        if need > capacities[name]:
            error = CapacityExceeded(map_name=name, need=need, limit=capacities[name])
            error.hint += "; new entries are added before old ones are removed, so both have to fit"
            raise error


def _peaks(wanted: Wanted, actual: Actual) -> Mapping[MapName, int]:
    """Entries of each hash map after everything is added and before anything is removed."""
    return {
        MapName.ADDRESSES: len(wanted.addresses.keys() | actual.addresses.keys()),
        MapName.FRONTENDS: len(wanted.frontends.keys() | actual.frontends.keys()),
        MapName.MEMBERS: len(wanted.members | actual.members),
        MapName.CGROUPS: len(wanted.cgroups.keys() | actual.cgroups.keys()),
        MapName.OWNERS: len(wanted.owners | actual.owners),
    }
