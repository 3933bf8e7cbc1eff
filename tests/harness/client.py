"""A real client in a place: asks an address by TCP or UDP and says who answered."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.lines import Lines
from harness.place import Place

_SCRIPT = Path(__file__).with_name("client_main.py")


class Way(enum.StrEnum):
    """How a client talks: TCP (with HTTP), a connected UDP socket, or sendto and recvfrom."""

    TCP = "tcp"
    CONNECTED = "connected"
    UNCONNECTED = "unconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`name` is who answered, "" when nobody did; then `errno` is the error's name, or TIMEOUT.

    `source` is the peer that getpeername (connected sockets) or recvfrom (unconnected ones) told.
    """

    name: str = ""
    errno: str = ""
    source: tuple[str, int] | None = None

    @property
    def outcome(self) -> str:
        return self.name or self.errno

    @classmethod
    def of(cls, raw: list[Any]) -> Reply:
        name, errno, source = raw
        return cls(name=name or "", errno=errno or "", source=(source[0], source[1]) if source else None)


class Client(Lines):
    """One process that makes any number of sockets, one after the other.

    `mapped` uses an IPv6 socket and ::ffff:a.b.c.d for an IPv4 address, as many runtimes do.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(_SCRIPT, place)

    def ask(
        self, way: Way, address: str, port: int, *, mapped: bool = False, count: int = 1, **options: Any
    ) -> list[Reply]:
        """`count` fresh sockets to one address."""
        raw = self.request(
            "ask", way=way, address=address, port=port, mapped=mapped, count=count, options=options
        )
        return [Reply.of(reply) for reply in raw]

    def one(self, way: Way, address: str, port: int, *, mapped: bool = False) -> Reply:
        """The reply to a single fresh socket."""
        return self.ask(way, address, port, mapped=mapped)[0]

    def tally(
        self, address: str, port: int, *, way: Way = Way.TCP, mapped: bool = False, count: int = 60
    ) -> Counter[str]:
        """How often each name answered, and each error was seen, over `count` fresh sockets."""
        return Counter(reply.outcome for reply in self.ask(way, address, port, mapped=mapped, count=count))

    def tcp(self, address: str, port: int) -> str:
        """Who answered one TCP connection, or the error's name."""
        return self.one(Way.TCP, address, port).outcome

    def udp(self, address: str, port: int) -> str:
        """Who answered one datagram of a fresh unconnected socket, or the error's name."""
        return self.one(Way.UNCONNECTED, address, port).outcome

    def open_udp(self, *, mapped: bool = False, six: bool = False) -> Socket:
        """An unconnected UDP socket that stays until closed or until the client ends."""
        return Socket(self, self.request("open_udp", mapped=mapped, six=six), mapped)

    def open_connected(self, way: Way, address: str, port: int, *, mapped: bool = False) -> Socket:
        """A connected socket that stays; RuntimeError when it cannot connect."""
        number = self.request("open_connected", way=way, address=address, port=port, mapped=mapped)
        return Socket(self, number, mapped)

    def storm(
        self, way: Way, address: str, port: int, *, mapped: bool = False, pause: float = 0.0005
    ) -> Storm:
        """Fresh sockets one after the other in the background, `pause` seconds apart, to be ended with `calm`."""
        return Storm(
            self, self.request("storm", way=way, address=address, port=port, mapped=mapped, pause=pause)
        )

    def resolve(self, server: str, port: int, name: str, *, mapped: bool = False) -> Reply:
        """The IPv4 address of `name`, asked the way musl's resolver asks."""
        raw = self.request("resolve", server=server, port=port, name=name, mapped=mapped, attempts=3)
        return Reply.of(raw)


class Socket:
    """A socket of a client that stays open."""

    def __init__(self, client: Client, number: int, mapped: bool) -> None:
        self._client = client
        self._number = number
        self._mapped = mapped

    def exchange(self, address: str, port: int, *, count: int = 1) -> list[Reply]:
        """Send and receive `count` datagrams, one after the other (unconnected UDP only)."""
        target = f"::ffff:{address}" if self._mapped else address
        raw = self._client.request("exchange", number=self._number, address=target, port=port, count=count)
        return [Reply.of(reply) for reply in raw]

    def say(self) -> str:
        """Who answers one question over a connected socket, or the error's name."""
        return Reply.of(self._client.request("say", number=self._number)).outcome

    def peer(self) -> tuple[str, int]:
        """What getpeername says now."""
        address, port = self._client.request("peer_of", number=self._number)
        return (address, port)

    def close(self) -> None:
        self._client.request("close", number=self._number)


class Storm:
    """Connections without pause."""

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self._number = number

    def calm(self) -> Counter[str]:
        """End it; how often each name answered and each error was seen."""
        return Counter(self._client.request("calm", number=self._number))
