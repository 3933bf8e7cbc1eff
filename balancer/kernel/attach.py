"""Attaching programs to the cgroup, by pinned links that outlive every process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from balancer.errors import HostUnfit, KernelCallFailed
from balancer.kernel import libbpf
from balancer.kernel.cgroups import cgroup_id
from balancer.kernel.hooks import ATTACH_TYPE, Hook
from balancer.kernel.pins import Generation, Pins

# What gives addresses back is in place before anything is translated.
_ORDER = tuple(reversed(Hook))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = libbpf.obj_get(path)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise HostUnfit(f"cannot open cgroup {path}: {error.strerror}", hint="check --cgroup") from None
    try:
        yield fd
    finally:
        os.close(fd)


def attach(pins: Pins, generation: Generation, cgroup: Path) -> tuple[Hook, ...]:
    """Makes every hook of `cgroup` run the programs of `generation`; returns the hooks it had to change.

    A hook that is linked is switched in one step, so that no call goes by untranslated. A link to
    another cgroup, or to one that is gone, is replaced after the new one is in place.
    """
    pins.links.mkdir(mode=0o700, exist_ok=True)
    wanted = cgroup_id(cgroup)
    programs = generation.program_ids()
    links = pins.linked()
    changed = []
    with _directory(cgroup) as cgroup_fd:
        for hook in _ORDER:
            link = links.get(hook)
            if link and link.cgroup_id == wanted and link.program_id == programs[hook]:
                continue
            with _opened(generation.programs / hook) as program:
                if link and link.cgroup_id == wanted:
                    with _opened(pins.links / hook) as fd:
                        libbpf.link_update(fd, program)
                else:
                    _link(pins, hook, program, cgroup_fd, cgroup)
            changed.append(hook)
    return tuple(changed)


def _link(pins: Pins, hook: Hook, program: int, cgroup_fd: int, cgroup: Path) -> None:
    try:
        fd = libbpf.link_create(program, cgroup_fd, ATTACH_TYPE[hook])
    except KernelCallFailed as error:
        raise KernelCallFailed(f"attach {hook} to {cgroup}", error.errno, hint=error.hint or _HINT) from None
    try:
        fresh = pins.links / f"{hook}_new"  # bpffs allows no dots in names
        fresh.unlink(missing_ok=True)
        libbpf.obj_pin(fd, fresh)
        fresh.rename(pins.links / hook)
    finally:
        os.close(fd)


_HINT = "another program may hold the hook exclusively: `bpftool cgroup tree` shows it"


def attached(pins: Pins, cgroup: Path) -> dict[Hook, bool]:
    """Whether the kernel runs the linked program at each hook of this very cgroup."""
    links = pins.linked()
    result = {}
    with _directory(cgroup) as fd:
        for hook in Hook:
            link = links.get(hook)
            result[hook] = link is not None and link.program_id in libbpf.attached_programs(
                fd, ATTACH_TYPE[hook]
            )
    return result
