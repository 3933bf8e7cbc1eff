"""A real Prometheus that scrapes a real agent, and the same host's textfile through a real node_exporter.

The dashboard's and the alerts' expressions are asked there while real clients connect.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import monitoring, pool
from harness.agent import Watch
from harness.client import Way
from harness.host import Host
from harness.monitoring import ALERTS, CONFIG
from harness.objects import both, local_redirect, plain, pod, to_service
from harness.patience import PATIENCE_SECONDS
from harness.place import Place
from harness.prometheus import Prometheus, config, node_exporter, prometheus
from harness.units import confined

AGENT, EXPORTER, SERVER = "127.0.0.1:9464", "127.0.0.1:9100", "127.0.0.1:9090"
JOBS = {"balancer": AGENT, "node": EXPORTER}
WEB, EMPTY, DNS, COUNTED, GONE = (pool.vip(number)[0] for number in range(1, 6))
LABELS = {"app": "dns"}
QUERIES = monitoring.expressions(monitoring.dashboard())
VALUES = {"__rate_interval": "15s", "__range": "1m", "instance": ".*", "namespace": ".*", "service": ".*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    host: Host
    agent: Watch
    prometheus: Prometheus

    def until(self, expression: str, value: float) -> None:
        self.prometheus.until(
            lambda: self.prometheus.value(expression) == value,
            lambda: f"{expression} is {self.prometheus.value(expression)}, not {value}",
        )

    def until_firing(self, *alerts: str, job: str) -> None:
        wanted = {(alert, job) for alert in alerts}
        self.prometheus.until(lambda: wanted <= self.prometheus.firing(), lambda: f"{wanted} do not fire")

    def until_quiet(self, *alerts: str) -> None:
        names = set(alerts)
        self.prometheus.until(
            lambda: not names & {name for name, _ in self.prometheus.firing()}, lambda: f"{names} fire still"
        )


@pytest.fixture(scope="module")
def world(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Clients connect to a service, to one without backends, above a rate, and to a port that is not there."""
    directory = tmp_path_factory.mktemp("prometheus")
    textfiles = directory / "textfiles"
    textfiles.mkdir()
    _write(host)
    with ExitStack() as stack:
        configuration = config(CONFIG, monitoring.eager(ALERTS, directory), JOBS)
        place = Place(netns=host.netns)
        server = stack.enter_context(prometheus(place, directory, configuration, SERVER))
        agent = stack.enter_context(Watch(host, "--metrics-listen", AGENT))
        stack.enter_context(_textfile(host, textfiles / "balancer.prom"))
        stack.enter_context(node_exporter(place, textfiles, EXPORTER))
        made = World(host=host, agent=agent, prometheus=server)
        made.until("count(balancer_loaded == 1)", len(JOBS))
        stack.enter_context(_traffic(host))
        made.until(
            'count(sum by (job) (rate(balancer_passes_total{result="converged"}[15s])) > 0)', len(JOBS)
        )
        made.until(
            'count(rate(balancer_frontend_decisions_total{reason="rate_limited"}[15s]) > 0)', len(JOBS)
        )
        yield made


def _write(host: Host) -> None:
    """A pass a second, so that passes have a rate."""
    host.balancer.config.write_text("resync_seconds: 1\n")
    redirect = local_redirect("dns", to_service("dns"), *both(pool.PORT), labels=LABELS, rate="1")
    host.balancer.write(
        plain("web", WEB, (pool.ONE, pool.TWO)),
        plain("empty", EMPTY, ()),
        plain("dns", DNS, (pool.THREE,)),
        plain("counted", COUNTED, (pool.FOUR,)),
        redirect,
        pod("dns", host.node, pool.ONE, labels=LABELS),
    )


@contextmanager
def _textfile(host: Host, path: Path) -> Iterator[None]:
    process = host.balancer.start("metrics", "--textfile", str(path), "--interval", "0.5")
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


@contextmanager
def _traffic(host: Host) -> Iterator[None]:
    asked = ((WEB, 80), (EMPTY, 80), (DNS, 80), (WEB, 81))
    storms = [host.client.storm(Way.TCP, address, number, pause=0.02) for address, number in asked]
    yield
    assert all(storm.calm() for storm in storms)


def test_counts_are_what_clients_did(world: World) -> None:
    """Of each way to get at them."""
    asked = ((Way.TCP, "TCP", 60), (Way.UNCONNECTED, "UDP", 25))
    for way, _, count in asked:
        assert world.host.client.tally(COUNTED, 80, way=way, count=count) == {"four": count}
    for job, (_, protocol, count) in itertools.product(JOBS, asked):
        of = f'job="{job}", service="counted", protocol="{protocol}", result="forwarded"'
        world.until(f"sum(balancer_frontend_decisions_total{{{of}}})", count)


def test_both_ways_tell_the_same(world: World) -> None:
    """But for what goes on meanwhile."""

    def told(job: str) -> set[tuple[str, str, float]]:
        found = world.prometheus.query(f'balancer_service_backends{{job="{job}"}}')
        return {(item["service"], item["port"], value) for item, value in found}

    world.prometheus.until(
        lambda: told("balancer") == told("node") != set(), lambda: f"{[told(job) for job in JOBS]}"
    )
    assert {("web", "tcp", 2), ("empty", "tcp", 0), ("dns", "tcp", 1)} <= told("node")


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_of_the_dashboard_has_an_answer(world: World, name: str) -> None:
    query = monitoring.substituted(QUERIES[name], VALUES)
    world.prometheus.until(
        lambda: any(not math.isnan(value) for _, value in world.prometheus.query(query)),
        lambda: f"no answer to {query}",
    )


def test_the_dashboard_shows_what_clients_do(world: World) -> None:
    """Of the service that was chosen alone, and each destination with what became of it."""
    of = _Shown(world)
    of.until({("default", "web")}, "By service A", service="web")
    of.until({("default", "web"), ("default", "dns")}, "By service A", service="web|dns")
    of.until({(f"{EMPTY}:80", "default", "refused", "empty")}, "Rejected by destination A")
    of.until({("LocalRedirectPolicy dns", "rate_limited")}, "Rate limited and fallbacks A")
    assert of.containing({("refused",)}, "By reason A")["refused",] > 0
    fill = of.containing({("frontends",)}, "Fill against capacity A")
    assert 0 < fill["frontends",] < 1
    assert all(0 <= value <= 1 for value in fill.values())
    of.containing({("read",), ("compute",), ("inspect",)}, "Stages of a pass A")


class _Shown:
    """What panels show: a value for each tuple of labels, in the order of their names. A scrape that a busy machine
    did not answer in time leaves a hole, which the next one ends.
    """

    def __init__(self, world: World) -> None:
        self._prometheus = world.prometheus

    def _now(self, name: str, **chosen: str) -> dict[tuple[str, ...], float]:
        found = self._prometheus.query(monitoring.substituted(QUERIES[name], {**VALUES, **chosen}))
        return {tuple(labels[key] for key in sorted(labels)): value for labels, value in found}

    def until(self, wanted: set[tuple[str, ...]], name: str, **chosen: str) -> None:
        """These and no others."""
        self._prometheus.until(
            lambda: self._now(name, **chosen).keys() == wanted,
            lambda: f"{name}: {self._now(name, **chosen)}, not {wanted}",
        )

    def containing(self, wanted: set[tuple[str, ...]], name: str) -> dict[tuple[str, ...], float]:
        """What is shown once these are among it."""
        found: dict[tuple[str, ...], float] = {}

        def is_there() -> bool:
            nonlocal found
            found = self._now(name)
            return wanted <= found.keys()

        self._prometheus.until(is_there, lambda: f"{name}: {found}, without {wanted}")
        return found


def test_the_timers_unit_may_do_what_it_must(world: World, tmp_path: Path) -> None:
    """With the capabilities and system calls of the unit alone, and nothing to write to but the directory."""
    balancer, file = world.host.balancer, tmp_path / "balancer.prom"
    prefix = confined(str(monitoring.MONITORING / "balancer-metrics.service"), tmp_path)
    with balancer.start("metrics", "--textfile", str(file), prefix=prefix) as process:
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, said) == (0, "")
    assert 'balancer_effect{state="effective"} 1.0\n' in file.read_text()
    assert file.stat().st_mode & 0o444 == 0o444


def test_every_rule_can_be_evaluated(world: World) -> None:
    groups = world.prometheus.get("/api/v1/rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert len(found) == len(monitoring.rules())
    world.prometheus.until(
        lambda: all(
            rule["health"] == "ok"
            for group in world.prometheus.get("/api/v1/rules")["groups"]
            for rule in group["rules"]
        ),
        lambda: "some rule is not well",
    )


def test_an_alert_about_refusals_tells_the_command_that_explains_it(world: World) -> None:
    world.until_firing(
        "BalancerConnectionsRefused", "BalancerUnknownPort", "BalancerRateLimited", job="balancer"
    )
    of_refusals = {"alertname": "BalancerConnectionsRefused", "job": "balancer"}.items()
    alerts: list[monitoring.Json] = []

    def is_told() -> bool:
        told = world.prometheus.get("/api/v1/alerts")["alerts"]
        alerts[:] = [item for item in told if of_refusals <= item["labels"].items()]
        return bool(alerts)

    world.prometheus.until(is_told, lambda: "the alert has gone")
    (alert,) = alerts
    (command,) = re.findall(r"`balancer (explain [^`]+)`", alert["annotations"]["runbook"])
    assert command == f"explain {EMPTY}:80/TCP"
    assert "refuse" in world.host.balancer.run(*command.split()).stdout
    (drawn,) = monitoring.annotation_queries(monitoring.dashboard()).values()
    query = monitoring.substituted(drawn, VALUES)
    world.prometheus.until(lambda: world.prometheus.query(query), lambda: f"nothing is drawn: {query}")


def test_a_broken_file_is_told_until_it_is_whole_again(world: World) -> None:
    more = plain("gone", GONE, (pool.ONE,))
    world.host.balancer.add("more.yaml", *more)
    world.until('balancer_service_backends{job="balancer", service="gone", protocol="TCP"}', 1)
    (world.host.balancer.manifests / "more.yaml").write_text("kind: [\n")
    world.until_firing("BalancerStaleFiles", "BalancerManifestErrors", job="balancer")
    world.until_firing("BalancerStaleFiles", "BalancerManifestErrors", job="node")
    assert world.host.client.tcp(GONE, 80) == "one"
    world.host.balancer.add("more.yaml", *more)
    world.until_quiet("BalancerStaleFiles", "BalancerManifestErrors")


def test_only_what_is_wrong_fires(world: World) -> None:
    """Nothing critical on a host that works; then the agent is killed, and at last everything is removed."""
    world.until_quiet("BalancerStaleFiles", "BalancerManifestErrors", "BalancerPassFailing")
    expected = {"BalancerConnectionsRefused", "BalancerUnknownPort", "BalancerRateLimited"}
    world.prometheus.until(
        lambda: {name for name, _ in world.prometheus.firing()} <= expected,
        lambda: f"{world.prometheus.firing()} fire, not only {expected}",
    )
    world.agent.crash()
    world.until_firing("BalancerAgentDown", job="balancer")
    world.host.balancer.run("detach")
    world.until_firing("BalancerNotLoaded", job="node")
    assert ("BalancerNotLoaded", "balancer") not in world.prometheus.firing()
