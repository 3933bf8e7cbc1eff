"""A narrow plan is a plan: played on what the last one left it gives the maps of the new state, and breaks nothing on the way."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore
from plan_builders import converged, plan_for
from test_plan import desireds, logical, members_of, referenced

from balancer.desired.step import Step as Change
from balancer.desired.types import Desired
from balancer.plan import entries
from balancer.plan.actual import read_actual
from balancer.plan.asked import ask
from balancer.plan.encode import Wanted, encode
from balancer.plan.entries import MapName
from balancer.plan.execute import execute
from balancer.plan.narrow import Live, Narrow, Unsure, read_excerpt
from balancer.plan.steps import Step
from balancer.plan.verify import verify

careful = settings(deadline=None, max_examples=60)
states = st.lists(desireds(), min_size=2, max_size=6)
GROUPS = ("a", "b")
pods = st.tuples(st.sets(st.integers(1, 3)), st.sets(st.tuples(st.sampled_from(GROUPS), st.integers(1, 3))))


def change(before: Desired, after: Desired) -> Change:
    """What `Following` says of two states, worked out from the whole of both."""
    old, new = ({item.order: item for item in state.frontends} for state in (before, after))
    flags = {ip: flag for ip, flag in after.addresses.items() if before.addresses.get(ip) != flag}
    return Change(
        before=before,
        after=after,
        put=tuple(item for order, item in new.items() if old.get(order) != item),
        gone=tuple(item for order, item in old.items() if new.get(order) != item),
        addresses_put=flags,
        addresses_gone=tuple(ip for ip in before.addresses if ip not in after.addresses),
    )


class World:
    """Maps, and who follows them."""

    def __init__(self, first: Desired) -> None:
        self.state, self.wanted = first, encode(first)
        self.store = converged(self.wanted)
        self.live = self.fresh()

    def fresh(self) -> Live:
        return Live(self.wanted, read_actual(self.store), self.store.capacity(MapName.SLOTS))

    def plan(
        self, to: Desired, skipped: set[int] = frozenset(), owners: set[tuple[str, int]] = frozenset()
    ) -> Narrow:
        self.wanted = encode(to, skipped, owners)
        asked = ask(change(self.state, to), skipped, owners)
        self.state = to
        return self.live.plan(asked, self.store.capacities, settled=True)

    def follow(self, narrow: Narrow) -> None:
        execute(narrow.plan, self.store)
        read = read_excerpt(self.store, narrow)
        assert verify(narrow.wanted, read) == ()
        self.live.follow(narrow, read)

    def go(self, to: Desired, *cgroups: set) -> None:
        """The narrow way, and else, where a large part goes, the long one."""
        try:
            self.follow(self.plan(to, *cgroups))
        except Unsure:
            self.store = converged(self.wanted)
            self.live = self.fresh()


def known(live: Live) -> dict[str, object]:
    """All that somebody who follows maps knows of them; what is free is told as what is not."""
    return {
        "frontends": live.frontends,
        "logical": live.logical,
        "addresses": live.addresses,
        "members": live.member_count,
        "cgroups": live.cgroups,
        "owners": live.owners,
        "users": dict(live._users),
        "groups": {group: keys for group, keys in live._groups.items() if keys},
        "free": live._slots.runs(),
        "counters": lowest(live, 20),
    }


def lowest(live: Live, number: int) -> list[int]:
    """The counters that would be given out next."""
    free = copy.deepcopy(live._counters)
    return [free.take() for _ in range(number)]


@careful
@given(desireds(), st.lists(st.tuples(desireds(), pods), min_size=1, max_size=6))
def test_following_ends_in_the_maps_of_the_state(
    first: Desired, later: list[tuple[Desired, tuple[set[int], set[tuple[str, int]]]]]
) -> None:
    """Whatever the way to it; and what is known at its end is what would be read from the maps."""
    world = World(first)
    for state, cgroups in later:
        world.go(state, *cgroups)
        assert world.store.logical() == logical(world.wanted)
        assert verify(world.wanted, read_actual(world.store)) == ()
        assert known(world.live) == known(world.fresh())


@careful
@given(states)
def test_every_frontend_is_whole_after_every_single_write(later: list[Desired]) -> None:
    world = World(later[0])
    for state in later[1:]:
        old = world.wanted
        try:
            narrow = world.plan(state)
        except Unsure:
            return
        for prefix in world.store.prefixes(narrow.plan):
            check_prefix(old, world.wanted, prefix)
        world.follow(narrow)


def check_prefix(old: Wanted, new: Wanted, prefix: MemoryStore) -> None:
    """What `test_plan` demands of any reader between two writes."""
    actual = read_actual(prefix)
    for key in old.frontends.keys() | new.frontends.keys():
        allowed = [state.frontends.get(key) for state in (old, new)]
        assert (actual.logical(key) if key in actual.frontends else None) in allowed
    for key in actual.frontends:
        assert members_of(actual.logical(key)) <= actual.members
    for address in actual.addresses.keys() - old.addresses.keys():
        assert {key for key in new.frontends if key.startswith(address)} <= actual.frontends.keys()
    for address in old.addresses.keys() - actual.addresses.keys():
        assert not [key for key in actual.frontends if key.startswith(address)]


@careful
@given(states)
def test_writes_are_in_order_and_never_to_live_slots(later: list[Desired]) -> None:
    world = World(later[0])
    for state in later[1:]:
        live = referenced(world.store)
        try:
            narrow = world.plan(state)
        except Unsure:
            return
        writes = narrow.plan.writes
        assert [write.step for write in writes] == sorted({write.step for write in writes})
        blocks = {key for write in writes if write.step is Step.BLOCKS for key, _ in write.entries}
        assert not blocks & {entries.INDEX.pack(index) for index in live}
        world.follow(narrow)


@careful
@given(states)
def test_counters_belong_to_one_frontend_each_and_are_kept(later: list[Desired]) -> None:
    world = World(later[0])
    for state in later[1:]:
        before = {key: entry.counter for key, entry in read_actual(world.store).frontends.items()}
        decisions = world.store.decisions()
        world.go(state)
        after = {key: entry.counter for key, entry in read_actual(world.store).frontends.items()}
        assert len(set(after.values())) == len(after)
        assert all(number >= 2 for number in after.values())
        assert world.store.decisions() == decisions
        assert all(after[key] == before[key] for key in after.keys() & before.keys())


@careful
@given(desireds(), desireds())
def test_the_plan_says_the_same_as_the_long_one(old: Desired, new: Desired) -> None:
    """The same changes, and the same writes but for where lists lie."""
    world = World(old)
    try:
        narrow = world.plan(new)
    except Unsure:
        return
    full = plan_for(encode(new), world.store)
    assert narrow.plan.changes == full.changes
    assert [(write.step, write.size) for write in narrow.plan.writes] == [
        (write.step, write.size) for write in full.writes
    ]


@careful
@given(desireds(), desireds(), st.sampled_from(MapName), st.integers(0, 12))
def test_what_may_not_fit_is_left_to_the_long_way(
    old: Desired, new: Desired, name: MapName, limit: int
) -> None:
    world = World(old)
    world.store.capacities[name] = limit
    world.live = world.fresh()
    try:
        narrow = world.plan(new)
    except Unsure:
        return
    execute(narrow.plan, world.store)
    assert world.store.logical() == logical(encode(new))


def test_the_narrow_way_is_taken_most_of_the_time() -> None:
    taken = []

    @careful
    @given(desireds(), desireds())
    def count(old: Desired, new: Desired) -> None:
        try:
            World(old).plan(new)
            taken.append(True)
        except Unsure:
            taken.append(False)

    count()
    if sum(taken) * 2 < len(taken):
        pytest.fail(f"only {sum(taken)} of {len(taken)}")
