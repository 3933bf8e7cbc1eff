"""A host whose desired state changes in every way at once, while clients connect to all of it without pause.

What each client may be answered is known for every state and for every instant between two states, so that
a single connection to a wrong backend, or past the balancer, is seen.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import (
    Object,
    both,
    endpoint_slice,
    local_redirect,
    plain,
    pod,
    port,
    service,
    to_address,
    to_service,
)

WEB, FIXED, SPLIT, GUEST, ADDRESS = (
    pool.vip(1),
    pool.vip(2)[0],
    pool.vip(3)[0],
    pool.vip(4)[0],
    "169.254.20.10",
)
HALVES = (("one", "two"), ("three", "four"))
POD = "00000001-aaaa-bbbb-cccc-dddddddddddd"
POD_CGROUP = f"kubepods/pod{POD}/container"
_FOUR = dict(zip(pool.NAMES, pool.FOUR_ADDRESSES, strict=True))
_SIX = dict(zip(pool.NAMES, pool.SIX_ADDRESSES, strict=True))
_STEP = 64  # more members of groups than all services but `bulk` together have


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`web` are its backends; `guest` is a service, and a second port of web, that come and go; `rate` is
    that of the redirect of service split and of an address ("0": no limit), None without it. `size` makes
    a service so large that maps made for the size below it have to grow.
    """

    web: tuple[str, ...] = HALVES[0]
    guest: bool = False
    rate: str | None = None
    size: int = 0

    def objects(self) -> Iterator[Object]:
        ports, target = both(80), both(pool.PORT)
        if self.guest:
            ports, target = (*ports, port(81, "more")), (*target, port(pool.PORT, "more"))
            yield from plain("guest", GUEST, (pool.TWO,))
        yield service("web", *ports, ips=WEB)
        for family in (_FOUR, _SIX):
            yield endpoint_slice("web", [family[name] for name in self.web], *target)
        yield from plain("fixed", FIXED, (pool.FOUR,))
        yield from plain("split", SPLIT, (pool.THREE,))
        bulk = [f"10.245.{number // 250}.{number % 250 + 1}" for number in range(_STEP * (self.size + 1))]
        yield from plain("bulk", "10.96.9.1", bulk)
        yield pod("local", "node1", pool.ONE, uid=POD, labels={"app": "local"})
        if self.rate is not None:
            for name, frontend in (
                ("split", to_service("split")),
                ("address", to_address(ADDRESS, *both(80))),
            ):
                yield local_redirect(
                    name, frontend, *both(pool.PORT), labels={"app": "local"}, rate=self.rate
                )

    def config(self) -> str:
        """A config file with a limit that this size just fits into."""
        return f"map_limits: {{members: {_STEP * (self.size + 2) - 1}}}\n"

    def another(self, chance: random.Random, *, grow: bool) -> State:
        """A state that differs, at random; a larger one if it is to grow."""
        while True:
            found = State(
                web=chance.choice(HALVES),
                guest=chance.random() < 0.5,
                rate=chance.choice((None, "0", "1")),
                size=self.size + grow,
            )
            if found != self:
                return found


def put(host: Host, state: State) -> None:
    """The state's manifests and config file, in place of all others."""
    host.balancer.config.write_text(state.config())
    host.balancer.write(list(state.objects()))


class Turmoil:
    """Storms from a process of the host and from the pod that is the redirects' backend. Each connects anew
    after `pause` seconds.
    """

    def __init__(self, host: Host, *, pause: float) -> None:
        self._host = host.add_client("storm")
        self._pod = host.add_client(POD_CGROUP)
        for client in (self._host, self._pod):
            os.setpriority(os.PRIO_PROCESS, client.pid, 15)  # its threads too: a pass is not slowed down much
        web, redirect = set(pool.NAMES), {"one", "three"}
        refused, gone = {"ECONNREFUSED"}, {"ECONNREFUSED", "ENETUNREACH"}
        asked: list[tuple[Client, Way, str, int, bool, set[str]]] = [
            (self._host, Way.TCP, WEB[0], 80, False, web),
            (self._host, Way.UNCONNECTED, WEB[1], 80, False, web),
            (self._host, Way.TCP, WEB[0], 81, True, web | refused),
            (self._host, Way.CONNECTED, FIXED, 80, True, {"four"}),
            (self._host, Way.TCP, SPLIT, 80, False, redirect),
            (self._host, Way.TCP, GUEST, 80, False, {"two"} | gone),
            (self._host, Way.UNCONNECTED, ADDRESS, 80, False, {"one"} | gone),
            (self._pod, Way.TCP, SPLIT, 80, True, {"three"}),
            (self._pod, Way.UNCONNECTED, SPLIT, 80, False, {"three"}),
        ]
        self._storms = [
            (
                f"{way} {address}:{number}",
                client.storm(way, address, number, mapped=mapped, pause=pause),
                allowed,
            )
            for client, way, address, number, mapped, allowed in asked
        ]
        self._talking = self._host.open_udp()

    def check(self, state: State) -> None:
        """Between passes: everybody gets just what the state says."""
        ask = self._host.tally
        assert set(ask(WEB[0], 80, count=12)) <= set(state.web)
        assert set(ask(WEB[1], 81, count=4)) <= (set(state.web) if state.guest else {"ECONNREFUSED"})
        assert {reply.name for reply in self._talking.exchange(WEB[0], 80)} <= set(state.web)
        assert set(ask(GUEST, 80, count=4)) == {"two" if state.guest else "ENETUNREACH"}
        redirected = {None: {"three"}, "0": {"one"}, "1": {"one", "three"}}[state.rate]
        assert set(ask(SPLIT, 80, count=4)) <= redirected
        assert set(self._pod.tally(SPLIT, 80, count=4)) == {"three"}
        assert set(ask(ADDRESS, 80, count=2)) <= (
            {"ENETUNREACH"} if state.rate is None else {"one", "ECONNREFUSED"}
        )

    def calm(self) -> dict[str, dict[str, int]]:
        """End it. The wrong outcomes by storm, none if all went well; every storm must have had some right ones."""
        wrong = {}
        for name, storm, allowed in self._storms:
            outcomes = storm.calm()
            assert allowed & outcomes.keys(), f"{name}: {outcomes}"
            if bad := {outcome: count for outcome, count in outcomes.items() if outcome not in allowed}:
                wrong[name] = bad
        return wrong
