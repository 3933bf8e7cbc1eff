"""The fake behaves like the kernel's maps, or the other tests prove nothing."""

from __future__ import annotations

import errno

import pytest
from memory_store import Failure, Killed, MemoryStore
from plan_builders import frontend, key, plan_for, wanted

from balancer.errors import KernelCallFailed
from balancer.plan.counters import RETIRED
from balancer.plan.entries import INDEX, MEMBER_VALUE, SETTING, MapName

MEMBERS = [(bytes([number]) * 32, MEMBER_VALUE.pack(1)) for number in range(4)]


def test_full_hash_map_takes_updates_of_old_keys_only() -> None:
    """bpf(2): E2BIG means that the map has max_entries elements."""
    store = MemoryStore({MapName.MEMBERS: 2})
    with pytest.raises(KernelCallFailed) as caught:
        store.update(MapName.MEMBERS, MEMBERS[:3])
    assert caught.value.errno == errno.E2BIG
    assert store.dump(MapName.MEMBERS) == dict(MEMBERS[:2])
    store.update(MapName.MEMBERS, MEMBERS[:2])


def test_array_index_out_of_bounds() -> None:
    store = MemoryStore({MapName.SETTINGS: 2})
    assert store.read(MapName.SETTINGS, [INDEX.pack(1), INDEX.pack(2)]) == [bytes(8), None]
    with pytest.raises(KernelCallFailed) as caught:
        store.update(MapName.SETTINGS, [(INDEX.pack(2), SETTING.pack(1))])
    assert caught.value.errno == errno.E2BIG


@pytest.mark.parametrize(("raw_key", "value"), [(bytes(31), bytes(4)), (bytes(32), bytes(5))])
def test_wrong_sizes_are_refused(raw_key: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="members"):
        MemoryStore().update(MapName.MEMBERS, [(raw_key, value)])


def test_array_entries_cannot_be_deleted() -> None:
    with pytest.raises(KernelCallFailed) as caught:
        MemoryStore().delete(MapName.SLOTS, [INDEX.pack(0)])
    assert caught.value.errno == errno.EINVAL


def test_absent_key_is_deleted_without_error() -> None:
    store = MemoryStore()
    store.delete(MapName.MEMBERS, [bytes(32)])
    assert store.read(MapName.MEMBERS, [bytes(32)]) == [None]


def test_retired_counts_are_added_up_and_leave_zeros() -> None:
    store = MemoryStore()
    for counter, times in ((5, 3), (6, 4), (7, 9)):
        store.decide(counter, 2, times)
    store.retire([INDEX.pack(5), INDEX.pack(6)])
    found = [store.counts(INDEX.pack(counter))[2] for counter in (RETIRED, 5, 6, 7)]
    assert found == [7, 0, 0, 9]


def test_a_kill_between_adding_and_zeroing_counts_twice() -> None:
    """Two writes, as on the kernel's maps: nothing is lost in between."""
    store = MemoryStore()
    store.decide(5, 2, 3)
    store.kill_after = 1
    with pytest.raises(Killed):
        store.retire([INDEX.pack(5)])
    assert [store.counts(INDEX.pack(counter))[2] for counter in (RETIRED, 5)] == [3, 3]


def test_failure_and_kill_leave_half_a_batch() -> None:
    failing, killed = MemoryStore(), MemoryStore()
    failing.failure, killed.kill_after = Failure(at=2, errno=errno.ENOMEM), 2
    with pytest.raises(KernelCallFailed):
        failing.update(MapName.MEMBERS, MEMBERS)
    with pytest.raises(Killed):
        killed.update(MapName.MEMBERS, MEMBERS)
    assert failing.dump(MapName.MEMBERS) == killed.dump(MapName.MEMBERS) == dict(MEMBERS[:2])


def test_prefixes_go_from_nothing_to_everything() -> None:
    store = MemoryStore()
    target = wanted(frontend("10.96.0.1:80", "10.0.0.1:80"))
    plan = plan_for(target, store)
    found = list(store.prefixes(plan))
    assert [item.written for item in found] == [0, 1, 2, 3, 4, 5]
    assert [key("10.96.0.1:80") in item.maps[MapName.FRONTENDS] for item in found] == [False] * 4 + [True] * 2
    assert plan_for(target, found[-1]).empty
    assert not store.written
