"""The writes of a plan and their order."""

from __future__ import annotations

from ipaddress import ip_address

from memory_store import MemoryStore
from plan_builders import converge, converged, frontend, key, plan_for, wanted

from balancer.desired.types import Action
from balancer.plan.actual import read_actual
from balancer.plan.diff import Plan, Step, Verb, WriteKind
from balancer.plan.entries import INDEX, MapName


def steps(plan: Plan) -> list[Step]:
    return [write.step for write in plan.writes]


def counter_of(store: MemoryStore, name: bytes) -> int:
    return read_actual(store).frontends[name].counter


def test_nothing_to_change_writes_nothing() -> None:
    target = wanted(frontend("10.96.0.1:80", "10.0.0.1:80", affinity=60), skipped_cgroups=[1])
    plan = plan_for(target, converged(target), settled=False)
    assert plan == Plan()
    assert plan.empty


def test_complete_exchange_uses_every_step_in_order() -> None:
    old = wanted(
        frontend("10.96.0.1:80", "10.0.0.1:80", affinity=60),
        frontend(),
        skipped_cgroups=[1],
        owner_cgroups=[("g", 3)],
    )
    new = wanted(
        frontend("10.96.0.2:80", "10.0.0.2:80", affinity=60),
        frontend(affinity=1),
        skipped_cgroups=[2],
        owner_cgroups=[("g", 4)],
    )
    plan = plan_for(new, converged(old), settled=False)
    assert steps(plan) == list(Step)
    kinds = {write.step: write.kind for write in plan.writes}
    assert kinds[Step.FREE_COUNTERS] is kinds[Step.RETIRE_COUNTERS] is WriteKind.RETIRE
    assert kinds[Step.SETTLE] is kinds[Step.SYNCHRONIZE] is WriteKind.SYNCHRONIZE


def test_maps_just_written_need_no_settling() -> None:
    plan = plan_for(wanted(frontend("10.96.0.1:80", "10.0.0.1:80")), MemoryStore(), settled=True)
    assert steps(plan) == [Step.BLOCKS, Step.FREE_COUNTERS, Step.PUT_FRONTENDS, Step.PUT_ADDRESSES]


def test_change_of_backends_swaps_one_entry() -> None:
    store = converged(wanted(frontend("10.96.0.1:80", "10.0.0.1:80")))
    plan = plan_for(wanted(frontend("10.96.0.1:80", "10.0.0.2:80")), store)
    assert steps(plan) == [Step.BLOCKS, Step.PUT_FRONTENDS, Step.SYNCHRONIZE]
    assert [write.size for write in plan.writes] == [1, 1, 1]
    assert plan.writes[0].entries[0][0] == INDEX.pack(1)


def test_deletion_keeps_its_counts_before_and_after_a_synchronize() -> None:
    """Its slots and its counter are free for the next plan only when no program run uses them."""
    store = converged(wanted(frontend("10.96.0.1:80", "10.0.0.1:80")))
    assert steps(plan_for(wanted(), store)) == [
        Step.RETIRE_COUNTERS,
        Step.DELETE_FRONTENDS,
        Step.DELETE_ADDRESSES,
        Step.SYNCHRONIZE,
        Step.COLLECT_COUNTERS,
    ]


def test_frontend_with_a_live_list_shares_its_block() -> None:
    first = frontend("10.96.0.1:80", "10.0.0.1:80", "10.0.0.2:80")
    second = frontend("10.96.0.2:80", "10.0.0.1:80", "10.0.0.2:80")
    store = converged(wanted(first))
    plan = converge(wanted(first, second), store)
    assert Step.BLOCKS not in steps(plan)
    assert len({entry.base for entry in read_actual(store).frontends.values()}) == 1


def test_block_of_a_deleted_frontend_can_be_taken_over() -> None:
    store = converged(wanted(frontend("10.96.0.1:80", "10.0.0.1:80")))
    plan = converge(wanted(frontend("10.96.0.2:80", "10.0.0.1:80")), store)
    assert Step.BLOCKS not in steps(plan)
    assert plan_for(wanted(frontend("10.96.0.2:80", "10.0.0.1:80")), store).empty


def test_slots_are_reused_by_the_next_plan() -> None:
    store = converged(wanted(frontend("10.96.0.1:80", "10.0.0.1:80")))
    converge(wanted(frontend("10.96.0.1:80", "10.0.0.2:80")), store)
    plan = plan_for(wanted(frontend("10.96.0.1:80", "10.0.0.3:80")), store)
    assert plan.writes[0].entries[0][0] == INDEX.pack(0)


def test_changed_frontend_keeps_its_counter() -> None:
    name = key("10.96.0.2:80")
    store = converged(wanted(frontend("10.96.0.1:80"), frontend("10.96.0.2:80")))
    before = counter_of(store, name)
    plan = converge(wanted(frontend("10.96.0.2:80", "10.0.0.1:80")), store)
    assert counter_of(store, name) == before == 3
    assert Step.FREE_COUNTERS not in steps(plan)


def test_counter_of_a_deleted_frontend_is_not_reused_in_the_same_plan() -> None:
    store = converged(wanted(frontend("10.96.0.1:80")))
    converge(wanted(frontend("10.96.0.2:80")), store)
    assert counter_of(store, key("10.96.0.2:80")) == 3
    plan = plan_for(wanted(frontend("10.96.0.2:80"), frontend("10.96.0.3:80")), store)
    assert plan.writes[0].keys == (INDEX.pack(2),)


def test_action_and_group_change_in_one_swap() -> None:
    store = converged(wanted(frontend("10.96.0.1:53", "10.0.0.1:53", affinity=60)))
    plan = plan_for(wanted(frontend("10.96.0.1:53")), store)
    assert steps(plan) == [Step.PUT_FRONTENDS, Step.DELETE_MEMBERS, Step.SYNCHRONIZE]
    change = plan.changes[0]
    assert change.before is not None
    assert change.after is not None
    assert (change.before.action, change.after.action) == (Action.FORWARD, Action.REFUSE)


def test_changes_tell_before_and_after_in_order() -> None:
    store = converged(wanted(frontend("10.96.0.9:80", "10.0.0.1:80"), frontend("10.96.0.10:80")))
    target = wanted(frontend("10.96.0.9:80", "10.0.0.2:80"), frontend("fd00::1:80"), frontend("10.96.0.8:80"))
    plan = plan_for(target, store)
    found = [(change.verb, str(change.address)) for change in plan.changes]
    assert found == [
        (Verb.ADD, "10.96.0.8"),
        (Verb.CHANGE, "10.96.0.9"),
        (Verb.DELETE, "10.96.0.10"),
        (Verb.ADD, "fd00::1"),
    ]
    after = plan.changes[1].after
    assert after is not None
    assert after.backends == ((ip_address("10.0.0.2"), 80),)


def test_changes_name_the_object() -> None:
    plan = plan_for(wanted(frontend("10.96.0.1:80", name="Service shop/cart")), MemoryStore())
    assert (plan.changes[0].object, plan.changes[0].kind) == ("Service shop/cart", "ClusterIP")


def test_flags_of_an_address_change_without_a_frontend() -> None:
    store = converged(wanted(frontend()))
    target = wanted(frontend())
    address = next(iter(target.addresses))
    store.update(MapName.ADDRESSES, [(address, bytes(8))])
    plan = plan_for(target, store)
    assert steps(plan) == [Step.PUT_ADDRESSES]
    assert not plan.changes


def test_plan_does_not_depend_on_the_order_of_keys() -> None:
    items = [frontend(f"10.96.0.{number}:80", f"10.0.0.{number}:80") for number in range(1, 6)]
    backwards = wanted(*items)
    turned = type(backwards)(
        frontends=dict(reversed(backwards.frontends.items())),
        addresses=dict(reversed(backwards.addresses.items())),
        labels=backwards.labels,
    )
    assert plan_for(turned, MemoryStore()) == plan_for(backwards, MemoryStore())
