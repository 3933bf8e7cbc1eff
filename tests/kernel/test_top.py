"""top in a real terminal, on real connections: what is shown is what clients did, and the terminal is left well."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from harness import pool, schemas
from harness.balancer import COMMAND, Balancer
from harness.client import Client, Way
from harness.host import Host
from harness.objects import both, local_redirect, plain, pod, to_service
from harness.patience import PATIENCE_SECONDS
from harness.place import Place
from harness.terminal import Terminal, terminal

from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Pins
from balancer.plan.entries import INDEX, SETTING, EventLevel, MapName, Setting

WEB, DB, NONE = (pool.vip(number)[0] for number in (1, 2, 3))
HEAD = "SERVICE"


@pytest.fixture(autouse=True)
def _applied(host: Host) -> None:
    """Three services with two, one and no backends; the programs loaded anew if a test took them away."""
    host.balancer.apply(
        plain("web", WEB, (pool.ONE, pool.TWO)), plain("db", DB, (pool.THREE,)), plain("none", NONE, ())
    )


@contextmanager
def busy(client: Client, address: str, pause: float) -> Iterator[list[Counter[str]]]:
    """Connections meanwhile; what became of them is in the list afterwards."""
    storm = client.storm(Way.TCP, address, 80, pause=pause)
    ended: list[Counter[str]] = []
    try:
        yield ended
    finally:
        ended.append(storm.calm())


def command(made: Balancer, *arguments: str) -> list[str]:
    options = ("--cgroup", made.cgroup, "--bpffs", made.bpffs, "--state", made.state, "--node", made.node)
    return Place(netns=made.netns).command([str(COMMAND), "top", *map(str, options), *arguments])


@contextmanager
def top(host: Host, *arguments: str, **options: Any) -> Iterator[Terminal]:
    """The full-screen view, once it has rates."""
    with terminal(command(host.balancer, "--interval", "0.5", *arguments), **options) as screen:
        screen.until(HEAD, "connections/s")
        yield screen


def lines_of(screen: str, name: str) -> list[list[str]]:
    return [line.split() for line in screen.splitlines() if line.startswith(name)]


def total(screen: str, name: str, port: str = "80/TCP") -> int:
    """The TOTAL of a service port; 0 while it is not on the screen."""
    head = next((line.split() for line in screen.splitlines() if line.startswith(HEAD)), [])
    for cells in lines_of(screen, name):
        if cells[1] == port:
            return int(cells[head.index("TOTAL")])
    return 0


def test_totals_are_the_connections_that_clients_made(host: Host, client: Client) -> None:
    told = {
        (item["address"], item["protocol"]): item
        for item in host.balancer.json("get", "frontends")["frontends"]
    }
    before = told[WEB, "TCP"]["forwarded"], told[DB, "TCP"]["forwarded"]
    with top(host) as screen:
        assert client.tally(WEB, 80, count=17).total() == 17
        assert client.tally(DB, 80, count=5) == {"three": 5}
        screen.until_true(
            lambda seen: (
                (total(seen, "default/web"), total(seen, "default/db")) == (before[0] + 17, before[1] + 5)
            ),
            "17 and 5 connections more",
        )


def test_rates_are_those_of_the_client(host: Host, client: Client) -> None:
    """The sum of what was shown, interval by interval, is what the client did: no connection is shown twice."""
    process = host.balancer.start("top", "--interval", "0.5", "--count", "4", "-o", "json")
    with busy(client, WEB, 0.01) as ended:
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    views = [json.loads(line) for line in out.splitlines()]
    for view in views:
        schemas.check("top", view)
    shown = sum(_row(view, "default/web")["rates"]["forwarded"] * view["seconds"] for view in views)
    assert len(views) == 4
    assert 0 < round(shown) <= ended[0].total()
    rounding = 0.001 * (sum(view["seconds"] for view in views) + 1)  # rates have three decimals
    assert shown == pytest.approx(round(shown), abs=rounding)


def _row(view: Any, service: str, protocol: str = "TCP") -> Any:
    (found,) = (row for row in view["rows"] if (row["service"], row["protocol"]) == (service, protocol))
    return found


def test_refusals_are_shown_and_sort_to_the_top(host: Host, client: Client) -> None:
    with busy(client, NONE, 0.02) as ended, top(host, "--sort", "rejected") as screen:
        seen = screen.until_true(
            lambda seen: (
                lines_of(seen, "default/")[:1] == lines_of(seen, "default/none")[:1] != []
                and re.search(r"[1-9][0-9.]* rejected/s", seen) is not None
            ),
            "the refused service on top, and its rate",
        )
        assert "refuse" in " ".join(lines_of(seen, "default/none")[0])
    assert set(ended[0]) == {"ECONNREFUSED"}


def test_a_service_looked_into_shows_how_its_connections_are_spread(host: Host, client: Client) -> None:
    """What is observed of each backend is what answered the client, and all of it is observed. Observing begins
    with the first reading after the reports were switched on, so a connection that shows that there was one may
    count or not.
    """
    with top(host, "--filter", "web 80/tcp", width=160) as screen:
        screen.keys("Enter")
        screen.until("WHO DECIDES", "observed 0 of 0", " in all")
        screen.until_true(lambda _seen: event_level(host) is EventLevel.ALL, "reports switched on")
        before = in_all(screen.screen)
        first = client.tally(WEB, 80, count=1)
        screen.until_true(lambda seen: in_all(seen) not in ("", before), "a reading since then")
        rest = client.tally(WEB, 80, count=60)
        either = [observed(rest), observed(first + rest)]
        screen.until_true(
            lambda seen: any(all(re.search(each, seen) for each in shown) for shown in either), str(either)
        )
        screen.keys("Escape")
        screen.until(HEAD)


def in_all(screen: str) -> str:
    """The connections to the service that is looked into, "" while that is not on the screen."""
    found = re.search(r"(\S+) in all", screen)
    return found[1] if found else ""


def observed(answered: Counter[str]) -> list[str]:
    """What the screen must have when just these were observed."""
    shown = [
        rf"{re.escape(address)}:8080 .* 50\.0% .*\({answered[name]}\)"
        for name, address in (("one", pool.ONE), ("two", pool.TWO))
    ]
    shown.append(rf"{re.escape(WEB)}:80/TCP +ClusterIP +forward .*objects\.yaml:\d+")
    count = answered.total()
    return [*shown, f"observed {count} of {count} choices", "1. service: Service default/web"]


def test_a_redirect_shows_its_policy_and_who_is_beneath(host: Host, client: Client) -> None:
    redirect = local_redirect("near", to_service("web"), *both(pool.PORT), labels={"app": "web"}, rate="1")
    near = pod("near-1", "node1", pool.FOUR, uid="5a", labels={"app": "web"})
    host.balancer.apply(plain("web", WEB, (pool.ONE,)), redirect, near)
    with busy(client, WEB, 0.02) as ended, top(host, "--filter", "80/tcp", width=140) as screen:
        screen.until("redirect near", "LIMIT/S")
        screen.keys("Enter")
        first, second = "1. localRedirect: LocalRedirectPolicy near", "2. service: Service default/web"
        seen = screen.until("default/near-1 on node1", "above the rate", "fallb.", first, second)
        assert seen.index(first) < seen.index(second)
    assert set(ended[0]) == {"one", "four"}


def test_detached_meanwhile_is_said_and_recovered_from(host: Host, client: Client) -> None:
    """On the screen, and in lines of JSON that go on; a table that is asked for now is an error."""
    with top(host) as screen, json_lines(host) as lines:
        client.tally(WEB, 80, count=40)
        host.balancer.run("detach")
        assert "no programs are attached" in host.balancer.run("top", "--plain", code=6).stderr
        screen.until("no programs are attached", "default/web")
        assert "no programs are attached" in next(line for line in lines if "error" in line)["error"]
        host.balancer.run("apply", str(host.balancer.manifests))
        screen.until(HEAD, "connections/s", never="no programs are attached")
        assert _row(next(line for line in lines if "rows" in line), "default/web")["counts"]["forwarded"] == 0
        client.tally(WEB, 80, count=3)
        screen.until_true(lambda seen: total(seen, "default/web") == 3, "counters that began anew")


@contextmanager
def json_lines(host: Host) -> Iterator[Iterator[Any]]:
    """The lines of `top -o json`, each as its schema says; Ctrl-C ends it well."""
    process = host.balancer.start("top", "--interval", "0.2", "-o", "json")

    def read() -> Iterator[Any]:
        for line in process.stdout or ():
            schemas.check("top", found := json.loads(line))
            yield found

    lines = read()
    next(lines)
    try:
        yield lines
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, errors) == (0, "")


def test_services_come_and_go_meanwhile(host: Host, client: Client) -> None:
    with top(host) as screen:
        host.balancer.apply(plain("web", WEB, (pool.ONE,)), plain("late", DB, (pool.TWO,)))
        screen.until("default/late", never="default/none")
        client.tally(DB, 80, count=4)
        screen.until_true(lambda seen: total(seen, "default/late") == 4, "connections to the new one")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(host: Host, number: signal.Signals) -> None:
    with top(host) as screen:
        assert screen.alternate
        os.kill(screen.pid_of("top"), number)
        seen = screen.until("ended with 0")
        assert not screen.alternate
        assert re.search(r"(?<!-)\bicanon", seen)


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_a_key_ends_it_and_leaves_the_terminal_as_it_was(host: Host, key: str) -> None:
    with top(host) as screen:
        screen.keys("Enter" if key == "q" else "?", key)
        seen = screen.until("ended with 0")
        assert not screen.alternate
        assert re.search(r"(?<!-)\bicanon", seen)
        assert "Traceback" not in seen


def test_a_small_terminal_and_one_that_changes(host: Host) -> None:
    with top(host, width=80, height=24) as screen:
        assert max(map(len, screen.screen.splitlines())) <= 80
        screen.resize(30, 8)
        screen.until_true(fills_eight_lines, "the head, rows and the keys in 8 lines")
        screen.resize(170, 40)
        screen.until("AFFINITY", "POLICY", "VIPS", WEB)


def fills_eight_lines(screen: str) -> bool:
    """From the first line to the last: a larger screen that the terminal has only cut off does not."""
    lines = screen.splitlines()
    parts = ("balancer top", "connections/s", HEAD, "default/db", "q quit")
    return len(lines) == 8 and all(
        part in line for part, line in zip(parts, (*lines[:4], lines[-1]), strict=True)
    )


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_can_be_switched_off(host: Host, environment: dict[str, str], coloured: bool) -> None:
    """no-color.org: NO_COLOR, when set and not empty, means no colour; what is chosen must still be seen."""
    with top(host, environment=environment) as screen:
        screen.keys("Down")
        seen = ""

        def chosen(_seen: str) -> bool:
            nonlocal seen
            seen = screen.coloured
            return "default/web" in seen and ("\x1b[7m" in seen or "\x1b[0;7m" in seen)

        screen.until_true(chosen, "a row that is chosen")
        colour = re.search(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|9[0-7]|38;|4[0-7]|48;)", seen)
        assert (colour is not None) is coloured


def test_without_a_terminal_there_are_tables(host: Host, client: Client) -> None:
    client.tally(WEB, 80, count=3)
    out = host.balancer.run("top", "--interval", "0.2", "--count", "2", "--filter", "default/web tcp").stdout
    first, second = out.strip().split("\n\n")
    assert "effective" in first
    assert "node1" in first
    heads, cells = (line.split() for line in second.splitlines()[1:])
    assert heads[:5] == ["SERVICE", "PORT", "VIPS", "RATE/S", "TOTAL"]
    assert cells[:4] == ["default/web", "80/TCP", WEB, "0"]


def test_who_reads_the_tables_may_go(host: Host) -> None:
    """`balancer top --plain | head -1` ends without a word."""
    process = host.balancer.start("top", "--plain", "--interval", "0.1")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=PATIENCE_SECONDS) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_choices_are_reported_only_while_somebody_looks(host: Host) -> None:
    with top(host) as screen:
        assert event_level(host) is EventLevel.OFF
        screen.keys("Enter")
        screen.until_true(lambda _seen: event_level(host) is EventLevel.ALL, "reports switched on")
        screen.keys("Escape")
        screen.until_true(lambda _seen: event_level(host) is EventLevel.OFF, "reports switched off")
        screen.keys("Enter")
        screen.until_true(lambda _seen: event_level(host) is EventLevel.ALL, "reports switched on again")
        screen.keys("q")
        screen.until("ended with 0")
    assert event_level(host) is EventLevel.OFF


def event_level(host: Host) -> EventLevel:
    live = Pins(host.balancer.bpffs).live()
    assert live is not None
    with PinnedMaps(live.maps) as store:
        raw = store.read(MapName.SETTINGS, [INDEX.pack(Setting.EVENT_LEVEL)])[0]
    return EventLevel(SETTING.unpack(raw or b"")[0])
