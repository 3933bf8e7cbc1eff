"""Refusing a plan that removes so much that somebody should look at it first.

A directory that a sync tool emptied half-way looks exactly like a wish to remove everything. The
brake never looks at why; a person who means it says so.
"""

from __future__ import annotations

from balancer.errors import BrakeEngaged
from balancer.plan.actual import Actual
from balancer.plan.diff import Plan, Verb

FREE_DELETIONS = 10
"""Up to this many frontends may go without a question, however few there are."""


def check_brake(plan: Plan, actual: Actual, *, allow_mass_delete: bool) -> None:
    """Raise BrakeEngaged if the plan deletes more than half of the live frontends and more than ten."""
    live = len(actual.frontends)
    deleted = sum(1 for change in plan.changes if change.verb is Verb.DELETE)
    if allow_mass_delete or not is_mass_delete(deleted, live):
        return
    raise BrakeEngaged(
        f"refused: this would delete {deleted} of {live} live frontends",
        hint="if that is what you want, run balancer apply --allow-mass-delete",
    )


def is_mass_delete(deleted: int, live: int) -> bool:
    """Whether so many deletions of so many live frontends are refused without a word of the operator."""
    return deleted > FREE_DELETIONS and deleted * 2 > live
