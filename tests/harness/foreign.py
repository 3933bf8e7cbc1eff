"""A cgroup program that belongs to somebody else: it forbids connections to one port."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SYSCALL = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _OBJ_PIN = 5, 6
_CGROUP_SOCK_ADDR, _INET4_CONNECT = 18, 10
_USER_PORT = 24
"""Offset of user_port in struct bpf_sock_addr."""


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


def _forbid(port: int) -> bytes:
    """r2 = ctx->user_port; return r2 == htons(port) ? 0 : 1, where 0 is EPERM."""
    in_network_order = int.from_bytes(struct.pack("!H", port), "little")
    return b"".join((
        _instruction(0x61, registers=0x12, offset=_USER_PORT),
        _instruction(0xB7, registers=0x00, value=1),
        _instruction(0x55, registers=0x02, offset=1, value=in_network_order),
        _instruction(0xB7, registers=0x00, value=0),
        _instruction(0x95),
    ))  # fmt: skip


def _load(port: int) -> int:
    code, licence = ctypes.create_string_buffer(_forbid(port)), ctypes.create_string_buffer(b"GPL")
    head = struct.pack("=IIQQIIQII", _CGROUP_SOCK_ADDR, 5, ctypes.addressof(code), ctypes.addressof(licence),
                       0, 0, 0, 0, 0)  # fmt: skip
    attributes = head + b"foreign".ljust(16, b"\0") + struct.pack("=II", 0, _INET4_CONNECT)
    return _bpf(_PROG_LOAD, attributes)


@contextlib.contextmanager
def forbidding(cgroup: Path, pin: Path, *, port: int) -> Iterator[int]:
    """Attach it to `cgroup` beside whatever is there, without a link, as older tools do; yields its id."""
    descriptor = _load(port)
    path = ctypes.create_string_buffer(os.fsencode(pin))
    try:
        _bpf(_OBJ_PIN, struct.pack("=QI", ctypes.addressof(path), descriptor))
        info = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    finally:
        os.close(descriptor)
    place = [str(cgroup), "connect4", "pinned", str(pin)]
    subprocess.run(["bpftool", "cgroup", "attach", *place, "multi"], check=True)
    try:
        yield int(info.partition("prog_id:")[2].split()[0])
    finally:
        subprocess.run(["bpftool", "cgroup", "detach", *place], check=True)
        pin.unlink()
