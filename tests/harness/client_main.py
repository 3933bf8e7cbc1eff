"""The process behind `harness.client`: makes real connections and says what became of them.

Started by path, with nothing but the standard library. Every answer is a list [name or null, errno
name or null, source]: `source` is the peer address as getpeername (connected sockets) or recvfrom
(unconnected ones) gave it.
"""

from __future__ import annotations

import errno
import itertools
import json
import random
import socket
import struct
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

Answer = list[Any]
_TIMEOUT = 20.0  # of a server that has not its turn on a busy machine
_sockets: dict[int, socket.socket] = {}
_numbers = itertools.count(1)
_storms: dict[int, tuple[threading.Event, threading.Thread, Counter[str]]] = {}


def ping() -> None:
    pass


def _socket(address: str, mapped: bool, kind: int, source_port: int = 0) -> tuple[socket.socket, str]:
    """A socket of the right family and the address to hand to it; `mapped` makes IPv4 an IPv6 address."""
    six = mapped or ":" in address
    result = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
    result.settimeout(_TIMEOUT)
    if source_port:
        result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        result.bind(("::" if six else "0.0.0.0", source_port))
    return result, f"::ffff:{address}" if mapped else address


def _failure(error: OSError) -> Answer:
    if isinstance(error, TimeoutError) and error.errno is None:
        return [None, "TIMEOUT", None]
    return [None, errno.errorcode.get(error.errno or 0, str(error)), None]


def _tcp(address: str, port: int, mapped: bool) -> Answer:
    connection, target = _socket(address, mapped, socket.SOCK_STREAM)
    with connection:
        connection.connect((target, port))
        peer = connection.getpeername()[:2]
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = b""
        while part := connection.recv(65536):
            received += part
    return [received.partition(b"\r\n\r\n")[2].decode().strip(), None, peer]


def _connected_udp(address: str, port: int, mapped: bool, source_port: int = 0) -> Answer:
    connection, target = _socket(address, mapped, socket.SOCK_DGRAM, source_port)
    with connection:
        connection.connect((target, port))
        connection.send(b"who")
        return [connection.recv(65536).decode(), None, connection.getpeername()[:2]]


def _exchange(connection: socket.socket, target: str, port: int) -> Answer:
    connection.sendto(b"who", (target, port))
    data, source = connection.recvfrom(65536)
    return [data.decode(), None, source[:2]]


def _unconnected_udp(address: str, port: int, mapped: bool, source_port: int = 0) -> Answer:
    connection, target = _socket(address, mapped, socket.SOCK_DGRAM, source_port)
    with connection:
        return _exchange(connection, target, port)


_WAYS: dict[str, Callable[..., Answer]] = {
    "tcp": _tcp,
    "connected": _connected_udp,
    "unconnected": _unconnected_udp,
}


def ask(way: str, address: str, port: int, mapped: bool, count: int, options: dict[str, Any]) -> list[Answer]:
    """`count` fresh sockets, one after the other."""
    result = []
    for _ in range(count):
        try:
            result.append(_WAYS[way](address, port, mapped, **options))
        except OSError as error:
            result.append(_failure(error))
    return result


def open_udp(mapped: bool, six: bool) -> int:
    """An unconnected UDP socket that stays."""
    number = next(_numbers)
    _sockets[number], _ = _socket("::" if six else "0.0.0.0", mapped and not six, socket.SOCK_DGRAM)
    return number


def open_connected(way: str, address: str, port: int, mapped: bool) -> int:
    """A connected socket that stays."""
    number = next(_numbers)
    kind = socket.SOCK_STREAM if way == "tcp" else socket.SOCK_DGRAM
    _sockets[number], target = _socket(address, mapped, kind)
    _sockets[number].connect((target, port))
    return number


def peer_of(number: int) -> list[Any]:
    return list(_sockets[number].getpeername()[:2])


def say(number: int) -> Answer:
    """One question and its answer over a connected socket that stays."""
    connection = _sockets[number]
    try:
        if connection.type == socket.SOCK_STREAM:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return [connection.recv(65536).partition(b"\r\n\r\n")[2].decode().strip(), None, None]
        connection.send(b"who")
        return [connection.recv(65536).decode(), None, None]
    except OSError as error:
        return _failure(error)


def exchange(number: int, address: str, port: int, count: int) -> list[Answer]:
    """Datagrams over one socket that stays; the address is handed to it as it is."""
    result = []
    for _ in range(count):
        try:
            result.append(_exchange(_sockets[number], address, port))
        except OSError as error:
            result.append(_failure(error))
    return result


def close(number: int) -> None:
    _sockets.pop(number).close()


def storm(way: str, address: str, port: int, mapped: bool, pause: float) -> int:
    """Connect again and again in the background until `calm`."""
    number = next(_numbers)
    stop, outcomes = threading.Event(), Counter[str]()

    def run() -> None:
        while not stop.is_set():
            ((name, failure, _),) = ask(way, address, port, mapped, 1, {})
            outcomes[name or failure] += 1
            time.sleep(pause)

    thread = threading.Thread(target=run, daemon=True)
    _storms[number] = (stop, thread, outcomes)
    thread.start()
    return number


def calm(number: int) -> dict[str, int]:
    """End a storm; how often each name answered and each errno was seen."""
    stop, thread, outcomes = _storms.pop(number)
    stop.set()
    thread.join()
    return dict(outcomes)


def _query(name: str, identity: int, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!B2H", 0, kind, 1)


def resolve(server: str, port: int, name: str, mapped: bool, attempts: int) -> Answer:
    """Ask for an A record the way musl's resolver does: one unconnected socket, bound to any address,
    and every reply that does not come from the very address asked is thrown away.
    """
    identity = random.randrange(65536)
    connection, target = _socket(server, mapped, socket.SOCK_DGRAM)
    with connection:
        connection.settimeout(5)
        connection.bind(("::" if connection.family == socket.AF_INET6 else "0.0.0.0", 0))
        for _ in range(attempts):
            try:
                connection.sendto(_query(name, identity, 1), (target, port))
                data, source = connection.recvfrom(512)
            except OSError as error:
                failure = _failure(error)
                continue
            if source[:2] != (target, port):
                failure = [None, "WRONG_SOURCE", source[:2]]
                continue
            if struct.unpack_from("!H", data)[0] == identity and struct.unpack_from("!H", data, 6)[0]:
                return [socket.inet_ntoa(data[-4:]), None, source[:2]]
    return failure


_OPERATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (ping, ask, open_udp, open_connected, say, peer_of, exchange, close, storm, calm, resolve)
}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": _OPERATIONS[request.pop("op")](**request)}
        except (OSError, LookupError, TypeError, ValueError):
            answer = {"traceback": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


main()
