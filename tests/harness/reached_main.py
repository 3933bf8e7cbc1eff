"""The process behind `harness.reached`: listens on every address and says at which one it was reached.

Started by path, with nothing but the standard library. An answer is "ADDRESS PORT", over TCP in just enough
HTTP for the client, over UDP as a datagram that comes from the address that was reached.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys

_IP_PKTINFO = 8  # not in Python 3.11's socket module
_selector = selectors.DefaultSelector()
_PKTINFO = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_PKTINFO),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO),
}


def listen(ports: list[int]) -> None:
    """TCP and UDP on each port, of both families."""
    for port in ports:
        for family in _PKTINFO:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                made = socket.socket(family, kind)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                made.bind(("", port))
                if kind == socket.SOCK_STREAM:
                    made.listen(1024)
                else:
                    made.setsockopt(*_PKTINFO[family], 1)
                made.setblocking(False)
                ready = _accept if kind == socket.SOCK_STREAM else _answer
                _selector.register(made, selectors.EVENT_READ, (ready, port))


def _accept(listener: socket.socket, _port: int) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:  # the client is gone already
        return
    with connection:
        connection.settimeout(20)
        try:
            address, port = connection.getsockname()[:2]
            connection.recv(65536)
            connection.sendall(f"HTTP/1.0 200 OK\r\n\r\n{address} {port}\n".encode())
        except OSError:
            return


def _answer(listener: socket.socket, port: int) -> None:
    _, ancillary, _, peer = listener.recvmsg(65536, 256)
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP:
            _, _, raw = struct.unpack("=I4s4s", data)
            reply = struct.pack("=I4s4s", 0, raw, bytes(4))
            address = socket.inet_ntop(socket.AF_INET, raw)
        else:
            raw = data[:16]
            reply = raw + struct.pack("=I", 0)
            address = socket.inet_ntop(socket.AF_INET6, raw)
        listener.sendmsg([f"{address} {port}".encode()], [(level, kind, reply)], 0, peer)


def main() -> None:
    commands = b""
    _selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    while True:
        for key, _ in _selector.select():
            if key.data is not None:
                ready, port = key.data
                ready(key.fileobj, port)
                continue
            read = os.read(sys.stdin.fileno(), 65536)
            if not read:
                return
            *complete, commands = (commands + read).split(b"\n")
            for line in complete:
                request = json.loads(line)
                if request["op"] == "listen":
                    listen(request["ports"])
                print(json.dumps({"result": None}), flush=True)


main()
