"""Ends connected sockets whose backend has gone, so that their owners connect anew and resolve again.

A connected UDP socket never learns that its backend went: a resolver that keeps one open asks into the
void for ever. Only a socket that the programs translated, and still sends where they pointed it, is
ever ended: for UDP the proof is the record in the socket's own storage, for TCP the record under its
cookie.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from balancer.errors import BalancerError
from balancer.kernel import libbpf
from balancer.kernel.holders import borrowed, holders_of
from balancer.kernel.layout import PEER_SIZE, UDP_SOCKET_SIZE
from balancer.kernel.netns import namespaces
from balancer.kernel.pins import Generation
from balancer.kernel.sockdiag import Connected, SocketDiag

IsLive = Callable[[bytes, int, bytes], bool]
"""Whether a backend still serves a VIP: (VIP as `backend_bytes`, IP protocol number, backend)."""

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_PEER = struct.Struct("=Q20s20s")
_UDP_HEAD = struct.Struct("=II")
_RECORD = struct.Struct("=20s20s")
_UDP_RECORDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`sockets` that were ended, in all namespaces; `failures` say what could not be looked at."""

    sockets: int = 0
    failures: tuple[str, ...] = ()


class _Seen(NamedTuple):
    namespace: Path
    socket: Connected


def end_stale_sockets(generation: Generation, is_live: IsLive, *, tcp: bool) -> Ended:
    """Looks at every network namespace of the host; at TCP only if asked. A namespace or socket that cannot
    be looked at is a failure in the result, never an error.
    """
    failures: list[str] = []
    seen = list(_connected(socket.IPPROTO_UDP, failures))
    stale = list(_stale_udp(generation, seen, is_live, failures))
    if tcp:
        stale += _stale_tcp(generation, _connected(socket.IPPROTO_TCP, failures), is_live)
    ended = 0
    for namespace, found in stale:
        with _reported(namespace, failures), SocketDiag(namespace) as diag:
            ended += diag.destroy(found)
    return Ended(sockets=ended, failures=tuple(failures))


# A descriptor that was closed, or given to another file, since it was found; a process that has ended.
_GONE = frozenset({errno.EBADF, errno.ENOTSOCK, errno.ESRCH})


@contextlib.contextmanager
def _reported(place: Path, failures: list[str]) -> Iterator[None]:
    try:
        yield
    except (BalancerError, OSError) as error:
        # What has ended meanwhile has taken its sockets with it.
        if getattr(error, "errno", None) not in _GONE and place.exists():
            failures.append(f"{place}: {error}")


def _connected(protocol: int, failures: list[str]) -> Iterator[_Seen]:
    for namespace in namespaces():
        found: list[Connected] = []
        with _reported(namespace, failures), SocketDiag(namespace) as diag:
            for family in _FAMILIES:
                found += diag.connected(family, protocol)
        yield from (_Seen(namespace, item) for item in found)


def _stale_udp(
    generation: Generation, seen: list[_Seen], is_live: IsLive, failures: list[str]
) -> Iterator[_Seen]:
    if not seen:
        return
    holders = holders_of({item.socket.inode for item in seen})
    storage = libbpf.obj_get(generation.maps / "udp_sockets")
    try:
        for item in seen:
            holder = holders.get(item.socket.inode)
            if holder is None:  # closed meanwhile, or on its way between two processes
                continue
            vip = b""
            with _reported(Path(f"/proc/{holder[0]}"), failures), borrowed(*holder) as descriptor:
                raw = libbpf.lookup(storage, descriptor.to_bytes(4, "little"), UDP_SOCKET_SIZE)
                vip = _vip_of(raw, item.socket.peer) if raw else b""
            if vip and not is_live(vip, socket.IPPROTO_UDP, item.socket.peer):
                yield item
    finally:
        os.close(storage)


def _vip_of(raw: bytes, peer: bytes) -> bytes:
    """The VIP that led to the socket's peer, b"" when none did. Layout: struct udp_socket."""
    last, _ = _UDP_HEAD.unpack_from(raw)
    end = _UDP_HEAD.size + _UDP_RECORDS * _RECORD.size
    records = list(_RECORD.iter_unpack(raw[_UDP_HEAD.size : end]))
    for vip, backend in [*records[last : last + 1], *records]:
        if backend == peer:
            return bytes(vip)
    return b""


def _stale_tcp(generation: Generation, seen: Iterator[_Seen], is_live: IsLive) -> Iterator[_Seen]:
    """By the records under the sockets' cookies. Layout: struct peer."""
    peers = libbpf.obj_get(generation.maps / "peers")
    try:
        size = libbpf.map_info(peers).max_entries
        for item in seen:
            raw = libbpf.lookup(peers, (item.socket.cookie % size).to_bytes(4, "little"), PEER_SIZE)
            cookie, vip, backend = _PEER.unpack(raw or bytes(PEER_SIZE))
            ours = cookie == item.socket.cookie and backend == item.socket.peer
            if ours and not is_live(vip, socket.IPPROTO_TCP, backend):
                yield item
    finally:
        os.close(peers)
