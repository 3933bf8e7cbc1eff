"""Records as the ring gives them, a source that hands them out, and names for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any, Self

from balancer.kernel.reasons import REJECTING, Reason
from balancer.kernel.ring import EventFlag, RawEvent
from balancer.observe.identity import Identity
from balancer.plan.entries import BACKEND, backend_bytes

POD_CGROUP, HOST_CGROUP = 11, 12
UID = "1858680e-b044-4fd5-9dd4-f137e30e2180"


def place(text: str) -> bytes:
    """``10.96.0.1:80`` as a record holds it."""
    address, _, port = text.rpartition(":")
    return backend_bytes(ip_address(address.strip("[]")), int(port))


def raw(
    asked: str = "10.96.0.1:80",
    chosen: str = "10.244.0.5:8080",
    *,
    reason: Reason = Reason.FORWARDED,
    protocol: int = 6,
    comm: str = "curl",
    cgroup: int = POD_CGROUP,
    flags: int = EventFlag.CONNECT,
) -> RawEvent:
    return RawEvent(
        time=1_000_000_000,
        cgroup=cgroup,
        netns=1,
        socket=2,
        asked=place(asked),
        chosen=bytes(BACKEND.size) if reason in REJECTING else place(chosen),
        pid=7,
        counter=2,
        comm=comm,
        reason=reason,
        protocol=protocol,
        flags=flags,
    )


class FakeSource:
    """Hands out one batch a look; `losses` are what is lost by then."""

    def __init__(self, *batches: Sequence[RawEvent], losses: Iterable[int] = ()) -> None:
        self.batches = list(batches)
        self.losses = list(losses)
        self.lost = 0
        self.unheard = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        pass

    def drain(self) -> Sequence[RawEvent]:
        if self.losses:
            self.lost = self.losses.pop(0)
        return self.batches.pop(0) if self.batches else ()


class FakeFinder:
    """Two cgroups: a pod's and a service's."""

    def find(self, cgroup: int, pid: int, time_ns: int) -> Any:
        if cgroup == POD_CGROUP:
            return f"/kubepods/pod{UID}/c1", (Identity(pod_uid=UID, container_id="c1"),)
        if cgroup == HOST_CGROUP:
            return "/system.slice/ssh.service", (Identity(unit="ssh.service"),)
        return "", None
