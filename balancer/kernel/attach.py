"""Attaching programs to the cgroup, by pinned links that outlive every process.

The kernel runs the programs of a process's own cgroup first, then those of each cgroup above it, up to
the root; within one cgroup in the order in which they were attached. Every one of them runs, and any of
them can refuse the call. A link is as BPF_F_ALLOW_MULTI: it takes nobody's place. A program attached
without that flag to the same cgroup or above it would not let ours in, or would no longer run below
ours; it is named, and nothing is attached. Below ours it does no harm.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from balancer.errors import HostUnfit, KernelCallFailed
from balancer.kernel import libbpf
from balancer.kernel.cgroups import cgroup_id
from balancer.kernel.hooks import ATTACH_TYPE, Hook
from balancer.kernel.mounts import hierarchy_of
from balancer.kernel.pins import Generation, Pins

# What gives addresses back is in place before anything is translated.
_ORDER = tuple(reversed(Hook))
_ALLOW_OVERRIDE, _ALLOW_MULTI = 1, 2
_HINT = "a program of others may hold the hook: `bpftool cgroup tree` shows it"


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
    another cgroup, or to one that is gone, is replaced after the new one is in place. Raises HostUnfit
    before the first hook is touched when programs of others leave no room, KernelCallFailed otherwise.
    """
    pins.links.mkdir(mode=0o700, exist_ok=True)
    wanted = cgroup_id(cgroup)
    programs = generation.program_ids()
    require_room(pins, cgroup)
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
    for hook in Hook:  # of a pass that was killed between two steps
        _fresh(pins, hook).unlink(missing_ok=True)
    return tuple(changed)


def _fresh(pins: Pins, hook: Hook) -> Path:
    """Where a link is pinned before it takes the place of another one."""
    return pins.links / f"{hook}_new"  # bpffs allows no dots in names


def _link(pins: Pins, hook: Hook, program: int, cgroup_fd: int, cgroup: Path) -> None:
    try:
        fd = libbpf.link_create(program, cgroup_fd, ATTACH_TYPE[hook])
    except KernelCallFailed as error:
        # Capabilities were looked at before anything began.
        hint = _HINT if error.errno == errno.EPERM else error.hint
        raise KernelCallFailed(f"attach {hook} to {cgroup}", error.errno, hint=hint) from None
    try:
        fresh = _fresh(pins, hook)
        fresh.unlink(missing_ok=True)
        libbpf.obj_pin(fd, fresh)
        fresh.rename(pins.links / hook)
    finally:
        os.close(fd)


def in_the_way(cgroup: Path) -> tuple[str, ...]:
    """The programs beside which a link on this cgroup cannot be, one phrase each; () when there is room.

    Looks at the cgroup itself and at those above it, as far as its mount shows them.
    """
    root = hierarchy_of(cgroup)
    above = [cgroup, *(parent for parent in cgroup.parents if parent.is_relative_to(root))]
    return tuple(phrase for place in above for phrase in _alone(place))


def _alone(cgroup: Path) -> Iterator[str]:
    """The programs of this very cgroup that others may not join."""
    with _directory(cgroup) as fd:
        for hook in Hook:
            programs, flags = libbpf.attachments(fd, ATTACH_TYPE[hook])
            if programs and not flags & _ALLOW_MULTI:
                how = "to be overridden" if flags & _ALLOW_OVERRIDE else "exclusively"
                yield f"program {programs[0]} at {hook} of {cgroup}, attached {how}"


def require_room(pins: Pins, cgroup: Path) -> None:
    """Raises HostUnfit when a hook of `cgroup` has no link of ours yet and programs of others leave none room."""
    wanted, links = cgroup_id(cgroup), pins.linked()
    if all(hook in links and links[hook].cgroup_id == wanted for hook in Hook):
        return
    found = in_the_way(cgroup)
    if found:
        raise HostUnfit(
            f"no room for our programs beside {'; '.join(found)}",
            hint="have its owner attach it with BPF_F_ALLOW_MULTI or a link, or serve a cgroup that is not "
            "at or below it with --cgroup",
        )


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
