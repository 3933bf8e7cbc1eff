"""Cgroup programs that belong to somebody else, attached in each of the ways the kernel knows.

One forbids connections to a port, as a policy agent would; a pair of packet filters drops one address, as
systemd's IPAddressDeny= does. Loaded and attached by bpf(2) itself, so that nothing of the product helps.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import os
import platform
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_SYSCALL = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH, _LINK_CREATE = 5, 8, 9, 28
_CGROUP_SKB, _CGROUP_SOCK_ADDR = 8, 18
_INET_INGRESS, _INET_EGRESS, _INET4_CONNECT = 0, 1, 10
_USER_PORT = 24
"""Offset of user_port in struct bpf_sock_addr."""
_SOURCE, _DESTINATION = 12, 16
"""Offsets of the addresses in an IPv4 header."""
_SKB_LOAD_BYTES = 26


class Style(enum.Enum):
    """How a program is attached. The values are the flags of BPF_PROG_ATTACH, None is a link.

    EXCLUSIVE is the oldest way and what many tools still use: nobody may attach beside it or below it.
    OVERRIDE lets programs below take its place.
    """

    LINK = None
    EXCLUSIVE = 0
    OVERRIDE = 1
    MULTI = 2


def _bpf(command: int, attributes: bytes) -> int:
    """bpf(2); OSError with its errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, 128)
    result: int = libc.syscall(_SYSCALL[platform.machine()], command, buffer, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _instruction(code: int, *, registers: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, registers, offset, value)


def _read_context(field: int) -> bytes:
    """r2 = the context's 32 bits at `field`."""
    return _instruction(0x61, registers=0x12, offset=field)


def _read_packet(field: int) -> bytes:
    """r2 = the packet's 32 bits at `field`, counted from its network header."""
    return b"".join((
        _instruction(0xB7, registers=0x02, value=field),
        _instruction(0xBF, registers=0xA3),
        _instruction(0x07, registers=0x03, value=-4),
        _instruction(0xB7, registers=0x04, value=4),
        _instruction(0x85, value=_SKB_LOAD_BYTES),
        _instruction(0x61, registers=0xA2, offset=-4),
    ))  # fmt: skip


def _refuse_if(unwanted: int) -> bytes:
    """return r2 == unwanted ? 0 : 1, where 0 refuses."""
    return b"".join((
        _instruction(0xB4, registers=0x03, value=unwanted),
        _instruction(0xB7, registers=0x00, value=1),
        _instruction(0x5D, registers=0x32, offset=1),
        _instruction(0xB7, registers=0x00, value=0),
        _instruction(0x95),
    ))  # fmt: skip


def _load(code: bytes, kind: int, attach_type: int) -> int:
    text, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    head = struct.pack("=IIQQIIQII", kind, len(code) // 8, ctypes.addressof(text), ctypes.addressof(licence),
                       0, 0, 0, 0, 0)  # fmt: skip
    attributes = head + b"foreign".ljust(16, b"\0") + struct.pack("=II", 0, attach_type)
    return _bpf(_PROG_LOAD, attributes)


@contextlib.contextmanager
def _attached(cgroup: Path, code: bytes, kind: int, attach_type: int, style: Style) -> Iterator[int]:
    """Yields the program's id."""
    with contextlib.ExitStack() as stack:
        program = _load(code, kind, attach_type)
        stack.callback(os.close, program)
        target = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, target)
        if style is Style.LINK:
            link = _bpf(_LINK_CREATE, struct.pack("=4I", program, target, attach_type, 0))
            stack.callback(os.close, link)
        else:
            _bpf(_PROG_ATTACH, struct.pack("=4I", target, program, attach_type, style.value))
            stack.callback(_bpf, _PROG_DETACH, struct.pack("=4I", target, program, attach_type, 0))
        info = Path(f"/proc/self/fdinfo/{program}").read_text()
        yield int(info.partition("prog_id:")[2].split()[0])


@contextlib.contextmanager
def forbidding(cgroup: Path, *, port: int, style: Style = Style.MULTI) -> Iterator[int]:
    """IPv4 connections to `port` from `cgroup` and below end with EPERM; yields the program's id."""
    code = _read_context(_USER_PORT) + _refuse_if(socket.htons(port))
    with _attached(cgroup, code, _CGROUP_SOCK_ADDR, _INET4_CONNECT, style) as program:
        yield program


@contextlib.contextmanager
def filtering(cgroup: Path, address: str, *, style: Style = Style.MULTI) -> Iterator[None]:
    """No IPv4 packet to or from `address` passes for `cgroup` and below, whichever way."""
    refuse = _refuse_if(*struct.unpack("=i", socket.inet_aton(address)))
    with (
        _attached(cgroup, _read_packet(_SOURCE) + refuse, _CGROUP_SKB, _INET_INGRESS, style),
        _attached(cgroup, _read_packet(_DESTINATION) + refuse, _CGROUP_SKB, _INET_EGRESS, style),
    ):
        yield
