"""The metrics as Prometheus reads them: names, labels, and what is told when little is known."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from harness.tools import unpacked
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.registry import Collector

from balancer.kernel.reasons import FORWARDING, Reason
from balancer.model.problem import Origin, Problem, Severity
from balancer.observe.metrics import exposition, openmetrics, process_collectors
from balancer.observe.metrics_families import families
from balancer.observe.metrics_reading import Live, Reading
from balancer.observe.series import Counted, FrontendLabels, ServicePort
from balancer.state import State
from balancer.tally import Tally
from balancer.views import Effect, LastPass, MapFill

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LABELS = FrontendLabels("d", "web", "http", "TCP", "ClusterIP", "10.96.0.1:80", "service", "")
PORT = ServicePort("d", "web", "http", "TCP")
LIVE = Live(
    build_id="00ab",
    hooks={"connect4": True, "connect6": False},
    effect=Effect.INEFFECTIVE,
    maps=(MapFill(name="slots", used=3, capacity=16384),),
    decisions=(5, 0, 0, 0, 0, 1, 0, 2),
    frontends=(Counted(LABELS, (5, 0, 0, 0, 0, 1, 0, 0)),),
    kinds={("ClusterIP", "service"): 1},
    backends=2,
    service_backends={PORT: 2},
    events_lost=4,
)
STATE = State(
    last_pass=LastPass(time=NOON, result="refused", seconds=0.0, frontends=1, files=1, changes=0),
    tally=Tally(
        passes={"converged": 2, "failed": 1},
        pass_seconds=1.5,
        seconds={"read": 0.5},
        counts={"read": 2},
        sockets_ended=3,
        last_success=NOON,
    ),
    problems=(Problem(origin=Origin(file="a.yaml", line=1), message="bad", severity=Severity.ERROR),),
    stale_files=("a.yaml", "b.yaml"),
)
FULL = Reading(live=LIVE, state=STATE)


class Given(Collector):
    """Tells one reading."""

    def __init__(self, reading: Reading, series_limit: int = 100) -> None:
        self.reading = reading
        self.series_limit = series_limit

    def collect(self) -> Iterable[Metric]:
        return families(self.reading, {"slots": 1 << 20}, self.series_limit)


def _samples(reading: Reading, name: str, **options: int) -> dict[tuple[str, ...], float]:
    """The values of one metric by its labels' values, in the order they are told."""
    told = exposition(Given(reading, **options)).decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in parse(told)
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize("reading", [FULL, Reading(), Reading(live=LIVE), Reading(state=STATE)])
def test_promtool_finds_nothing_to_say(reading: Reading) -> None:
    """Prometheus: naming conventions and the text format."""
    told = exposition(Given(reading), *process_collectors())
    checked = subprocess.run([unpacked("promtool"), "check", "metrics"], input=told, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_every_name_begins_with_the_products() -> None:
    names = {family.name for family in parse(exposition(Given(FULL)).decode())}
    assert len(names) > 20
    assert all(name.startswith("balancer_") for name in names)


def test_decisions_have_a_series_for_every_reason() -> None:
    """From the first scrape on, so that the first increase is seen."""
    found = _samples(FULL, "balancer_decisions_total")
    assert found[("forwarded", "forwarded")] == 5
    assert found[("unknown_port", "rejected")] == 2
    assert dict(found.keys()) == {
        reason.name.lower(): "forwarded" if reason in FORWARDING else "rejected" for reason in Reason
    }


def test_frontends_have_series_for_what_they_decided() -> None:
    found = _samples(FULL, "balancer_frontend_decisions_total")
    assert sorted(found.values()) == [1, 5]
    assert {"10.96.0.1:80", "http", "d", "web"} <= set(next(iter(found)))


@pytest.mark.parametrize(("limit", "series", "omitted"), [(2, 2, 0), (1, 0, 1)])
def test_the_limit_bounds_series(limit: int, series: int, omitted: int) -> None:
    """And says what it left out; what is told of the whole host stays whole."""
    assert len(_samples(FULL, "balancer_frontend_decisions_total", series_limit=limit)) == series
    assert _samples(FULL, "balancer_frontend_series_omitted", series_limit=limit) == {(): omitted}
    assert len(_samples(FULL, "balancer_service_backends", series_limit=limit)) == 1
    assert sum(_samples(FULL, "balancer_decisions_total", series_limit=limit).values()) == 8


def test_the_limit_bounds_service_ports_too() -> None:
    assert _samples(FULL, "balancer_service_backends", series_limit=0) == {}
    assert _samples(FULL, "balancer_service_series_omitted", series_limit=0) == {(): 1}


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "ä{x}=,", "\\n"])
def test_labels_are_escaped(odd: str) -> None:
    """No name of an object can break the format or make up a series."""
    live = Live(**{**_fields(LIVE), "frontends": (Counted(LABELS._replace(service=odd), (1,) + (0,) * 7),)})
    found = _samples(Reading(live=live), "balancer_frontend_decisions_total")
    assert [odd in labels for labels in found] == [True]


def _fields(live: Live) -> dict[str, object]:
    return {name: getattr(live, name) for name in live.__dataclass_fields__}


def test_passes_and_stages() -> None:
    assert _samples(FULL, "balancer_passes_total") == {("converged",): 2, ("failed",): 1}
    assert _samples(FULL, "balancer_pass_duration_seconds_count") == {(): 2}
    assert _samples(FULL, "balancer_pass_duration_seconds_sum") == {(): 1.5}
    stages = _samples(FULL, "balancer_stage_duration_seconds_sum")
    assert (len(stages), stages[("read",)], stages[("write",)]) == (7, 0.5, 0)


def test_a_pass_that_failed_after_one_that_converged() -> None:
    assert _samples(FULL, "balancer_last_pass_converged") == {(): 0}
    assert _samples(FULL, "balancer_last_success_timestamp_seconds") == {(): NOON.timestamp()}


def test_trouble_is_told() -> None:
    assert _samples(FULL, "balancer_stale_files") == {(): 2}
    assert _samples(FULL, "balancer_problems") == {("error",): 1, ("warning",): 0}
    damaged = Reading(live=LIVE, state=STATE, warning="the state file is damaged")
    assert _samples(damaged, "balancer_problems") == {("error",): 1, ("warning",): 1}
    assert _samples(FULL, "balancer_sockets_destroyed_total") == {(): 3}
    assert _samples(FULL, "balancer_events_lost_total") == {(): 4}


def test_hooks_and_effect() -> None:
    assert _samples(FULL, "balancer_hook_attached") == {("connect4",): 1, ("connect6",): 0}
    effect = {"effective": 0, "unverified": 0, "ineffective": 1}
    assert _samples(FULL, "balancer_effect") == {(state,): value for state, value in effect.items()}


def test_nothing_loaded_is_told_as_that() -> None:
    """And nothing is made up: what only the maps know is left out."""
    nothing = Reading(state=STATE)
    assert _samples(nothing, "balancer_loaded") == {(): 0}
    assert set(_samples(nothing, "balancer_hook_attached").values()) == {0}
    assert _samples(nothing, "balancer_effect")[("ineffective",)] == 1
    assert _samples(nothing, "balancer_decisions_total") == {}
    assert _samples(nothing, "balancer_passes_total") == {("converged",): 2, ("failed",): 1}


def test_openmetrics_says_the_same() -> None:
    told = parse_openmetrics(openmetrics(Given(FULL)).decode())
    samples = {(item.name, *item.labels.values()): item.value for family in told for item in family.samples}
    assert samples[("balancer_decisions_total", "unknown_port", "rejected")] == 2
    assert samples[("balancer_build_info", "00ab", samples_version(samples))] == 1


def samples_version(samples: dict[tuple[str, ...], float]) -> str:
    """The version in balancer_build_info."""
    return next(name[2] for name in samples if name[0] == "balancer_build_info")


def test_the_process_tells_of_itself_apart() -> None:
    """Once, and as often as it is asked for."""
    for _ in range(2):
        told = exposition(*process_collectors()).decode()
        assert "process_resident_memory_bytes" in told
        assert "python_info" in told
        assert "balancer_" not in told
