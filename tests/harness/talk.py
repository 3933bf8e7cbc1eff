"""The nine sorts of sockets that every rule of the data plane must hold for."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from harness.client import Client, Reply, Way


class Family(enum.StrEnum):
    """The socket's family and the address given to it; MAPPED is ::ffff:a.b.c.d on an IPv6 socket."""

    IPV4 = "v4"
    IPV6 = "v6"
    MAPPED = "mapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """One sort of socket. Addresses come in pairs (IPv4, IPv6); the sort decides which is used."""

    way: Way
    family: Family

    def __str__(self) -> str:
        return f"{self.way}-{self.family}"

    def pick(self, pair: tuple[str, str]) -> str:
        return pair[1] if self.family is Family.IPV6 else pair[0]

    def seen(self, pair: tuple[str, str]) -> str:
        """The address as a socket of this sort shows it."""
        return f"::ffff:{pair[0]}" if self.family is Family.MAPPED else self.pick(pair)

    def one(self, client: Client, pair: tuple[str, str], port: int) -> Reply:
        return client.one(self.way, self.pick(pair), port, mapped=self.family is Family.MAPPED)

    def tally(self, client: Client, pair: tuple[str, str], port: int, *, count: int = 60) -> Counter[str]:
        mapped = self.family is Family.MAPPED
        return client.tally(self.pick(pair), port, way=self.way, mapped=mapped, count=count)


def every() -> Iterator[Talk]:
    """All nine."""
    for way in Way:
        for family in Family:
            yield Talk(way=way, family=family)
