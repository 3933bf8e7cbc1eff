"""The bytes of every map entry, in the layout of `bpf/types.h`.

The C structs are the truth: a test compares every format here with the types that the compiler
made. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d, in network order, as are ports. Everything
else is in the byte order of the host.
"""

from __future__ import annotations

import enum
import hashlib
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from balancer.desired.types import Action
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol

MAPPED_PREFIX = bytes(10) + b"\xff\xff"

FRONTEND_KEY = struct.Struct("=16sHBx")
FRONTEND = struct.Struct("=QQQIIIIIIIBBBx")
BACKEND = struct.Struct("=16sHxx")
MEMBER = struct.Struct("=Q20s4x")
MEMBER_VALUE = struct.Struct("=I")
ADDRESS = struct.Struct("=16s")
ADDRESS_INFO = struct.Struct("=II")
INDEX = struct.Struct("=I")
AFFINITY_KEY = struct.Struct("=QQ")
AFFINITY = struct.Struct("=20s4xQ")
SETTING = struct.Struct("=Q")
OWNER = struct.Struct("=QQ")
OWNER_VALUE = struct.Struct("=I")
CGROUP_ID = struct.Struct("=Q")
CGROUP_FLAGS = struct.Struct("=I")
EVENT = struct.Struct("=QQQQ20s20sII16sBBB5x")
_ADDRESS_WORDS = struct.Struct("=IIII")
_FRONTEND_KEY_WORDS = struct.Struct("=IIIIHBx")

PROTOCOL_NUMBER = {Protocol.TCP: 6, Protocol.UDP: 17}
PROTOCOL_OF = {number: protocol for protocol, number in PROTOCOL_NUMBER.items()}
ACTION_NUMBER = {Action.FORWARD: 0, Action.REFUSE: 1, Action.UNREACHABLE: 2}
ACTION_OF = {number: action for action, number in ACTION_NUMBER.items()}


class MapName(enum.StrEnum):
    """The maps that user space writes or reads; the value is the name in C and of the pin."""

    ADDRESSES = "addresses"
    FRONTENDS = "frontends"
    SLOTS = "slots"
    MEMBERS = "members"
    AFFINITY = "affinity"
    COUNTERS = "counters"
    SETTINGS = "settings"
    CGROUPS = "cgroups"
    OWNERS = "owners"
    RATES = "rates"


class Setting(enum.IntEnum):
    """Indexes of the settings map, as in `bpf/types.h`."""

    BUILD_ID = 0
    HOST_NETNS = 1
    EVENT_LEVEL = 2
    CGROUP_LEVELS = 3
    EVENT_UNTIL = 4
    EVENTS_LOST = 5
    EVENT_SINCE = 6
    LAST_WRITER = 7
    VIPS_IPV4 = 8
    VIPS_IPV6 = 9
    EPOCH = 10
    RECENT = 11
    PEERS = 12
    CANARIES = 13


class EventLevel(enum.IntEnum):
    """What SETTING_EVENT_LEVEL asks for: nothing, calls that were rejected, every decision."""

    OFF = 0
    REJECTIONS = 1
    ALL = 2


class EventFlag(enum.IntFlag):
    """CONNECT: the call was a connect, otherwise a send. NODE_PORT: the node-port entry of every address
    decided, the one under 0.0.0.0 or ::.
    """

    CONNECT = 1
    NODE_PORT = 2


class FrontendFlag(enum.IntFlag):
    """REDIRECT: connections of its own backends, and those above its rate, get the fallback."""

    REDIRECT = 1


class CgroupFlag(enum.IntFlag):
    SKIP = 1


class FrontendEntry(NamedTuple):
    """The value of the frontends map. `group` 0 means no membership is kept (no affinity, not UDP, no
    redirect); `fallback_group` is that of the fallback list. `rate` is in connections per second.

    `base`/`length` and `fallback_base`/`fallback_length` are ranges of slots; an empty list is (0, 0).
    `counter` is an index of the counters map, from `counters.FIRST`.
    """

    group: int
    fallback_group: int
    base: int
    length: int
    fallback_base: int
    fallback_length: int
    affinity_seconds: int
    counter: int
    rate: int
    action: int
    flags: int
    fallback_action: int

    def pack(self, key: bytes) -> bytes:
        """The value to store under `key`: its first word repeats the key in short (`frontend_check`)."""
        return FRONTEND.pack(frontend_check(key), *self)

    @classmethod
    def unpack(cls, raw: bytes) -> FrontendEntry:
        """The inverse of `pack`; the check is not looked at."""
        return cls(*FRONTEND.unpack(raw)[1:])


def address_bytes(address: IPAddress) -> bytes:
    """16 bytes; an IPv4 address as its v4-mapped IPv6 address."""
    return address.packed if address.version == 6 else MAPPED_PREFIX + int(address).to_bytes(4, "big")


def address_of(raw: bytes) -> IPAddress:
    """The inverse of `address_bytes`: a v4-mapped address comes back as IPv4."""
    if raw[:12] == MAPPED_PREFIX:
        return IPv4Address(raw[12:16])
    return IPv6Address(raw[:16])


def address_check(raw: bytes) -> int:
    """What `address_check` of `bpf/select.h` gives for 16 bytes of address: 32 bits in host order."""
    first, second, third, fourth = _ADDRESS_WORDS.unpack(raw)
    return int(first ^ second ^ third ^ fourth)


def address_value(raw: bytes, flags: int) -> bytes:
    """The value of the addresses map for the address in `raw`."""
    return ADDRESS_INFO.pack(flags, address_check(raw))


def address_flags(value: bytes) -> int:
    """The flags in a value of the addresses map."""
    flags: int = ADDRESS_INFO.unpack(value)[0]
    return flags


def frontend_check(key: bytes) -> int:
    """What `frontend_check` of `bpf/select.h` gives for a key: 64 bits in host order.

    The kernel may reuse the memory of a replaced hash element while a program still reads it, so a
    program compares this word with the key it looked up.
    """
    first, second, third, fourth, port, protocol = _FRONTEND_KEY_WORDS.unpack(key)
    return int((first ^ third ^ port << 8 ^ protocol) << 32 | (second ^ fourth))


def frontend_key(address: IPAddress, port: int, protocol: Protocol) -> bytes:
    return FRONTEND_KEY.pack(address_bytes(address), socket.htons(port), PROTOCOL_NUMBER[protocol])


def frontend_key_parts(raw: bytes) -> tuple[IPAddress, int, Protocol]:
    address, port, protocol = FRONTEND_KEY.unpack(raw)
    return address_of(address), socket.ntohs(port), PROTOCOL_OF[protocol]


def backend_bytes(address: IPAddress, port: int) -> bytes:
    return BACKEND.pack(address_bytes(address), socket.htons(port))


def backend_parts(raw: bytes) -> tuple[IPAddress, int]:
    address, port = BACKEND.unpack(raw)
    return address_of(address), socket.ntohs(port)


def group_id(group: str) -> int:
    """A 64-bit id that depends on the group's name alone, so that no history is needed to know it."""
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest(), "little") or 1
