"""Reading the live maps back."""

from __future__ import annotations

from ipaddress import ip_address

from memory_store import MemoryStore
from plan_builders import converged, frontend, key, wanted

from balancer.plan.actual import read_actual
from balancer.plan.entries import INDEX, FrontendEntry, MapName, backend_bytes


def test_empty_maps_read_as_nothing() -> None:
    actual = read_actual(MemoryStore())
    assert (actual.frontends, actual.blocks, actual.addresses, actual.members) == ({}, {}, {}, frozenset())


def test_what_was_written_reads_back_the_same() -> None:
    target = wanted(
        frontend("10.96.0.1:80", "10.0.0.1:80", fallback=["10.0.0.2:80"], affinity=60),
        frontend("fd00::1:53", "fd00::5:53", protocol="UDP"),
        skipped_cgroups=[3],
    )
    actual = read_actual(converged(target))
    assert {name: actual.logical(name) for name in actual.frontends} == target.frontends
    assert (actual.addresses, actual.members, actual.cgroups) == (
        target.addresses,
        target.members,
        target.cgroups,
    )


def test_only_slots_that_a_frontend_refers_to_are_read() -> None:
    store = converged(wanted(frontend("10.96.0.1:80", "10.0.0.1:80", "10.0.0.2:80")))
    stray = backend_bytes(ip_address("10.9.9.9"), 9)
    store.update(MapName.SLOTS, [(INDEX.pack(50), stray)])
    store.calls.clear()
    actual = read_actual(store)
    assert store.calls["read"] == 1
    assert [len(block) for block in actual.blocks.values()] == [2]


def test_range_past_the_end_of_the_map_reads_as_empty() -> None:
    store = MemoryStore({MapName.SLOTS: 4})
    name = key("10.96.0.1:80")
    entry = FrontendEntry(0, 0, 2, 2**32 - 1, 0, 0, 0, 1, 0, 0, 0, 0)
    store.update(MapName.FRONTENDS, [(name, entry.pack(name))])
    actual = read_actual(store)
    assert actual.logical(name).backends == ()
