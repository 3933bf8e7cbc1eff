"""Every decision stays counted: over the plan between any two states, and after a kill at any single write."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore
from plan_builders import converge, converged, plan_for
from test_plan import wanteds

from balancer.plan import entries
from balancer.plan.actual import read_actual
from balancer.plan.counters import NO_FRONTEND
from balancer.plan.diff import Plan
from balancer.plan.encode import Wanted
from balancer.plan.execute import execute
from balancer.plan.steps import Step

careful = settings(deadline=None, max_examples=50)  # examples try every write


@careful
@given(wanteds(), wanteds(), st.data())
def test_decisions_are_never_uncounted(old: Wanted, new: Wanted, data: st.DataObject) -> None:
    """Every decision of the past stays in the sum, and is in it once when nothing went wrong."""
    store = converged(old)
    count(store, data)
    before = store.decisions()
    converge(new, store)
    assert store.decisions() == before
    assert all(not any(counts_of(store, key)) for key in new.frontends.keys() - old.frontends.keys())


@careful
@given(wanteds(), wanteds(), st.data())
def test_decisions_are_kept_when_killed_at_any_write(old: Wanted, new: Wanted, data: st.DataObject) -> None:
    """A kill may count some twice and uncounts none; neither does any pass after it, to where it may go."""
    store = converged(old)
    count(store, data)
    before = store.decisions()
    for prefix in store.prefixes(plan_for(new, store)):
        killed = prefix.decisions()
        assert no_less(killed, before)
        for target in (new, old):
            survivor = prefix.copy()
            execute(plan_for(target, survivor, settled=False), survivor)
            assert no_less(survivor.decisions(), killed)


@careful
@given(wanteds(), wanteds(), st.integers(0, 7))
def test_what_is_counted_while_a_plan_is_played_is_kept(old: Wanted, new: Wanted, reason: int) -> None:
    """Program runs that began before a frontend went may count for it until the plan has synchronized."""
    store = converged(old)
    live = [entry.counter for entry in read_actual(store).frontends.values()]
    counted = 0
    for write in plan_for(new, store).writes:
        for counter in live if write.step <= Step.SYNCHRONIZE else ():
            store.decide(counter, reason)
            counted += 1
        execute(Plan(writes=(write,)), store)
    assert store.decisions()[reason] == counted


def count(store: MemoryStore, data: st.DataObject) -> None:
    """Some decisions for every live frontend and for none."""
    live = [entry.counter for entry in read_actual(store).frontends.values()]
    for counter in (NO_FRONTEND, *live):
        store.decide(counter, data.draw(st.integers(0, 7)), data.draw(st.integers(1, 5)))


def counts_of(store: MemoryStore, key: bytes) -> tuple[int, ...]:
    return store.counts(entries.INDEX.pack(read_actual(store).frontends[key].counter))


def no_less(now: tuple[int, ...], before: tuple[int, ...]) -> bool:
    return all(one >= other for one, other in zip(now, before, strict=True))
