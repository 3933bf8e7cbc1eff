"""Connected sockets of a network namespace, by NETLINK_SOCK_DIAG: listing and destroying them.

Spoken directly: pyroute2's DiagSocket cannot destroy a socket, works in the caller's namespace only, and drops
the kernel's error messages.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from balancer.kernel.libbpf import failed
from balancer.kernel.netns import socket_in
from balancer.plan.entries import BACKEND, MAPPED_PREFIX

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _SOCK_DESTROY = 20, 21
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 0x1, 0x4, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
# struct inet_diag_msg, without attributes; struct inet_diag_req_v2.
_MESSAGE = struct.Struct("=BBBB2s2s16s16sI8sIIIII")
_REQUEST = struct.Struct("=BBBBI2s2s16s16sI8s")
_ESTABLISHED = 1
_RECEIVE_BYTES = 1 << 18


class Connected(NamedTuple):
    """A connected socket. `peer` is the address and port it really sends to, as `backend_bytes`.

    `cookie` and `inode` are the kernel's numbers of the socket. `id` is the part of the message that names
    the socket in a request.
    """

    family: int
    protocol: int
    peer: bytes
    cookie: int
    inode: int
    id: bytes


class SocketDiag:
    """One namespace. A context manager. Raises KernelCallFailed with the errno of the kernel's answer."""

    def __init__(self, namespace: Path) -> None:
        self._socket = socket_in(namespace, socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        self._socket.bind((0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def connected(self, family: int, protocol: int) -> Iterator[Connected]:
        """Every established socket of a family and protocol."""
        body = _REQUEST.pack(family, protocol, 0, 0, 1 << _ESTABLISHED, b"", b"", b"", b"", 0, b"")
        self._send(_SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST | _NLM_F_DUMP, body)
        for payload in self._answers("list sockets"):
            yield _parse(payload, protocol)

    def destroy(self, found: Connected) -> bool:
        """Ends the socket: its owner gets ECONNABORTED. False if it has gone by itself."""
        body = struct.pack("=BBBBI", found.family, found.protocol, 0, 0, 1 << _ESTABLISHED) + found.id
        self._send(_SOCK_DESTROY, _NLM_F_REQUEST | _NLM_F_ACK, body)
        try:
            for _ in self._answers("destroy a socket"):
                pass
        except Exception as error:
            if getattr(error, "errno", 0) == errno.ENOENT:
                return False
            raise
        return True

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)

    def _answers(self, action: str) -> Iterator[bytes]:
        """The payloads of the messages that answer a request, up to its end."""
        while True:
            raw = self._socket.recv(_RECEIVE_BYTES)
            while raw:
                length, kind, _, _, _ = _HEADER.unpack_from(raw)
                payload, raw = raw[_HEADER.size : length], raw[(length + 3) & ~3 :]
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        raise failed(action, code)
                    return
                yield payload


def _parse(payload: bytes, protocol: int) -> Connected:
    parts: tuple[Any, ...] = _MESSAGE.unpack_from(payload)
    family, port, destination, cookie, inode = parts[0], parts[5], parts[7], parts[9], parts[14]
    address = destination if family == socket.AF_INET6 else MAPPED_PREFIX + destination[:4]
    return Connected(
        family=family,
        protocol=protocol,
        peer=BACKEND.pack(address, int.from_bytes(port, "little")),
        cookie=int.from_bytes(cookie, "little"),
        inode=inode,
        id=payload[4:52],
    )
