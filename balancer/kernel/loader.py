"""Makes the maps of a generation, puts them in the place of those the programs were compiled with, and loads these.

The instructions that BCC keeps name maps by file descriptor, and the kernel looks only at loading what a descriptor is
of. So one compilation serves for maps of any size, and for those of an earlier generation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from balancer.errors import HostUnfit
from balancer.kernel import compiler, libbpf
from balancer.kernel.hooks import ATTACH_TYPE, Hook
from balancer.kernel.pins import ALL_MAPS, Generation
from balancer.plan.entries import INDEX, SETTING, MapName, Setting

_SAME_SIZE_AS = {"recent": str(MapName.FRONTENDS)}
_TOLD = {Setting.RECENT: "recent", Setting.PEERS: "peers"}
"""Sizes that the programs have to know."""


def load(module: Any, generation: Generation, sizes: Mapping[str, int]) -> None:
    """Makes and pins the maps that the generation lacks, and loads and pins its programs. Attaches nothing.

    `module` is what `compiler.compile_text` gave; it is used up. Raises HostUnfit and KernelCallFailed.
    """
    compiler.lift_memory_lock()
    try:
        for name in ALL_MAPS:
            _place(module, name, generation, sizes.get(_SAME_SIZE_AS.get(name, name)))
        _tell_sizes(generation)
        for hook in Hook:
            libbpf.obj_pin(_program(module, hook), generation.programs / hook)
    finally:
        module.cleanup()


def _place(module: Any, name: str, generation: Generation, size: int | None) -> None:
    """Lets the module's descriptor of a map be one of the map that is pinned, or is now made and pinned."""
    stand_in, pin = compiler.map_fd(module, name), generation.maps / name
    if pin.exists():
        _replace(stand_in, libbpf.obj_get(pin))
        return
    if size is not None:
        shape = libbpf.map_info(stand_in)._replace(max_entries=size)
        _replace(stand_in, libbpf.map_create(name, shape, libbpf.map_types(stand_in)))
    libbpf.obj_pin(stand_in, pin)


def _replace(stand_in: int, fd: int) -> None:
    os.dup2(fd, stand_in, inheritable=False)
    os.close(fd)


def _tell_sizes(generation: Generation) -> None:
    sizes = generation.sizes()
    fd = libbpf.obj_get(generation.maps / MapName.SETTINGS)
    try:
        for setting, name in _TOLD.items():
            libbpf.update(fd, INDEX.pack(setting), SETTING.pack(sizes[name]))
    finally:
        os.close(fd)


def _program(module: Any, hook: Hook) -> int:
    kind = compiler.import_bcc().BPF.CGROUP_SOCK_ADDR
    try:
        function = module.load_func(hook.encode(), kind, attach_type=ATTACH_TYPE[hook])
    except Exception as error:  # noqa: BLE001 - BCC raises bare Exception
        raise HostUnfit(
            f"the kernel does not accept program {hook}: {error}",
            hint="the verifier's messages are above; see `balancer doctor`",
        ) from None
    return int(function.fd)
