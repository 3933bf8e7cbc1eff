"""The shape of every map as this version's programs use it, to know a map that they can take over.

The C structs in bpf/types.h are the truth. A test compares the sizes and fields here and in
`balancer.plan.entries` with what the compiler made of them.
"""

from __future__ import annotations

from balancer.errors import HostUnfit
from balancer.kernel.libbpf import MapInfo
from balancer.kernel.reasons import Reason
from balancer.plan import entries
from balancer.plan.entries import MapName

# enum bpf_map_type of the kernel's user API.
HASH, ARRAY, PERCPU_ARRAY, LRU_HASH, SK_STORAGE, RINGBUF = 1, 2, 6, 9, 24, 27
COUNTER_SIZE = 8 * len(Reason)
SETTING_SLOTS = 16
RANDOM_SIZE = 8
RECENT_SIZE = 64
RATE_SIZE = 16
PEER_SIZE = 48
UDP_SOCKET_SIZE = 328
UDP_REJECTED_SIZE = 176

# (type, key size, value size)
SHAPES: dict[str, tuple[int, int, int]] = {
    MapName.ADDRESSES: (HASH, entries.ADDRESS.size, entries.ADDRESS_INFO.size),
    MapName.FRONTENDS: (HASH, entries.FRONTEND_KEY.size, entries.FRONTEND.size),
    MapName.SLOTS: (ARRAY, entries.INDEX.size, entries.BACKEND.size),
    MapName.MEMBERS: (HASH, entries.MEMBER.size, entries.MEMBER_VALUE.size),
    MapName.AFFINITY: (LRU_HASH, entries.AFFINITY_KEY.size, entries.AFFINITY.size),
    MapName.COUNTERS: (PERCPU_ARRAY, entries.INDEX.size, COUNTER_SIZE),
    MapName.SETTINGS: (ARRAY, entries.INDEX.size, entries.SETTING.size),
    MapName.CGROUPS: (HASH, entries.CGROUP_ID.size, entries.CGROUP_FLAGS.size),
    MapName.OWNERS: (HASH, entries.OWNER.size, entries.OWNER_VALUE.size),
    MapName.RATES: (ARRAY, entries.INDEX.size, RATE_SIZE),
    "peers": (ARRAY, entries.INDEX.size, PEER_SIZE),
    "recent": (ARRAY, entries.INDEX.size, RECENT_SIZE),
    "random": (PERCPU_ARRAY, entries.INDEX.size, RANDOM_SIZE),
    "udp_sockets": (SK_STORAGE, 4, UDP_SOCKET_SIZE),
    "udp_rejected": (SK_STORAGE, 4, UDP_REJECTED_SIZE),
    "events": (RINGBUF, 0, 0),
}


def fits(name: str, info: MapInfo, size: int | None) -> bool:
    """Whether a pinned map has the shape that the programs expect, and `size` entries (None: any)."""
    return (info.type, info.key_size, info.value_size) == SHAPES[name] and size in (None, info.max_entries)


def require(name: str, info: MapInfo) -> None:
    """Refuses maps that a compiler laid out differently, before a byte is written to them."""
    if not fits(name, info, None):
        raise HostUnfit(
            f"map {name} has type, key and value size {info[:3]}, this version writes {SHAPES[name]}",
            hint="the C source and the package are of different versions: install balancer again",
        )
