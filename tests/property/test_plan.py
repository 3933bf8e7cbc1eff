"""What holds for the plan between any two states, and after a kill at any single write of it.

The universe is small on purpose: a few addresses, ports, groups and backends, so that lists are
shared, slots are reused and groups change hands in most examples.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_store import Failure, Killed, MemoryStore
from plan_builders import converge, converged, plan_for

from balancer.desired.types import Action, AddressFlags, Backend, Desired, Frontend, FrontendKind, Source
from balancer.errors import CapacityExceeded, KernelCallFailed
from balancer.model.meta import IPAddress
from balancer.model.problem import Origin
from balancer.model.service import Protocol
from balancer.plan import entries
from balancer.plan.actual import read_actual
from balancer.plan.blocks import free_ranges
from balancer.plan.counters import NO_FRONTEND, RETIRED
from balancer.plan.diff import Plan
from balancer.plan.encode import Wanted, WantedFrontend, encode
from balancer.plan.entries import MEMBER, FrontendEntry, MapName
from balancer.plan.execute import execute
from balancer.plan.steps import Step
from balancer.plan.verify import verify

ADDRESSES = tuple(map(ip_address, ("10.96.0.1", "10.96.0.2", "0.0.0.0", "fd00::1", "::")))
NODES = tuple(map(ip_address, ("192.168.0.1", "10.96.0.2")))
BACKENDS = {4: ("10.0.0.1", "10.0.0.2", "10.0.0.3"), 6: ("fd00::11", "fd00::12")}
GROUPS = ("a", "b", "c")

Lists = tuple[tuple[Backend, ...], tuple[Backend, ...]]
"""Backends of a redirect (none: there is no redirect), and those of the service."""


class GroupState(NamedTuple):
    """`action` is for a service without backends; `lists` are by IP version."""

    action: Action
    affinity: int
    rate: int
    lists: Mapping[int, Lists]


def _sublists(version: int) -> list[tuple[Backend, ...]]:
    """Every canonical list of backends of the family, the empty one too."""
    every = [Backend(address=ip_address(text), port=80) for text in BACKENDS[version]]
    return [found for length in range(len(every) + 1) for found in combinations(every, length)]


LISTS = {
    version: st.just(((), ())) | st.tuples(*[st.sampled_from(_sublists(version))] * 2) for version in BACKENDS
}
GROUP_STATES = st.builds(
    GroupState,
    action=st.sampled_from([Action.REFUSE, Action.UNREACHABLE]),
    affinity=st.sampled_from([0, 60]),
    rate=st.sampled_from([0, 5]),
    lists=st.fixed_dictionaries(LISTS),
)
PLACES = st.tuples(
    st.sampled_from(ADDRESSES), st.sampled_from([53, 80]), st.sampled_from([Protocol.TCP, Protocol.UDP])
)


@st.composite
def desireds(draw: st.DrawFn) -> Desired:
    """A state as `desired` makes it: sorted, unique, and one list for each group and family."""
    groups = draw(st.fixed_dictionaries(dict.fromkeys(GROUPS, GROUP_STATES)))
    chosen = draw(st.dictionaries(PLACES, st.sampled_from(GROUPS), max_size=8))
    frontends = [_frontend(*place, group, groups[group]) for place, group in chosen.items()]
    addresses: dict[IPAddress, AddressFlags] = {
        item.address: AddressFlags.VIP for item in frontends if int(item.address)
    }
    for address in draw(st.sets(st.sampled_from(NODES))):
        addresses[address] = addresses.get(address, AddressFlags(0)) | AddressFlags.NODE
    return Desired(frontends=tuple(sorted(frontends, key=lambda item: item.order)), addresses=addresses)


def _frontend(address: IPAddress, port: int, protocol: Protocol, group: str, state: GroupState) -> Frontend:
    backends, fallback = state.lists[address.version]
    service = Frontend(
        address=address,
        port=port,
        protocol=protocol,
        kind=FrontendKind.CLUSTER_IP,
        object=f"Service default/{group}",
        origin=Origin(file="all.yaml", line=1),
        group=f"{group}/{address.version}/{protocol}",
        action=Action.FORWARD if fallback else state.action,
        affinity_seconds=state.affinity,
        backends=fallback,
    )
    if not backends:
        return service
    return replace(
        service,
        object=f"LocalRedirectPolicy {group}",
        group=f"redirect {service.group}",
        action=Action.FORWARD,
        backends=backends,
        source=Source.LOCAL_REDIRECT,
        beneath=service,
        rate=state.rate,
    )


@st.composite
def wanteds(draw: st.DrawFn) -> Wanted:
    owners = st.sets(st.tuples(st.sampled_from(GROUPS), st.integers(1, 3)))
    return encode(draw(desireds()), draw(st.sets(st.integers(1, 3))), draw(owners))


def logical(target: Wanted) -> dict[str, object]:
    """What `MemoryStore.logical` gives for a store in this state."""
    return {
        "frontends": target.frontends,
        "addresses": target.addresses,
        "members": target.members,
        "cgroups": target.cgroups,
        "owners": target.owners,
    }


def members_of(item: WantedFrontend) -> set[bytes]:
    lists = ((item.group, item.backends), (item.fallback_group, item.fallback))
    return {MEMBER.pack(group, raw) for group, backends in lists if group for raw in backends}


def referenced(store: MemoryStore) -> dict[int, bytes]:
    """Every slot that a live frontend refers to, with its content."""
    blocks = read_actual(store).blocks
    return {base + n: raw for (base, _), block in blocks.items() for n, raw in enumerate(block)}


def assert_no_slot_leaks(store: MemoryStore) -> None:
    capacity = store.capacity(MapName.SLOTS)
    free = sum(length for _, length in free_ranges(read_actual(store), capacity))
    assert free == capacity - len(referenced(store))


@given(wanteds())
def test_difference_of_equals_is_empty(target: Wanted) -> None:
    assert plan_for(target, converged(target), settled=False).empty


@given(wanteds(), wanteds())
def test_plan_from_one_state_to_another_gives_the_other(old: Wanted, new: Wanted) -> None:
    store = converged(old)
    converge(new, store)
    assert store.logical() == logical(new)
    assert verify(new, read_actual(store)) == ()
    assert_no_slot_leaks(store)


@given(st.lists(wanteds(), min_size=1, max_size=5))
def test_any_way_to_a_state_ends_in_the_same_maps(states: list[Wanted]) -> None:
    """Path independence: in steps, with detours, or at once."""
    store = MemoryStore()
    for state in states:
        converge(state, store)
    assert store.logical() == converged(states[-1]).logical()


@given(wanteds(), wanteds())
def test_change_and_revert_restores_the_maps(old: Wanted, new: Wanted) -> None:
    store = converged(old)
    before = store.logical()
    converge(new, store)
    converge(old, store)
    assert store.logical() == before
    assert_no_slot_leaks(store)


@given(wanteds(), wanteds())
def test_verify_sees_every_difference(old: Wanted, new: Wanted) -> None:
    assert (verify(new, read_actual(converged(old))) == ()) == (old == new)


@given(wanteds(), wanteds(), wanteds())
def test_every_frontend_is_whole_after_every_single_write(first: Wanted, old: Wanted, new: Wanted) -> None:
    """A killed process leaves each frontend with its whole old or its whole new answer, never a mix."""
    store = converged(first)
    converge(old, store)
    for prefix in store.prefixes(plan_for(new, store)):
        actual = read_actual(prefix)
        for key in old.frontends.keys() | new.frontends.keys():
            allowed = [state.frontends.get(key) for state in (old, new)]
            assert (actual.logical(key) if key in actual.frontends else None) in allowed


@given(wanteds(), wanteds())
def test_slots_of_live_blocks_are_never_written(old: Wanted, new: Wanted) -> None:
    store = converged(old)
    live = referenced(store)
    plan = plan_for(new, store)
    written = {key for write in plan.writes if write.step is Step.BLOCKS for key, _ in write.entries}
    assert not written & {entries.INDEX.pack(index) for index in live}
    assert len(written) == sum(len(w.entries) for w in plan.writes if w.step is Step.BLOCKS)


@given(wanteds(), wanteds())
def test_vip_is_open_only_with_all_its_frontends(old: Wanted, new: Wanted) -> None:
    """The gate refuses unknown ports of a VIP, so it must not know a new VIP too early."""
    store = converged(old)
    for prefix in store.prefixes(plan_for(new, store)):
        actual = read_actual(prefix)
        for address in actual.addresses.keys() - old.addresses.keys():
            of_address = {key for key in new.frontends if key.startswith(address)}
            assert of_address <= actual.frontends.keys()


@given(wanteds(), wanteds())
def test_vip_closes_only_without_frontends(old: Wanted, new: Wanted) -> None:
    """A packet never goes to the bare VIP: as long as it has a frontend, the gate knows it."""
    store = converged(old)
    for prefix in store.prefixes(plan_for(new, store)):
        actual = read_actual(prefix)
        for address in old.addresses.keys() - actual.addresses.keys():
            assert not [key for key in actual.frontends if key.startswith(address)]


@given(wanteds(), wanteds())
def test_backends_of_a_group_are_members_while_a_frontend_has_them(old: Wanted, new: Wanted) -> None:
    """A kept choice would be dropped if its backend were no member for a moment."""
    store = converged(old)
    for prefix in store.prefixes(plan_for(new, store)):
        actual = read_actual(prefix)
        for key in actual.frontends:
            assert members_of(actual.logical(key)) <= actual.members


@given(wanteds(), wanteds())
def test_counters_belong_to_one_frontend_each(old: Wanted, new: Wanted) -> None:
    """New ones start at zero; index 0 and those of other frontends are left alone."""
    store = converged(old)
    before = {key: entry.counter for key, entry in read_actual(store).frontends.items()}
    plan = plan_for(new, store)
    execute(plan, store)
    after = {key: entry.counter for key, entry in read_actual(store).frontends.items()}
    freed = {key for write in plan.writes if write.step is Step.FREE_COUNTERS for key in write.keys}
    assert len(set(after.values()) | {NO_FRONTEND, RETIRED}) == len(after) + 2
    assert all(after[key] == before[key] for key in after.keys() & before.keys())
    assert freed == {entries.INDEX.pack(after[key]) for key in after.keys() - before.keys()}


@given(wanteds(), wanteds(), wanteds(), st.integers(0, 60))
def test_pass_after_a_kill_converges_and_leaks_nothing(
    old: Wanted, new: Wanted, later: Wanted, at: int
) -> None:
    store = converged(old)
    plan = plan_for(new, store)
    store.kill_after = store.written + at
    with contextlib.suppress(Killed):
        execute(plan, store)
    survivor = store.copy()
    execute(plan_for(later, survivor, settled=False), survivor)
    assert survivor.logical() == logical(later)
    assert_no_slot_leaks(survivor)


@given(wanteds(), wanteds(), st.integers(0, 60))
def test_pass_after_a_failed_write_converges(old: Wanted, new: Wanted, at: int) -> None:
    store = converged(old)
    store.failure = Failure(at=store.written + at)
    with contextlib.suppress(KernelCallFailed):
        converge(new, store)
    store.failure = None
    converge(new, store)
    assert store.logical() == logical(new)
    assert_no_slot_leaks(store)


@given(wanteds(), wanteds())
def test_plan_is_deterministic_and_in_order(old: Wanted, new: Wanted) -> None:
    store = converged(old)
    plan = plan_for(new, store)
    assert plan == plan_for(new, store)
    assert [write.step for write in plan.writes] == sorted({write.step for write in plan.writes})
    assert all(list(write.keys) == sorted(set(write.keys)) for write in plan.writes)
    assert list(plan.changes) == sorted(plan.changes, key=lambda change: change.order)
    assert plan.empty == (old == new)


@given(wanteds(), wanteds(), st.sampled_from(MapName), st.integers(0, 12))
def test_plan_fits_or_nothing_is_written(old: Wanted, new: Wanted, name: MapName, limit: int) -> None:
    """Whatever map is short: the plan is refused before the first write, or it plays to its end."""
    store = converged(old)
    store.capacities[name] = limit
    before = store.copy()
    plan = _plan_or_refusal(new, store)
    if isinstance(plan, CapacityExceeded):
        assert (plan.map_name, plan.limit) == (name, limit)
        assert plan.need > limit
        assert store.maps == before.maps
    else:
        execute(plan, store)
        assert store.logical() == logical(new)


def _plan_or_refusal(target: Wanted, store: MemoryStore) -> Plan | CapacityExceeded:
    try:
        return plan_for(target, store)
    except CapacityExceeded as error:
        return error


@given(st.ip_addresses(), st.integers(0, 65535), st.sampled_from([Protocol.TCP, Protocol.UDP]))
def test_keys_and_backends_come_back(address: IPAddress, port: int, protocol: Protocol) -> None:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    assert entries.address_of(entries.address_bytes(address)) == address
    key = entries.frontend_key(address, port, protocol)
    assert entries.frontend_key_parts(key) == (address, port, protocol)
    assert entries.backend_parts(entries.backend_bytes(address, port)) == (address, port)


@given(
    st.tuples(*[st.integers(0, 2**64 - 1)] * 2, *[st.integers(0, 2**32 - 1)] * 7, *[st.integers(0, 255)] * 3),
    st.binary(min_size=19, max_size=19),
)
def test_frontend_entries_come_back(values: tuple[int, ...], key: bytes) -> None:
    entry = FrontendEntry(*values)
    raw = entry.pack(key + b"\0")
    assert FrontendEntry.unpack(raw) == entry
    assert int.from_bytes(raw[:8], "little") == entries.frontend_check(key + b"\0")


@given(st.ip_addresses(v=4))
def test_v4_mapped_addresses_are_ipv4(address: IPv4Address) -> None:
    """RFC 4291 2.5.5.2."""
    mapped = IPv6Address(f"::ffff:{address}")
    assert entries.address_bytes(mapped) == entries.address_bytes(address)
    assert entries.address_of(entries.address_bytes(mapped)) == address


def test_states_are_not_all_alike() -> None:
    """The strategy makes what the properties are about: shared lists, members, every action."""
    seen: set[str] = set()

    @given(wanteds())
    def collect(target: Wanted) -> None:
        lists = [item.backends for item in target.frontends.values() if item.backends]
        seen.update(str(item.action) for item in target.frontends.values())
        seen.update(["shared"] if len(set(lists)) < len(lists) else [])
        seen.update(["members"] if target.members else [])
        seen.update(["fallback"] if any(item.fallback for item in target.frontends.values()) else [])

    collect()
    if missing := {"0", "1", "2", "shared", "members", "fallback"} - seen:
        pytest.fail(f"the strategy never makes {missing}")
