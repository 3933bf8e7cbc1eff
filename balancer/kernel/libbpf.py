"""The calls of libbpf that balancer needs, with errors as `KernelCallFailed`.

libbpf is bound here directly because BCC's own library brings the whole of LLVM with it, which a
pass that only changes maps must not load. File descriptors are plain ints owned by the caller.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct
import sys
from pathlib import Path
from typing import NamedTuple

from balancer.errors import HostUnfit, KernelCallFailed

_NAMES = ("libbpf.so.1", "libbpf.so.0")

_ADVICE = {
    errno.EPERM: "run as root; `balancer doctor` names what is missing",
    errno.EACCES: "run as root; `balancer doctor` names what is missing",
    errno.ENOMEM: "the kernel has no memory for it: lower the sizes under map_limits in the config file",
    errno.E2BIG: "the map is full: raise its limit under map_limits in the config file",
    errno.ENOSPC: "the map is full: raise its limit under map_limits in the config file",
    errno.EINVAL: "the kernel does not know this call or its options: see `balancer doctor`",
    errno.ENOENT: "it is not there any more: another process may have removed it",
    errno.EBUSY: "another program holds it",
}
# union bpf_attr for BPF_MAP_CREATE: type, sizes of key and value, entries, flags, inner map, NUMA node, name,
# interface, BTF object, its types of key and value.
_MAP_CREATE = struct.Struct("=7I16s4I")
_BPF_MAP_CREATE = 0
_BPF_CALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}  # bpf(2)
_OTHERWISE = "run the command again; if the error stays, see `balancer doctor`"


@functools.cache
def library() -> ctypes.CDLL:
    """Loads libbpf once; `HostUnfit` when it is not installed."""
    for name in _NAMES:
        try:
            return ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
    raise HostUnfit("libbpf is not installed", hint="install it with: apt-get install python3-bpfcc")


def failed(action: str, code: int) -> KernelCallFailed:
    """The error for a call that ended with this errno (positive)."""
    return KernelCallFailed(action, code, hint=_ADVICE.get(code, _OTHERWISE))


def _checked(action: str, result: int) -> int:
    # libbpf 1.x returns -errno, older ones return -1 and set errno.
    if result >= 0:
        return result
    raise failed(action, -result if result < -1 else ctypes.get_errno() or -result)


def obj_get(path: Path) -> int:
    """A new file descriptor of what is pinned at `path`."""
    return _checked(f"open {path}", library().bpf_obj_get(os.fsencode(path)))


def obj_pin(fd: int, path: Path) -> None:
    _checked(f"pin {path}", library().bpf_obj_pin(fd, os.fsencode(path)))


class MapInfo(NamedTuple):
    """The shape of a map; two maps of one shape can stand for each other."""

    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


class MapTypes(NamedTuple):
    """What a map's key and value are for people who look at it: a BTF object by its id, and types in it. 0: none."""

    btf_id: int
    key: int
    value: int


class LinkInfo(NamedTuple):
    """`cgroup_id` is 0 when the cgroup of the link is gone."""

    id: int
    program_id: int
    cgroup_id: int
    attach_type: int


def _info(fd: int, size: int, asked: bytes = b"") -> bytes:
    """The kernel's structure of this size; `asked` is what it has to hold before the call."""
    buffer = ctypes.create_string_buffer(asked, size)
    length = ctypes.c_uint32(size)
    _checked(
        "read the kernel's information", library().bpf_obj_get_info_by_fd(fd, buffer, ctypes.byref(length))
    )
    return buffer.raw


def _words(raw: bytes, *offsets: int) -> tuple[int, ...]:
    return tuple(int.from_bytes(raw[offset : offset + 4], "little") for offset in offsets)


def map_info(fd: int) -> MapInfo:
    return MapInfo(*_words(_info(fd, 96), 0, 8, 12, 16, 20))


def map_types(fd: int) -> MapTypes:
    return MapTypes(*_words(_info(fd, 96), 64, 68, 72))


def map_create(name: str, shape: MapInfo, types: MapTypes) -> int:
    """A new map. The call is made without libbpf, whose function for it has another name in each major version."""
    number = _BPF_CALL.get(platform.machine())
    if number is None:
        raise HostUnfit(
            f"maps cannot be made on {platform.machine()}", hint="use one of " + ", ".join(_BPF_CALL)
        )
    btf = library().bpf_btf_get_fd_by_id(types.btf_id) if types.btf_id else -1
    try:
        known = types[1:] if btf >= 0 else (0, 0)
        attr = _MAP_CREATE.pack(*shape, 0, 0, name.encode(), 0, max(btf, 0), *known)
        made: int = ctypes.CDLL(None, use_errno=True).syscall(number, _BPF_MAP_CREATE, attr, len(attr))
        return _checked(f"make map {name} of {shape.max_entries} entries", made)
    finally:
        if btf >= 0:
            os.close(btf)


def map_id(fd: int) -> int:
    return _words(_info(fd, 96), 4)[0]


def program_id(fd: int) -> int:
    return _words(_info(fd, 232), 4)[0]


def program_fd(ident: int) -> int:
    """A new file descriptor of a loaded program. Ids may be used by whoever may load programs."""
    return _checked(f"open program {ident}", library().bpf_prog_get_fd_by_id(ident))


def maps_of_program(program: int) -> dict[str, int]:
    """New file descriptors of the maps that a program uses, by the name each was made with."""
    (count,) = _words(_info(program, 232), 52)
    ids = (ctypes.c_uint32 * count)()
    info = bytearray(232)
    info[52:56] = count.to_bytes(4, sys.byteorder)
    info[56:64] = ctypes.addressof(ids).to_bytes(8, sys.byteorder)
    _info(program, 232, bytes(info))
    found = {}
    for ident in ids:
        fd = _checked(f"open map {ident}", library().bpf_map_get_fd_by_id(ident))
        found[_info(fd, 96)[24:40].split(b"\0")[0].decode()] = fd
    return found


def link_info(fd: int) -> LinkInfo:
    raw = _info(fd, 64)
    ident, program, attach_type = _words(raw, 4, 8, 24)
    return LinkInfo(ident, program, int.from_bytes(raw[16:24], "little"), attach_type)


def link_create(program: int, cgroup: int, attach_type: int) -> int:
    return _checked(
        "attach a program to the cgroup", library().bpf_link_create(program, cgroup, attach_type, None)
    )


def link_update(link: int, program: int) -> None:
    """Puts another program into a link; there is no instant without one."""
    _checked("replace an attached program", library().bpf_link_update(link, program, None))


def attached_programs(cgroup: int, attach_type: int) -> tuple[int, ...]:
    """Ids of the programs attached to this very cgroup, in the order they run."""
    return attachments(cgroup, attach_type)[0]


def attachments(cgroup: int, attach_type: int) -> tuple[tuple[int, ...], int]:
    """The same ids, and how the first was attached: 0, BPF_F_ALLOW_OVERRIDE (1) or BPF_F_ALLOW_MULTI (2),
    which links have too. All programs of one cgroup and hook are attached in one way.
    """
    ids = (ctypes.c_uint32 * 64)()
    count, flags = ctypes.c_uint32(64), ctypes.c_uint32(0)
    result = library().bpf_prog_query(cgroup, attach_type, 0, ctypes.byref(flags), ids, ctypes.byref(count))
    _checked("list the programs of the cgroup", result)
    return tuple(ids[: count.value]), flags.value


def lookup(fd: int, key: bytes, size: int) -> bytes | None:
    """One value of `size` bytes, None when the key is absent."""
    value = ctypes.create_string_buffer(size)
    result = library().bpf_map_lookup_elem(fd, key, value)
    if result == -errno.ENOENT or (result == -1 and ctypes.get_errno() == errno.ENOENT):
        return None
    _checked("read a map entry", result)
    return value.raw


def update(fd: int, key: bytes, value: bytes) -> None:
    _checked("write a map entry", library().bpf_map_update_elem(fd, key, value, 0))


def delete(fd: int, key: bytes) -> None:
    """Removes an entry; one that is absent is fine."""
    result = library().bpf_map_delete_elem(fd, key)
    if result < 0 and result != -errno.ENOENT and ctypes.get_errno() != errno.ENOENT:
        _checked("delete a map entry", result)


def update_batch(fd: int, keys: bytes, values: bytes, count: int) -> None:
    """`keys` and `values` are `count` entries each, one behind the other."""
    done = ctypes.c_uint32(count)
    result = library().bpf_map_update_batch(fd, keys, values, ctypes.byref(done), None)
    _checked("write map entries", result)


def lookup_batch(fd: int, info: MapInfo, chunk: int = 16384) -> tuple[bytes, bytes]:
    """All keys and all values of a map that is not per CPU, each one behind the other."""
    keys, values = [], []
    token = ctypes.create_string_buffer(max(8, info.key_size))
    started = False
    size = min(chunk, max(info.max_entries, 1))
    while True:
        count = ctypes.c_uint32(size)
        key_buffer = ctypes.create_string_buffer(size * info.key_size)
        value_buffer = ctypes.create_string_buffer(size * info.value_size)
        result = library().bpf_map_lookup_batch(
            fd, token if started else None, token, key_buffer, value_buffer, ctypes.byref(count), None
        )
        code = 0 if result >= 0 else (-result if result < -1 else ctypes.get_errno())
        if code == errno.ENOSPC:  # a bucket of the hash is larger than the buffers
            size *= 2
            continue
        if code not in (0, errno.ENOENT):
            raise failed("read map entries", code)
        keys.append(key_buffer.raw[: count.value * info.key_size])
        values.append(value_buffer.raw[: count.value * info.value_size])
        started = True
        if code == errno.ENOENT:
            return b"".join(keys), b"".join(values)


@functools.cache
def possible_cpus() -> int:
    """How many values one entry of a per-CPU map has."""
    return _checked("count the processors", library().libbpf_num_possible_cpus())
