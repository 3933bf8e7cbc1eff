"""Can this host run the data plane? One small check for each thing it needs.

A check reports what was found and, if something is missing, the way out. Checks never raise for what
they find and change nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from balancer.errors import BalancerError
from balancer.kernel import attach, cgroups, compiler, host, libbpf, mounts
from balancer.kernel.hooks import ATTACH_TYPE, Hook
from balancer.kernel.pins import Pins

OK, WARN, FAIL = "ok", "warn", "fail"


class Finding(NamedTuple):
    """`level` is "ok", "warn" (works with a limitation) or "fail"; `advice` is "" when it is ok."""

    name: str
    level: str
    found: str
    advice: str = ""


def examine(bpffs: Path, cgroup: Path | None) -> tuple[Finding, ...]:
    """Every check, in the order in which a person would have to repair them."""
    checks: list[Callable[[], Finding]] = [
        _kernel,
        _errno,
        _capabilities,
        _jit,
        lambda: _cgroup(cgroup),
        lambda: _bpffs(bpffs),
        _libbpf,
        _bcc,
        _headers,
        lambda: _neighbours(bpffs, cgroup),
        lambda: _pods(cgroup),
    ]
    return tuple(check() for check in checks)


def _kernel() -> Finding:
    try:
        host.require_kernel()
    except BalancerError as error:
        return Finding("kernel", FAIL, str(error), error.hint)
    return Finding("kernel", OK, f"Linux {os.uname().release}")


def _errno() -> Finding:
    if host.kernel_release() >= compiler.SET_RETVAL_SINCE:
        return Finding("errno", OK, "a refused connection gets ECONNREFUSED or EHOSTUNREACH")
    since = _dotted(compiler.SET_RETVAL_SINCE)
    return Finding(
        "errno",
        WARN,
        "a refused connection gets EPERM",
        f"Linux {since} or newer gives the errno that applications expect",
    )


def _capabilities() -> Finding:
    missing = host.missing_capabilities()
    if missing:
        return Finding("capabilities", FAIL, f"missing {', '.join(missing)}", "run as root")
    return Finding("capabilities", OK, "enough to load and attach programs")


def _jit() -> Finding:
    path = Path("/proc/sys/net/core/bpf_jit_enable")
    try:
        value = path.read_text().strip()
    except OSError:
        return Finding("jit", OK, "setting not visible to this process")
    if value != "0":
        return Finding("jit", OK, "BPF programs are compiled to machine code")
    return Finding("jit", WARN, "BPF programs are interpreted", f"faster with: echo 1 > {path}")


def _cgroup(chosen: Path | None) -> Finding:
    try:
        found = mounts.resolve_cgroup(chosen)
    except BalancerError as error:
        return Finding("cgroup2", FAIL, str(error), error.hint)
    if not mounts.is_true_root(found):
        return Finding(
            "cgroup2",
            WARN,
            f"{found} is not the root of the hierarchy",
            "only processes below this cgroup are served",
        )
    return Finding("cgroup2", OK, str(found))


def _bpffs(directory: Path) -> Finding:
    mount = mounts.bpffs_mount_of(directory)
    if mount is not None:
        return Finding("bpffs", OK, f"{directory} is in the bpf file system at {mount}")
    if directory.is_relative_to(mounts.BPFFS_STANDARD) and mounts.BPFFS_STANDARD.is_dir():
        return Finding(
            "bpffs",
            WARN,
            f"no bpf file system at {mounts.BPFFS_STANDARD} yet",
            f"apply mounts it; to do so now: mount -t bpf bpf {mounts.BPFFS_STANDARD}",
        )
    return Finding(
        "bpffs",
        FAIL,
        f"{directory} is in no bpf file system",
        f"mount -t bpf bpf {mounts.BPFFS_STANDARD}, or name a place inside one with --bpffs",
    )


def _libbpf() -> Finding:
    try:
        libbpf.library()
    except BalancerError as error:
        return Finding("libbpf", FAIL, str(error), error.hint)
    return Finding("libbpf", OK, "found")


def _bcc() -> Finding:
    try:
        bcc = compiler.import_bcc()
    except BalancerError as error:
        return Finding("bcc", FAIL, str(error), error.hint)
    return Finding("bcc", OK, f"BCC {getattr(bcc, '__version__', 'of unknown version')}")


def _headers() -> Finding:
    if compiler.UAPI_HEADER.exists():
        return Finding("headers", OK, "user API headers found; kernel headers are not needed")
    return Finding("headers", FAIL, f"{compiler.UAPI_HEADER} is missing", "apt-get install linux-libc-dev")


def _neighbours(bpffs: Path, cgroup: Path | None) -> Finding:
    """Programs of others at the same hooks. They keep running beside ours, or leave no room for them."""
    try:
        served = mounts.resolve_cgroup(cgroup)
        alone = attach.in_the_way(served)
        found = list(_foreign(Pins(bpffs), served))
    except (BalancerError, OSError) as error:
        return Finding("neighbours", WARN, f"cannot list the cgroup's programs: {error}", "run as root")
    if alone:
        return Finding(
            "neighbours",
            FAIL,
            f"no room beside {'; '.join(alone)}",
            "have its owner attach it with BPF_F_ALLOW_MULTI or a link, or serve another cgroup with --cgroup",
        )
    if not found:
        return Finding("neighbours", OK, "no other program at these hooks")
    return Finding(
        "neighbours",
        WARN,
        f"others at these hooks: {', '.join(found)}",
        "they keep running; one that translates service addresses too may win: `bpftool cgroup tree` shows them",
    )


def _pods(chosen: Path | None) -> Finding:
    """Whether the pods' cgroups can be told apart; rules for single pods need that."""
    try:
        here = _has_pods(mounts.resolve_cgroup(chosen))
    except BalancerError as error:
        return Finding("pods", WARN, f"cannot look for the cgroups of pods: {error}", error.hint)
    if here:
        return Finding("pods", OK, "the cgroups of pods are in the hierarchy that is served")
    if any(_has_pods(root) for root in mounts.mount_points("cgroup")):
        return Finding(
            "pods",
            WARN,
            "pods are in cgroup v1 only: all are served, but none can be told from another",
            "opting a pod out, and keeping a redirect's own backend from itself, need kubelet on cgroup v2",
        )
    return Finding("pods", OK, "no pods on this host")


def _has_pods(root: Path) -> bool:
    """kubelet puts pods into kubepods, kubepods.slice, or either below a --cgroup-root."""
    return any("kubepods" in child.name for child in cgroups.directories(root))


def _foreign(pins: Pins, served: Path) -> Iterator[str]:
    """At the served cgroup, above it and below it: whatever may see a call besides ours."""
    ours = {info.program_id for info in pins.linked().values()}
    root = mounts.hierarchy_of(served)
    above = (parent for parent in served.parents if parent.is_relative_to(root))
    for cgroup in (served, *above, *cgroups.directories(served)):
        with contextlib.suppress(FileNotFoundError):  # it has just gone
            for hook, program in _programs(cgroup):
                if program not in ours:
                    yield f"{hook} (program {program}{'' if cgroup == served else f' at {cgroup}'})"


def _programs(cgroup: Path) -> Iterator[tuple[Hook, int]]:
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for hook in Hook:
            for program in libbpf.attached_programs(fd, ATTACH_TYPE[hook]):
                yield hook, program
    finally:
        os.close(fd)


def _dotted(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))
