"""Makes the programs ready for a pass, puts them into force after it, and removes what they replace.

A pass takes the generation that is `ready`, or has one loaded by `load`, fills its maps, and calls `commit`. A
generation is loaded beside the live one, and only `commit` lets traffic see it: it is never attached
before it is filled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from balancer.kernel import compiler, host, libbpf, loader
from balancer.kernel.attach import attach, require_room
from balancer.kernel.carry import carried_over
from balancer.kernel.hooks import Hook
from balancer.kernel.layout import fits, require
from balancer.kernel.maps import PinnedMaps, read_setting, write_settings
from balancer.kernel.pins import Generation, Pins, share
from balancer.kernel.source import build_id
from balancer.plan.entries import MapName, Setting

__all__ = ["commit", "load", "must_load", "read_setting", "ready", "write_settings"]

# These describe one another, so that a generation takes over all of them or none.
_STATE_MAPS = (
    MapName.ADDRESSES,
    MapName.FRONTENDS,
    MapName.SLOTS,
    MapName.MEMBERS,
    MapName.COUNTERS,
    MapName.CGROUPS,
    MapName.OWNERS,
    MapName.RATES,
)
_RECORD_MAPS = (MapName.AFFINITY, "peers", "udp_sockets", "udp_rejected")


def ready(pins: Pins, sizes: Mapping[str, int]) -> Generation | None:
    """The live generation, if it is of this version and its maps have these sizes."""
    live = pins.live()
    return live if live == _wanted(pins, sizes) and live.complete else None


def _wanted(pins: Pins, sizes: Mapping[str, int]) -> Generation:
    return pins.generation(build_id(sizes, compiler.flags()))


def load(
    pins: Pins,
    sizes: Mapping[str, int],
    cgroup: Path,
    compiled: Callable[[], Any] = compiler.compile_text,
) -> Generation:
    """The generation for these map sizes, loaded and pinned; `compiled` gives the module of its programs.

    Raises HostUnfit, also when they could not be attached to `cgroup`, or KernelCallFailed; what is live
    stays untouched then.
    """
    live, wanted = pins.live(), _wanted(pins, sizes)
    host.require_kernel()
    require_room(pins, cgroup)
    _sweep(pins, keep=live)
    _load(compiled(), wanted, sizes, live)
    if live is not None:
        _make_forget(live)
    return wanted


def must_load(pins: Pins) -> bool:
    """Whether programs will have to be loaded, as far as can be said without knowing the sizes of the maps:
    nothing is live. Raises HostUnfit where they cannot be loaded.
    """
    host.require_capabilities()
    host.require_kernel()
    return pins.live() is None


def _make_forget(live: Generation) -> None:
    """The live programs remember no frontends any more: the ones to come may write the maps they share."""
    with PinnedMaps(live.maps) as store:
        if store.capacity(MapName.SETTINGS) > Setting.EPOCH:
            write_settings(store, {Setting.EPOCH: read_setting(store, Setting.EPOCH) | 1})


def _load(module: Any, wanted: Generation, sizes: Mapping[str, int], live: Generation | None) -> None:
    try:
        # bpffs keeps no trace of a directory that is removed again below.
        wanted.maps.mkdir(mode=0o700, parents=True)
        wanted.programs.mkdir(mode=0o700)
        if live is not None:
            for name in _shareable(live.map_infos(), sizes):
                share(name, live, wanted)
        loader.load(module, wanted, sizes)
        for name, info in wanted.map_infos().items():
            require(name, info)
    except BaseException:
        if wanted.directory.exists():
            wanted.remove()
        raise


def _shareable(infos: Mapping[str, libbpf.MapInfo], sizes: Mapping[str, int]) -> list[str]:
    def same(name: str) -> bool:
        return name in infos and fits(name, infos[name], sizes.get(name))

    shared = [str(name) for name in _RECORD_MAPS if same(name)]
    if all(same(name) for name in _STATE_MAPS):
        shared += _STATE_MAPS
    return shared


def commit(pins: Pins, generation: Generation, cgroup: Path) -> tuple[Hook, ...]:
    """Puts a filled generation into force; returns the hooks that had to change."""
    old = pins.live()
    if old is None or old == generation:
        changed = attach(pins, generation, cgroup)
    else:
        with (
            PinnedMaps(old.maps) as before,
            PinnedMaps(generation.maps) as after,
            carried_over(before, after),
        ):
            changed = attach(pins, generation, cgroup)
    _sweep(pins, keep=generation)
    return changed


def _sweep(pins: Pins, keep: Generation | None) -> None:
    for generation in pins.generations():
        if generation != keep:
            generation.remove()
