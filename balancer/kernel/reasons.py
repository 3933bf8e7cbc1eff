"""The names of `enum reason` in bpf/reasons.h: the index inside a counter, and a metric's label."""

from __future__ import annotations

import enum


class Reason(enum.IntEnum):
    FORWARDED = 0
    AFFINITY = 1
    SOCKET = 2
    FALLBACK = 3
    RATE_LIMITED = 4
    REFUSED = 5
    UNREACHABLE = 6
    UNKNOWN_PORT = 7


FORWARDING = (Reason.FORWARDED, Reason.AFFINITY, Reason.SOCKET, Reason.FALLBACK, Reason.RATE_LIMITED)
REJECTING = (Reason.REFUSED, Reason.UNREACHABLE, Reason.UNKNOWN_PORT)
