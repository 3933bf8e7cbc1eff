"""The process behind `harness.servers`: real sockets that answer with the name they were given.

Started by path, with nothing but the standard library, so that it is up in milliseconds. TCP speaks
just enough HTTP for curl and browsers; UDP answers each datagram with the name.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

_selector = selectors.DefaultSelector()
_open: dict[tuple[str, int, str], socket.socket] = {}
_KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


def ping() -> None:
    pass


def serve(name: str, address: str, port: int, protocol: str) -> None:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, _KINDS[protocol])
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.setblocking(False)
    if protocol == "TCP":
        listener.listen(1024)
    ready = _accept if protocol == "TCP" else _answer_datagram
    _selector.register(listener, selectors.EVENT_READ, (ready, name))
    _open[address, port, protocol] = listener


def stop(address: str, port: int, protocol: str) -> None:
    listener = _open.pop((address, port, protocol))
    _selector.unregister(listener)
    listener.close()


def _accept(listener: socket.socket, name: str) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:  # the client is gone already
        return
    connection.setblocking(False)
    _selector.register(connection, selectors.EVENT_READ, (_answer_request, name))


def _answer_request(connection: socket.socket, name: str) -> None:
    """One answer as soon as the (short) request is there, then close."""
    body = (name + "\n").encode()
    fields = (
        "HTTP/1.1 200 OK",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    head = "\r\n".join(fields) + "\r\n\r\n"
    try:
        if connection.recv(65536):
            connection.sendall(head.encode() + body)
    except OSError:
        pass
    _selector.unregister(connection)
    connection.close()


def _answer_datagram(listener: socket.socket, name: str) -> None:
    try:
        _, peer = listener.recvfrom(65536)
        listener.sendto(name.encode(), peer)
    except OSError:  # a client's port was closed before the answer
        return


_OPERATIONS: dict[str, Callable[..., Any]] = {"ping": ping, "serve": serve, "stop": stop}


def _handle(line: bytes) -> dict[str, Any]:
    request = json.loads(line)
    try:
        return {"result": _OPERATIONS[request.pop("op")](**request)}
    except (OSError, LookupError, TypeError, ValueError):
        return {"traceback": traceback.format_exc()}


def main() -> None:
    commands = b""
    _selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    while True:
        for key, _ in _selector.select():
            if key.data is not None:
                ready, name = key.data
                ready(key.fileobj, name)
                continue
            read = os.read(sys.stdin.fileno(), 65536)
            if not read:
                return
            *complete, commands = (commands + read).split(b"\n")
            for line in complete:
                print(json.dumps(_handle(line)), flush=True)


main()
