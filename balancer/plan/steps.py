"""The writes of a plan and the order that makes them safe.

The order is the whole of the crash safety: a process killed between any two single writes leaves
maps in which every frontend answers completely, with its old or with its new backends. This file
says what a write is; nothing here decides which writes are needed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from balancer.plan.entries import MapName


class Step(enum.IntEnum):
    """The order of writing, with the reason for each place.

    SETTLE: a process killed before its last SYNCHRONIZE may have left a program run that still reads a
        block which no frontend refers to any more. It has to end before that block's slots are reused.
    BLOCKS: new lists go into slots that nobody refers to, so that frontends have something whole to
        point at.
    ADD_MEMBERS: a kept choice of backend counts only while it is a member, so a backend is one before
        the first frontend can hand it out.
    FREE_COUNTERS: a counter given to a new frontend starts from nothing, before it can be counted in. What a
        killed process left in it is kept in the entry RETIRED.
    ADD_CGROUPS: a pod that opted out must not meet a frontend first.
    ADD_OWNERS: a redirect's own backend must not meet its redirect first.
    PUT_FRONTENDS: each entry is swapped in one atomic update from one whole list to another, together
        with its group, affinity and action.
    PUT_ADDRESSES: the gate refuses the unknown ports of a VIP, so a VIP opens after its frontends exist.
    RETIRE_COUNTERS: the counts of a frontend are kept elsewhere before it goes, so that their sum is never
        without them, whenever the process is killed.
    DELETE_FRONTENDS: after the new entries exist (a node port may move from one address to all), and
        before the addresses: a VIP that loses its ports refuses, it never lets a packet through to the
        bare VIP.
    DELETE_ADDRESSES: when no frontend is left behind them.
    DELETE_MEMBERS: when no frontend hands these backends out any more.
    DELETE_CGROUPS, DELETE_OWNERS: nothing depends on them.
    SYNCHRONIZE: when program runs that read an old entry have ended, the next plan may reuse what this
        one left unreferenced.
    COLLECT_COUNTERS: what was counted for deleted frontends since RETIRE_COUNTERS, complete only now.
    """

    SETTLE = 0
    BLOCKS = 1
    ADD_MEMBERS = 2
    FREE_COUNTERS = 3
    ADD_CGROUPS = 4
    ADD_OWNERS = 5
    PUT_FRONTENDS = 6
    PUT_ADDRESSES = 7
    RETIRE_COUNTERS = 8
    DELETE_FRONTENDS = 9
    DELETE_ADDRESSES = 10
    DELETE_MEMBERS = 11
    DELETE_CGROUPS = 12
    DELETE_OWNERS = 13
    SYNCHRONIZE = 14
    COLLECT_COUNTERS = 15


class WriteKind(enum.StrEnum):
    """Which call of `MapStore` a write is."""

    UPDATE = "update"
    DELETE = "delete"
    RETIRE = "retire"
    SYNCHRONIZE = "synchronize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One call on the store. `entries` are (key, value) for UPDATE, `keys` are for DELETE and RETIRE, both
    by rising key; `map` is None and both are empty for SYNCHRONIZE.
    """

    step: Step
    kind: WriteKind
    map: MapName | None = None
    entries: tuple[tuple[bytes, bytes], ...] = ()
    keys: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """How many single writes this is; a synchronize counts as one."""
        return len(self.entries) or len(self.keys) or 1
