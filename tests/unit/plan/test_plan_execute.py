"""Playing a plan."""

from __future__ import annotations

import pytest
from memory_store import Failure, Killed, MemoryStore
from plan_builders import frontend, plan_for, wanted

from balancer.errors import KernelCallFailed
from balancer.plan import execute as module
from balancer.plan.diff import Plan
from balancer.plan.execute import execute

TARGET = wanted(frontend("10.96.0.1:80", "10.0.0.1:80", "10.0.0.2:80", affinity=60))


def test_every_write_is_one_call() -> None:
    store = MemoryStore()
    execute(plan_for(TARGET, store, settled=False), store)
    writes = {name: store.calls[name] for name in ("update", "delete", "retire", "synchronize")}
    assert writes == {"update": 4, "delete": 0, "retire": 1, "synchronize": 1}


def test_progress_counts_single_writes_up_to_the_total() -> None:
    store, seen = MemoryStore(), []
    execute(plan_for(TARGET, store), store, lambda done, total: seen.append((done, total)))
    assert seen == [(2, 7), (4, 7), (5, 7), (6, 7), (7, 7)]


def test_large_writes_go_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    store, seen = MemoryStore(), []
    target = wanted(*[frontend(f"10.96.0.1:{port}") for port in range(1, 8)])
    plan = plan_for(target, store)
    execute(plan, store, lambda done, total: seen.append(done))
    assert seen == [3, 6, 7, 10, 13, 14, 15]
    assert plan_for(target, store).empty


def test_error_ends_the_run_with_a_part_written() -> None:
    store = MemoryStore()
    store.failure = Failure(at=1)
    with pytest.raises(KernelCallFailed, match="slots"):
        execute(plan_for(TARGET, store), store)
    assert store.written == 1
    assert store.calls["update"] == 1


def test_kill_is_not_caught() -> None:
    store = MemoryStore()
    store.kill_after = 3
    with pytest.raises(Killed):
        execute(plan_for(TARGET, store), store)
    assert store.written == 3


def test_empty_plan_calls_nothing() -> None:
    store = MemoryStore()
    execute(Plan(), store)
    assert not store.calls
