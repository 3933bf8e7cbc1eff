"""The chain of priorities behind one answer, from files and from maps with a state file's names."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from memory_store import MemoryStore
from plan_builders import converge, desired, frontend, wanted

from balancer import explain, live, state
from balancer.config import Settings
from balancer.desired.types import Action, Frontend, Source
from balancer.errors import HostError
from balancer.kernel.layout import COUNTER_SIZE
from balancer.kernel.libbpf import possible_cpus
from balancer.kernel.reasons import Reason
from balancer.manifests import Manifests
from balancer.model.cluster import Cluster
from balancer.model.problem import Problem
from balancer.model.service import Protocol
from balancer.plan.actual import read_actual
from balancer.plan.entries import MapName
from balancer.views import LastPass, LivePolicy, Loaded, Use

VIP = "10.96.0.10:80"
SERVICE = frontend(VIP, "10.0.0.3:80")
BALANCING = replace(
    frontend(VIP, "10.0.0.2:80", name="BalancingPolicy far"), source=Source.BALANCING, beneath=SERVICE
)
REDIRECT = replace(
    frontend(VIP, "10.0.0.1:80", name="LocalRedirectPolicy near", redirect=True, rate=9), beneath=BALANCING
)
NEAR = LivePolicy(
    kind="LocalRedirectPolicy",
    name="near",
    file="web.yaml:1",
    applies=True,
    target="Service default/web",
    frontends=("10.96.0.10:80/TCP", "10.96.0.99:80/TCP"),
)
PASS = LastPass(
    time=datetime(2026, 1, 2, tzinfo=UTC), result="converged", seconds=0.1, frontends=1, files=1, changes=0
)


class Counting(MemoryStore):
    """Every frontend has forwarded 7, of which 2 fell back and 1 was above the rate, on the last CPU."""

    def read(self, name: MapName, keys: Sequence[bytes]) -> list[bytes | None]:
        if name is not MapName.COUNTERS:
            return super().read(name, keys)
        counts = {Reason.FORWARDED: 4, Reason.FALLBACK: 2, Reason.RATE_LIMITED: 1}
        value = struct.pack(f"={len(Reason)}Q", *(counts.get(reason, 0) for reason in Reason))
        return [bytes(COUNTER_SIZE * (possible_cpus() - 1)) + value.ljust(COUNTER_SIZE, b"\0") for _ in keys]


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """`kernel(frontend, names)` puts a frontend and the names of a state file where commands look."""

    def put(item: Frontend, names: state.State) -> Settings:
        store = Counting()
        converge(wanted(item), store)

        @contextmanager
        def snapshot_of(_settings):
            yield live.Snapshot(store, read_actual(store), names, "")

        monkeypatch.setattr(live, "snapshot_of", snapshot_of)
        monkeypatch.setattr(explain, "snapshot_of", snapshot_of)
        return Settings(state=tmp_path / "state.json")

    return put


def named(*items: Frontend, policies: tuple[LivePolicy, ...] = ()) -> state.State:
    labels, nodes = state.label_frontends(desired(*items))
    return state.State(labels=labels, nodes=nodes, policies=policies)


def loaded(*items: Frontend) -> Loaded:
    manifests = Manifests(cluster=Cluster(), problems=(), files=(), ignored={})
    return Loaded(manifests=manifests, desired=desired(*items))


def chain(found):
    return [(item.use, item.object, backends(item)) for item in found.chain]


def backends(item):
    return None if item.backends is None else [str(backend.address) for backend in item.backends]


ASKED = (ip_address("10.96.0.10"), 80, Protocol.TCP)


def test_the_chain_from_files_goes_down_to_the_service():
    found = explain.file_resolve(loaded(REDIRECT), *ASKED)
    assert chain(found) == [
        (Use.USED, "LocalRedirectPolicy near", ["10.0.0.1"]),
        (Use.FALLBACK, "BalancingPolicy far", ["10.0.0.2"]),
        (Use.UNUSED, "Service default/web", ["10.0.0.3"]),
    ]
    assert found.frontend is not None
    assert (found.frontend.source, found.frontend.rate) == (Source.LOCAL_REDIRECT, 9)


def test_the_live_chain_has_the_backends_of_the_two_priorities_that_maps_hold(kernel):
    found = explain.live_resolve(kernel(REDIRECT, named(REDIRECT)), *ASKED)
    assert chain(found) == [
        (Use.USED, "LocalRedirectPolicy near", ["10.0.0.1"]),
        (Use.FALLBACK, "BalancingPolicy far", ["10.0.0.2"]),
        (Use.UNUSED, "Service default/web", None),
    ]
    assert found.reason == explain.file_resolve(loaded(REDIRECT), *ASKED).reason


@pytest.mark.parametrize("top", [BALANCING, SERVICE])
def test_nothing_falls_back_without_a_local_redirect(kernel, top):
    live_uses, file_uses = (
        [item.use for item in found.chain]
        for found in (
            explain.live_resolve(kernel(top, named(top)), *ASKED),
            explain.file_resolve(loaded(top), *ASKED),
        )
    )
    assert live_uses == file_uses == [Use.USED, Use.UNUSED][: len(file_uses)]


def test_without_a_state_file_the_maps_still_tell_a_redirect_and_its_fallback(kernel):
    found = explain.live_resolve(kernel(REDIRECT, state.State()), *ASKED)
    assert chain(found) == [(Use.USED, "", ["10.0.0.1"]), (Use.FALLBACK, "", ["10.0.0.2"])]
    assert [item.source for item in found.chain] == [Source.LOCAL_REDIRECT, None]


def test_the_map_goes_before_the_state_file(kernel):
    """A fallback that has no backend any more refuses, whatever the names are from."""
    emptied = replace(REDIRECT, beneath=frontend(VIP))
    found = explain.live_resolve(kernel(emptied, named(REDIRECT)), *ASKED)
    assert (found.chain[1].action, found.chain[1].backends) == (Action.REFUSE, ())


def test_problems_of_every_object_of_the_chain_are_notes():
    problem = Problem(origin=SERVICE.origin, message="odd", object="BalancingPolicy far")
    others = replace(problem, object="BalancingPolicy other")
    found = explain.file_resolve(replace(loaded(REDIRECT), problems=(problem, others)), *ASKED)
    assert found.notes == ("BalancingPolicy far: odd",)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (replace(NEAR, reason="no ready pod of this node"), "no ready pod of this node"),
        (NEAR, "it is for other ports"),
        (replace(NEAR, target="10.96.0.10"), "it is for other ports"),
    ],
)
def test_a_policy_for_this_destination_that_has_no_part_is_named(kernel, policy, said):
    found = explain.live_resolve(kernel(SERVICE, named(SERVICE, policies=(policy,))), *ASKED)
    assert found.notes == (f"LocalRedirectPolicy near (web.yaml:1) has no part in this: {said}",)


@pytest.mark.parametrize("policy", [NEAR, replace(NEAR, target="Service default/other", name="other")])
def test_policies_with_a_part_or_for_others_are_not_named(kernel, policy):
    found = explain.live_resolve(kernel(REDIRECT, named(REDIRECT, policies=(policy,))), *ASKED)
    assert found.notes == ()


def test_live_policies_add_up_the_frontends_that_the_maps_hold(kernel):
    names = replace(named(REDIRECT, policies=(NEAR,)), last_pass=PASS)
    (found,) = live.live_policies(kernel(REDIRECT, names))
    assert found.frontends == ("10.96.0.10:80/TCP",)
    assert (found.forwarded, found.fell_back, found.rate_limited) == (7, 2, 1)


def test_live_policies_need_a_record_of_a_pass(kernel):
    settings: Settings = kernel(REDIRECT, state.State())
    with pytest.raises(HostError, match="no pass is on record in"):
        live.live_policies(settings)
