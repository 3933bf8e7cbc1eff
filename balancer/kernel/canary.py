"""Proof that the programs run for the processes of a cgroup: one refused connection that nobody sees.

A process in a short-lived child cgroup connects a UDP socket to port 0 of an address that is ours alone. The
programs refuse that inside the system call, as any port that the address does not have. Without them connect()
on a UDP socket succeeds or finds no route: it never ends with ECONNREFUSED. In no case is there a packet,
and nothing is written but the child cgroup, which goes at once. No service has port 0 and nothing can be sent
to it, so the programs count these apart (`Setting.CANARIES`), and no event tells of them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

from balancer.desired.types import AddressFlags
from balancer.kernel import compiler, host
from balancer.kernel.hooks import Hook
from balancer.plan.actual import Actual
from balancer.plan.entries import address_of
from balancer.views import Canary, CanaryResult

_PREFIX = "balancer-canary-"
_LEFTOVER_AFTER = 60.0  # seconds; a canary takes a fraction of one
_PATIENCE = 5.0  # seconds for the process, and for the kernel to let go of its cgroup
_NO_IPV6 = -1

# Enters the cgroup whose cgroup.procs is the first argument, then connects once for each further argument
# "family,address" and prints the errnos, 0 for success and -1 for a family that the host lacks.
_PROCESS = f"""
import json, os, socket, sys
with open(sys.argv[1], "w") as procs:
    procs.write("0")
found = []
for family, address in (text.split(",") for text in sys.argv[2:]):
    try:
        probe = socket.socket(int(family), socket.SOCK_DGRAM)
    except OSError:
        found.append({_NO_IPV6})
        continue
    found.append(probe.connect_ex((address, 0)))
print(json.dumps(found))
"""


class Probe(NamedTuple):
    """One connection to try, and the hook whose program has to refuse it."""

    hook: Hook
    address: str

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET if self.hook is Hook.CONNECT4 else socket.AF_INET6


def choose_probes(actual: Actual) -> tuple[Probe, ...]:
    """What to try on these maps: one probe for each family that has an address of ours alone.

    An IPv4 address serves both: an IPv6 socket reaches it as ::ffff:a.b.c.d, through the IPv6 hook. Empty
    where there is no such address: load balancer, external and node addresses leave other ports alone.
    """
    strict = [address_of(raw) for raw, flags in actual.addresses.items() if flags == AddressFlags.VIP]
    four = min((found for found in strict if isinstance(found, IPv4Address)), default=None)
    six = min((found for found in strict if isinstance(found, IPv6Address)), default=None)
    probes = []
    if four is not None:
        probes.append(Probe(Hook.CONNECT4, str(four)))
    if six is not None:
        probes.append(Probe(Hook.CONNECT6, str(six)))
    elif four is not None:
        probes.append(Probe(Hook.CONNECT6, f"::ffff:{four}"))
    return tuple(probes)


def send_canary(cgroup: Path, read: Callable[[], Actual], count: Callable[[], int]) -> Canary:
    """Whether the programs answer a process in a new child of `cgroup`.

    `read` gives the maps, `count` how many canaries were refused so far. Never raises OSError: what
    keeps the canary from being sent is in the note of an unverified one.
    """
    probes = choose_probes(read())
    if not probes:
        return _unverified("there is no cluster IP to try it with")
    before = count()
    try:
        found = _connect_in_child(cgroup, probes)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return _unverified(f"no process could be put into a child of {cgroup}: {_said(error)}")
    tried = [(probe, code) for probe, code in zip(probes, found, strict=True) if code != _NO_IPV6]
    canary = _judge(tried, counted=count() - before)
    if canary.result is CanaryResult.FAILED and choose_probes(read()) != probes:
        return _unverified("the services changed meanwhile; ask again")
    return canary


def _judge(tried: Sequence[tuple[Probe, int]], *, counted: int) -> Canary:
    expected = errno.ECONNREFUSED if host.kernel_release() >= compiler.SET_RETVAL_SINCE else errno.EPERM
    if not tried:
        return _unverified("this host lacks the address family of every cluster IP")
    for probe, code in tried:
        # Any program may end a call with EPERM, so that where ours do, too, only the count tells them apart.
        if code == expected and (expected != errno.EPERM or counted >= len(tried)):
            continue
        ended = os.strerror(code) if code else "connected"
        where = f"a connection from a child cgroup to port 0 of {probe.address} ({probe.hook})"
        why = "a program of others changed the answer" if counted else "our programs never saw it"
        return Canary(
            result=CanaryResult.FAILED, note=f"{where} was not refused but ended with {ended!r}: {why}"
        )
    hooks = " and ".join(probe.hook for probe, _ in tried)
    return Canary(result=CanaryResult.WORKED, note=f"{hooks} answered a process in a child cgroup")


def _unverified(note: str) -> Canary:
    return Canary(result=CanaryResult.UNVERIFIED, note=note)


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().rpartition("\n")[2] or f"it ended with {error.returncode}"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _connect_in_child(cgroup: Path, probes: Sequence[Probe]) -> list[int]:
    """The errno of each probe. Raises OSError, SubprocessError or ValueError."""
    _remove_leftovers(cgroup)
    with _child_cgroup(cgroup) as child:
        given = [f"{int(probe.family)},{probe.address}" for probe in probes]
        command = [sys.executable, "-I", "-S", "-c", _PROCESS, str(child / "cgroup.procs"), *given]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE)
    return [int(code) for code in json.loads(ended.stdout)]


@contextlib.contextmanager
def _child_cgroup(parent: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """The kernel may hold the cgroup of a process for an instant after the process was waited for."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            path.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return  # the next canary removes it
            time.sleep(0.002)
        else:
            return


def _remove_leftovers(parent: Path) -> None:
    """Canary cgroups of commands that were killed. One with a process in it cannot be removed."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_AFTER:
                path.rmdir()
