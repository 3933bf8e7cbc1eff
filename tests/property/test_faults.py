"""What clients get while a plan is cut short, at any of its writes, and what the passes after it make of that.

States have everything that a plan writes: services, node ports, redirects with rate and fallback, pods that
are backends of their own redirect, and pods that opted out.
"""

from __future__ import annotations

import errno
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_client import Caller, Destination, mixtures, reply, seen
from memory_store import Failure, Killed, MemoryStore
from plan_builders import converged, plan_for
from test_plan import ADDRESSES, assert_no_slot_leaks, desireds, logical
from test_plan_totals import no_less

from balancer.desired.lookup import Outcome, resolve
from balancer.desired.types import Source
from balancer.errors import KernelCallFailed
from balancer.model.service import Protocol
from balancer.plan.actual import read_actual
from balancer.plan.counters import NO_FRONTEND, RETIRED
from balancer.plan.encode import Wanted, encode
from balancer.plan.entries import OWNER, address_bytes, frontend_key
from balancer.plan.execute import execute

CGROUPS = (1, 2, 3)
CALLERS = (Caller(), Caller(above_rate=True), *(Caller(cgroup=number) for number in CGROUPS))
DESTINATIONS = tuple(
    Destination(address, port, protocol)
    for address, port, protocol in product(
        (address for address in ADDRESSES if int(address)), (53, 80), (Protocol.TCP, Protocol.UDP)
    )
)
PAIRS = tuple(product(DESTINATIONS, CALLERS))
careful = settings(deadline=None, max_examples=30)  # each example tries every write
ERRNOS = (errno.ENOMEM, errno.E2BIG, errno.EPERM, errno.EINTR, errno.ENOSPC)


@st.composite
def states(draw: st.DrawFn) -> Wanted:
    """A state in which some pods own redirects that are there, and some opted out."""
    desired = draw(desireds())
    redirects = [item.group for item in desired.frontends if item.source is Source.LOCAL_REDIRECT]
    owners = st.tuples(st.sampled_from(sorted(set(redirects)) or ["nothing"]), st.sampled_from(CGROUPS[:2]))
    return encode(desired, draw(st.sets(st.sampled_from(CGROUPS[2:]))), draw(st.sets(owners)))


def rules_of(state: Wanted, caller: Caller) -> object:
    """What the state says of the caller alone."""
    own = {key for key in state.owners if OWNER.unpack(key)[1] == caller.cgroup}
    return own, {key for key in state.cgroups if int.from_bytes(key, "little") == caller.cgroup}


def killed(store: MemoryStore, target: Wanted, at: int) -> bool:
    """A new process starts a pass and is killed before its write number `at`; whether it got that far."""
    plan = plan_for(target, store, settled=False)
    store.kill_after = store.written + at
    try:
        execute(plan, store)
    except Killed:
        return True
    finally:
        store.kill_after = None
    return False


def assert_reached(store: MemoryStore, target: Wanted) -> None:
    """The maps say the target and nothing else: no slot, counter or entry is left over."""
    assert store.logical() == logical(target)
    assert_no_slot_leaks(store)
    counters = [entry.counter for entry in read_actual(store).frontends.values()]
    assert len({NO_FRONTEND, RETIRED, *counters}) == len(counters) + 2
    assert plan_for(target, store, settled=False).empty


@careful
@given(desireds())
def test_the_client_here_sees_what_lookup_says(state: object) -> None:
    """`desired.lookup` is compared with the kernel elsewhere; this client must not be another opinion."""
    maps = seen(converged(encode(state)))  # type: ignore[arg-type]
    for to in DESTINATIONS:
        told = resolve(state, *to)  # type: ignore[arg-type]
        assert reply(maps, to, Caller()).outcome is told.outcome
        assert len(reply(maps, to, Caller()).backends) == (
            len(told.frontend.backends) if told.frontend else 0
        )


@careful
@given(states(), states(), states())
def test_every_connection_gets_an_old_or_a_new_answer(first: Wanted, old: Wanted, new: Wanted) -> None:
    """After each single write, each caller at each destination; the maps were used before."""
    store = converged(first)
    execute(plan_for(old, store), store)
    allowed = {pair: mixtures(old, new, *pair) for pair in PAIRS}
    for prefix in store.prefixes(plan_for(new, store)):
        now = seen(prefix)
        for pair in PAIRS:
            assert reply(now, *pair) in allowed[pair]


@careful
@given(states(), states())
def test_no_mixture_where_one_entry_decides(old: Wanted, new: Wanted) -> None:
    """Unless a pod's own rule or an address changes its meaning, the answer is the old or the new one."""
    store = converged(old)
    decided = [(to, caller) for to, caller in PAIRS if _one_entry_decides(old, new, to, caller)]
    for prefix in store.prefixes(plan_for(new, store)):
        now = seen(prefix)
        for pair in decided:
            assert reply(now, *pair) in {reply(old, *pair), reply(new, *pair)}


def _one_entry_decides(old: Wanted, new: Wanted, to: Destination, caller: Caller) -> bool:
    gate, anywhere = address_bytes(to.address), frontend_key(type(to.address)(0), to.port, to.protocol)
    return (
        rules_of(old, caller) == rules_of(new, caller)
        and old.addresses.get(gate) == new.addresses.get(gate)
        and old.frontends.get(anywhere) == new.frontends.get(anywhere)
    )


@careful
@given(states(), states())
def test_never_the_bare_vip_and_never_a_needless_refusal(old: Wanted, new: Wanted) -> None:
    """What both states translate is translated at every instant, and what both serve is served."""
    store = converged(old)
    both = [
        pair for pair in PAIRS if Outcome.PASS not in (reply(old, *pair).outcome, reply(new, *pair).outcome)
    ]
    served = [
        (to, caller)
        for to, caller in both
        if {reply(old, to, caller).outcome, reply(new, to, caller).outcome} == {Outcome.FORWARD}
        and rules_of(old, caller) == rules_of(new, caller)
    ]
    for prefix in store.prefixes(plan_for(new, store)):
        now = seen(prefix)
        assert all(reply(now, *pair).outcome is not Outcome.PASS for pair in both)
        assert all(reply(now, *pair).outcome is Outcome.FORWARD for pair in served)


@careful
@given(states(), states())
def test_a_kept_choice_is_an_old_or_a_new_backend(old: Wanted, new: Wanted) -> None:
    """Affinity and UDP sockets keep what is a member; what both states have is never missing."""
    store = converged(old)
    for prefix in store.prefixes(plan_for(new, store)):
        members = read_actual(prefix).members
        assert old.members & new.members <= members <= old.members | new.members


@careful
@given(states(), states())
def test_a_redirects_own_backend_never_meets_it(old: Wanted, new: Wanted) -> None:
    """Its owners are known before the redirect is, and for as long as it is there."""
    store = converged(old)
    for prefix in store.prefixes(plan_for(new, store)):
        now = seen(prefix)
        assert old.owners & new.owners <= now.owners <= old.owners | new.owners
        for key, item in now.frontends.items():
            for state, other in ((old, new), (new, old)):
                if item == state.frontends.get(key) != other.frontends.get(key):
                    assert _owners_of(item.group, state) <= now.owners


def _owners_of(group: int, state: Wanted) -> set[bytes]:
    return {owner for owner in state.owners if OWNER.unpack(owner)[0] == group}


@careful
@given(states(), states(), states())
def test_a_kill_at_any_write_and_then_another_pass(old: Wanted, new: Wanted, later: Wanted) -> None:
    """The next process finds what the killed one left, to the same end or to another one."""
    store = converged(old)
    for prefix in store.prefixes(plan_for(new, store, settled=False)):
        for target in (new, later):
            survivor = prefix.copy()
            execute(plan_for(target, survivor, settled=False), survivor)
            assert_reached(survivor, target)


@careful
@given(states(), st.lists(st.tuples(states(), st.integers(0, 25)), min_size=2, max_size=6), states())
def test_any_number_of_killed_passes(start: Wanted, attempts: list[tuple[Wanted, int]], end: Wanted) -> None:
    """One process after the other is killed, each on the way to a state of its own."""
    store = converged(start)
    for target, at in attempts:
        killed(store, target, at)
    execute(plan_for(end, store, settled=False), store)
    assert_reached(store, end)


@careful
@given(states(), st.lists(states(), min_size=2, max_size=4), st.integers(0, 25))
def test_killed_passes_never_fill_the_maps(start: Wanted, targets: list[Wanted], at: int) -> None:
    """What killed passes left behind is used again: the highest slot stays below old and new side by side."""
    store = converged(start)
    before = store.copy()
    for _ in range(3):
        for target in targets:
            killed(store, target, at)
            execute(plan_for(target, store, settled=False), store)
        execute(plan_for(start, store, settled=False), store)
    assert_reached(store, start)
    assert store.logical() == before.logical()


@careful
@given(states(), states(), st.sampled_from(ERRNOS))
def test_a_fault_at_any_write_is_told_and_gone_after_the_next_pass(
    old: Wanted, new: Wanted, code: int
) -> None:
    """The error says what was attempted; the agent tries again on the very maps. No decision is uncounted."""
    counted = converged(old)
    for key, entry in read_actual(counted).frontends.items():
        counted.decide(entry.counter, key[-2] % 8, 1 + entry.counter)
    whole = counted.copy()
    execute(plan_for(new, whole), whole)
    for at in range(whole.written):
        store = counted.copy()
        store.failure = Failure(at=store.written + at, errno=code)
        with pytest.raises(KernelCallFailed) as caught:
            execute(plan_for(new, store), store)
        assert caught.value.errno == code
        assert caught.value.action
        store.failure = None
        failed = store.decisions()
        assert no_less(failed, counted.decisions())
        execute(plan_for(new, store, settled=False), store)
        assert_reached(store, new)
        assert no_less(store.decisions(), failed)


def test_the_states_have_what_the_properties_are_about() -> None:
    """Owners of redirects in force, rates, opt-outs, refusals: none of them is a rare thing."""
    found: set[str] = set()

    @given(states())
    def collect(state: Wanted) -> None:
        groups = {item.group for item in state.frontends.values() if item.flags}
        found.update("owner" for key in state.owners if OWNER.unpack(key)[0] in groups)
        found.update("rate" for item in state.frontends.values() if item.rate and item.fallback)
        found.update(
            "redirect alone" for item in state.frontends.values() if item.flags and not item.fallback
        )
        found.update(str(reply(state, *pair).outcome) for pair in PAIRS)
        found.update("opted out" for _ in state.cgroups)

    collect()
    assert found == {"owner", "rate", "redirect alone", "opted out", *Outcome}
