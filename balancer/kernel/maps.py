"""The pinned maps as a `MapStore`: bytes in, bytes out."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from balancer.errors import KernelCallFailed
from balancer.kernel import libbpf
from balancer.kernel.layout import COUNTER_SIZE
from balancer.plan.counters import RETIRED
from balancer.plan.entries import INDEX, SETTING, MapName, Setting

_ARRAYS = frozenset({MapName.SLOTS, MapName.SETTINGS})
_READ_ALL_FROM = 64
_MEMBARRIER = {"x86_64": 324, "aarch64": 283}  # number of the system call membarrier(2)
_MEMBARRIER_CMD_GLOBAL = 1
_LONGER_THAN_A_RUN = 0.1  # seconds; a program run takes microseconds


class PinnedMaps:
    """Opens every map pinned below `directory`. A context manager: leaving it closes the descriptors,
    the maps stay.
    """

    def __init__(self, directory: Path) -> None:
        self._fds: dict[MapName, int] = {}
        self._infos: dict[MapName, libbpf.MapInfo] = {}
        self._stack = ExitStack()
        try:
            for name in MapName:
                fd = libbpf.obj_get(directory / name)
                self._stack.callback(os.close, fd)
                self._fds[name] = fd
                self._infos[name] = libbpf.map_info(fd)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def capacity(self, name: MapName) -> int:
        return self._infos[name].max_entries

    def dump(self, name: MapName) -> dict[bytes, bytes]:
        info = self._infos[name]
        keys, values = _named(name, libbpf.lookup_batch, self._fds[name], info)
        return dict(zip(_split(keys, info.key_size), _split(values, info.value_size), strict=True))

    def content(self, name: MapName) -> tuple[bytes, bytes]:
        """All keys and all values as they lie in a map that is not per CPU, each one behind the other."""
        return _named(name, libbpf.lookup_batch, self._fds[name], self._infos[name])

    def read(self, name: MapName, keys: Sequence[bytes]) -> list[bytes | None]:
        fd, info = self._fds[name], self._infos[name]
        if name in _ARRAYS and len(keys) >= _READ_ALL_FROM:
            _, raw = _named(name, libbpf.lookup_batch, fd, info)
            size = info.value_size
            starts = (INDEX.unpack(key)[0] * size for key in keys)
            return [raw[start : start + size] for start in starts]
        if name is MapName.COUNTERS:
            return self._read_counters(fd, info.value_size, keys)
        return [_named(name, libbpf.lookup, fd, key, info.value_size) for key in keys]

    def _read_counters(self, fd: int, size: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """As this version has them, whichever made the map."""
        whole = size * libbpf.possible_cpus()
        found = [_named(MapName.COUNTERS, libbpf.lookup, fd, key, whole) for key in keys]
        if size == COUNTER_SIZE:
            return found
        return [raw and resized(raw, size, COUNTER_SIZE) for raw in found]

    def update(self, name: MapName, entries: Sequence[tuple[bytes, bytes]]) -> None:
        if not entries:
            return
        keys = b"".join(key for key, _ in entries)
        values = b"".join(value for _, value in entries)
        _named(name, libbpf.update_batch, self._fds[name], keys, values, len(entries))

    def delete(self, name: MapName, keys: Sequence[bytes]) -> None:
        for key in keys:
            _named(name, libbpf.delete, self._fds[name], key)

    def retire(self, keys: Sequence[bytes]) -> None:
        name, target = MapName.COUNTERS, INDEX.pack(RETIRED)
        (total,) = self.read(name, [target])
        nothing = bytes(len(total or b""))
        for key in keys:
            (counts,) = self.read(name, [key])
            if total and counts and counts != nothing:
                total = added(total, counts)
                self.write_per_cpu(name, target, total)
                self.write_per_cpu(name, key, nothing)

    def write_per_cpu(self, name: MapName, key: bytes, value: bytes) -> None:
        """Writes one entry as `read` gives it: for a per-CPU map, the values of all CPUs in a row."""
        if name is MapName.COUNTERS:
            value = resized(value, COUNTER_SIZE, self._infos[name].value_size)
        _named(name, libbpf.update, self._fds[name], key, value)

    def same_map(self, other: PinnedMaps, name: MapName) -> bool:
        """Whether both have the very same map of the kernel under this name."""
        return libbpf.map_id(self._fds[name]) == libbpf.map_id(other._fds[name])

    def synchronize(self) -> None:
        synchronize()


def resized(raw: bytes, size: int, wanted: int) -> bytes:
    """A counter of another version: the value of each CPU, `size` bytes in `raw`, gets `wanted` bytes. Reasons are
    only ever added, behind those that there are.
    """
    if size == wanted:
        return raw
    return b"".join(piece[:wanted].ljust(wanted, b"\0") for piece in _split(raw, size))


def added(first: bytes, second: bytes) -> bytes:
    """The sum of two values of the counters map, as `read` gives them: each count of each CPU by itself."""
    pairs = zip(memoryview(first).cast("Q"), memoryview(second).cast("Q"), strict=True)
    return array("Q", [one + other for one, other in pairs]).tobytes()


def subtracted(first: bytes, second: bytes) -> bytes:
    """The inverse of `added`; `second` is an earlier value of the same entry."""
    pairs = zip(memoryview(first).cast("Q"), memoryview(second).cast("Q"), strict=True)
    return array("Q", [one - other for one, other in pairs]).tobytes()


def write_settings(store: PinnedMaps, values: Mapping[Setting, int]) -> None:
    """Writes the settings that differ from what is there."""
    for index, value in values.items():
        key = INDEX.pack(index)
        if store.read(MapName.SETTINGS, [key]) != [SETTING.pack(value)]:
            store.update(MapName.SETTINGS, [(key, SETTING.pack(value))])


def read_setting(store: PinnedMaps, index: Setting) -> int:
    """One setting, 0 in maps that nothing was written to."""
    (raw,) = store.read(MapName.SETTINGS, [INDEX.pack(index)])
    return int(SETTING.unpack(raw)[0]) if raw else 0


def synchronize() -> None:
    """Waits for an RCU grace period: every program run that began before has ended.

    membarrier(2) with MEMBARRIER_CMD_GLOBAL is the one system call that promises just this.
    """
    number = _MEMBARRIER.get(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    # The kernel does not offer it on nohz_full hosts.
    if number is None or libc.syscall(number, _MEMBARRIER_CMD_GLOBAL, 0, 0) < 0:
        time.sleep(_LONGER_THAN_A_RUN)


P = ParamSpec("P")
T = TypeVar("T")


def _named(name: MapName, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a call of libbpf; its error names the map."""
    try:
        return call(*args, **kwargs)
    except KernelCallFailed as error:
        raise KernelCallFailed(f"{error.action} of {name}", error.errno, hint=error.hint) from None


def _split(raw: bytes, size: int) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]
