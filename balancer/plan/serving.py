"""Whether a backend still serves a destination, by the frontends alone.

Says the same as the look-up of `bpf/select.h` for a destination that was translated once: an exact frontend
goes before the node port of every node address.
"""

from __future__ import annotations

from collections.abc import Callable

from balancer.plan.encode import WantedFrontend
from balancer.plan.entries import BACKEND, FRONTEND_KEY, MAPPED_PREFIX

_ANY_IPV4 = MAPPED_PREFIX + bytes(4)
_ANY_IPV6 = bytes(16)


LookUp = Callable[[bytes], WantedFrontend | None]
"""The frontend of a key."""


def serves(look_up: LookUp, vip: bytes, protocol: int, backend: bytes) -> bool:
    """`vip` and `backend` are as `backend_bytes` packs them; `protocol` is
    an IP protocol number.
    """
    address, port = BACKEND.unpack(vip)
    unspecified = _ANY_IPV4 if address.startswith(MAPPED_PREFIX) else _ANY_IPV6
    for where in (address, unspecified):
        frontend = look_up(FRONTEND_KEY.pack(where, port, protocol))
        if frontend is not None:
            return backend in frontend.backends or backend in frontend.fallback
    return False
