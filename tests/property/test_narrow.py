"""The narrow way: whatever is edited, in whatever order, the result is what a full computation gives."""

from __future__ import annotations

from typing import Any

import pytest
from builders import host
from cluster_strategies import mostly, relaxed, rules
from edit_strategies import Change, EditedWorld, beginnings, edits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balancer.desired.compute import compute
from balancer.desired.narrow import Following
from balancer.desired.step import Step
from balancer.desired.types import Desired, Host, Rules
from balancer.model.meta import IPAddress

Sequence = list[list[Change]]
hosts: st.SearchStrategy[Host] = st.sampled_from([host(), host("vm-1", ("127.0.0.1", "192.0.2.1"))])
moves = mostly(None, host(), host(addresses=("127.0.0.1", "192.168.0.9")))
several = settings(parent=relaxed, max_examples=250, suppress_health_check=list(HealthCheck))
many = settings(several, max_examples=10_000)


def applied(step: Step) -> tuple[list[Any], list[tuple[IPAddress, Any]]]:
    """What the step says comes of `before`: its frontends, and its addresses by flags."""
    gone = {item.order: item for item in step.gone}
    left = [item for item in step.before.frontends if gone.get(item.order) != item]
    assert len(left) == len(step.before.frontends) - len(gone)
    assert set(step.addresses_gone) <= set(step.before.addresses)
    flags = {ip: flag for ip, flag in step.before.addresses.items() if ip not in step.addresses_gone}
    flags |= step.addresses_put
    frontends = sorted([*left, *step.put], key=lambda item: item.order)
    return frontends, sorted(flags.items(), key=lambda item: (item[0].version, int(item[0])))


def check(step: Step, before: Desired, full: Desired) -> None:
    assert step.before is before
    assert step.after == full
    assert list(step.after.addresses) == list(full.addresses)
    if step.whole:
        assert step == Step(before=before, after=step.after, whole=True)
        return
    assert applied(step) == (list(full.frontends), list(full.addresses.items()))
    assert not set(step.put) & set(step.before.frontends)
    assert all(step.before.addresses.get(ip) != flag for ip, flag in step.addresses_put.items())
    assert [item.order for item in step.put] == sorted({item.order for item in step.put})


def follow(found: list[Any], changes: Sequence, on: Host, under: Rules, move: Host | None) -> None:
    """Plays the edits; the host moves in the middle of them."""
    world = EditedWorld(found)
    following = Following(world.cluster, on, under)
    for index, change in enumerate(changes):
        on = move if move is not None and index == len(changes) // 2 else on
        edit, before = world.change(change), following.desired
        step = following.update(edit, world.cluster, on)
        assert following.desired is step.after
        check(step, before, compute(world.cluster, on, under))


@several
@given(beginnings, edits, hosts, rules, moves)
def test_every_step_leads_to_what_all_of_it_gives(
    found: list[Any], changes: Sequence, on: Host, under: Rules, move: Host | None
) -> None:
    """A part worked out before and after an edit tells all that the edit changes."""
    follow(found, changes, on, under, move)


@pytest.mark.stress
@pytest.mark.timeout(0)
@many
@given(beginnings, edits, hosts, rules, moves)
def test_every_step_of_many_sequences(
    found: list[Any], changes: Sequence, on: Host, under: Rules, move: Host | None
) -> None:
    """The same, for as long as somebody waits."""
    follow(found, changes, on, under, move)
