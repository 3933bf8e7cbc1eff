"""Pins of the live generation that somebody removed. What they stood for is still in use: programs are held by their
links and maps by their programs, so that both can be found there and pinned again.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from balancer.errors import HostUnfit
from balancer.kernel import libbpf
from balancer.kernel.hooks import Hook
from balancer.kernel.pins import ALL_MAPS, Generation, Pins


def mend(pins: Pins) -> None:
    """Pins what the live generation lacks. Raises HostUnfit for what is not to be found any more."""
    live = pins.live()
    if live is None or live.complete:
        return
    live.maps.mkdir(mode=0o700, exist_ok=True)
    live.programs.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        programs = _programs(pins, live, stack)
        maps: dict[str, int] = {}
        for program in programs.values():
            for name, fd in libbpf.maps_of_program(program).items():
                stack.callback(os.close, fd)
                maps[name] = fd
        for hook in Hook:
            if not (live.programs / hook).exists() and hook in programs:
                libbpf.obj_pin(programs[hook], live.programs / hook)
        for name in ALL_MAPS:
            if not (live.maps / name).exists() and name in maps:
                libbpf.obj_pin(maps[name], live.maps / name)
    if not live.complete:
        raise HostUnfit(
            f"a part of the live programs is gone from {live.directory}",
            hint="run balancer detach and then this command again",
        )


def _programs(pins: Pins, live: Generation, stack: ExitStack) -> dict[Hook, int]:
    """Descriptors of the generation's programs, from their pins and from the links."""
    found = {}
    linked = {hook: info.program_id for hook, info in pins.linked().items()}
    of_others = {  # where an upgrade was cut short
        program for one in pins.generations() if one != live for program in one.program_ids().values()
    }
    for hook in Hook:
        if (live.programs / hook).exists():
            found[hook] = libbpf.obj_get(live.programs / hook)
        elif hook in linked and linked[hook] not in of_others:
            found[hook] = libbpf.program_fd(linked[hook])
        else:
            continue
        stack.callback(os.close, found[hook])
    return found
