"""Where most service addresses are, so that programs ask the frontends before the gate there.

It is a hint about the order of look-ups and never decides anything: wrong or missing, it only costs time.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping

from balancer.desired.types import AddressFlags
from balancer.plan.entries import MAPPED_PREFIX, Setting

_VIP = int(AddressFlags.VIP)
_LOOPBACK = 127
_IPV4 = len(MAPPED_PREFIX)
_WORDS = struct.Struct("=II")


def vip_settings(addresses: Mapping[bytes, int]) -> dict[Setting, int]:
    """The two settings for these addresses (`address_bytes` with `AddressFlags`), 0 where there are no VIPs.

    Loopback is left out: the gate answers for all of it as for 127.0.0.1.
    """
    vips = [raw for raw, flags in addresses.items() if flags & _VIP]
    four = [raw for raw in vips if raw.startswith(MAPPED_PREFIX) and raw[_IPV4] != _LOOPBACK]
    six = [raw[:8] for raw in vips if not raw.startswith(MAPPED_PREFIX)]
    return {
        Setting.VIPS_IPV4: _span(four) if four else 0,
        Setting.VIPS_IPV6: _upper(_most(Counter(six))) if six else 0,
    }


def _upper(raw: bytes) -> int:
    """As the programs read it: two words in the order of the host, the first one above."""
    first, second = _WORDS.unpack(raw)
    return int(first << 32 | second)


def _span(vips: list[bytes]) -> int:
    """First and number in the /12 that has most of them: Kubernetes allows no larger range of cluster IPs.

    What is between the first and the last should be VIPs too: others are looked for in two maps there.
    """
    blocks: Counter[bytes] = Counter()
    for start, number in Counter([raw[: _IPV4 + 2] for raw in vips]).items():
        blocks[start[:-1] + bytes([start[-1] & 0xF0])] += number
    block = _most(blocks)
    end = block[:-1] + bytes([block[-1] | 0x0F])
    inside = [raw for raw in vips if block <= raw[: _IPV4 + 2] <= end]
    first, last = (int.from_bytes(raw[_IPV4:], "big") for raw in (min(inside), max(inside)))
    return first << 32 | last - first + 1


def _most(counted: Counter[bytes]) -> bytes:
    """The value counted most often, of equal ones the last."""
    return max(counted, key=lambda value: (counted[value], value))
