"""A reading as families of metrics: the names, the words and the labels, and nothing else.

Names follow Prometheus' conventions: base units, `_total` for what only grows, and a family for one subject.
What is not known is left out rather than told as 0, except where 0 is the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from balancer import __version__
from balancer.kernel.hooks import Hook
from balancer.kernel.reasons import FORWARDING, Reason
from balancer.model.problem import Severity
from balancer.observe.metrics_reading import Live, Reading
from balancer.observe.series import FrontendLabels, ServicePort, busiest, service_backends
from balancer.state import State
from balancer.tally import Ending, Stage, Tally
from balancer.views import Effect

_RESULTS = {
    reason: ("forwarded" if reason in FORWARDING else "rejected", reason.name.lower()) for reason in Reason
}


def families(reading: Reading, limits: Mapping[str, int], series_limit: int) -> Iterator[Metric]:
    """Every family that there is something to tell for. `limits` are the most entries that maps may grow to,
    `series_limit` bounds each family that has a series for every frontend or service port.
    """
    live = reading.live
    yield _gauge("loaded", "Whether programs of this instance are attached.", live is not None)
    build = {"version": __version__, "build_id": live.build_id if live else ""}
    yield InfoMetricFamily("balancer_build", "The version of balancer and of the attached programs.", build)
    yield from _effect(live)
    if live is not None:
        yield from _traffic(live, series_limit)
        yield from _contents(live, limits, series_limit)
    yield from _passes(reading.state)
    yield from _stages(reading.state.tally)
    yield from _trouble(reading)


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"balancer_{name}", help_text, value=float(value))


def _gauges(
    name: str, help_text: str, labels: Iterable[str], values: Iterable[tuple[Iterable[str], float]]
) -> Metric:
    family = GaugeMetricFamily(f"balancer_{name}", help_text, labels=tuple(labels))
    for given, value in values:
        family.add_metric(list(given), value)
    return family


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(f"balancer_{name}", help_text, value=value)


def _effect(live: Live | None) -> Iterator[Metric]:
    hooks = live.hooks if live else dict.fromkeys(Hook, False)
    yield _gauges(
        "hook_attached",
        "Whether the kernel runs our program at the hook.",
        ["hook"],
        [([hook], float(value)) for hook, value in hooks.items()],
    )
    effect = live.effect if live else Effect.INEFFECTIVE
    yield _gauges(
        "effect",
        "Whether connections are translated: 1 for the one state that is so. Unverified: every program is "
        "attached, but no canary could be sent.",
        ["state"],
        [([state], float(state is effect)) for state in Effect],
    )


def _traffic(live: Live, series_limit: int) -> Iterator[Metric]:
    decisions = CounterMetricFamily(
        "balancer_decisions",
        "Connections, and datagrams of unconnected UDP sockets, that were decided; those of frontends that are "
        "gone included.",
        labels=("result", "reason"),
    )
    for reason, count in zip(Reason, live.decisions, strict=True):
        decisions.add_metric(_RESULTS[reason], count)
    yield decisions
    kept, omitted = busiest(live.frontends, series_limit)
    of_frontends = CounterMetricFamily(
        "balancer_frontend_decisions",
        "Decisions by frontend, since it is there. The service port is its name, or its number without one.",
        labels=(*FrontendLabels._fields, "result", "reason"),
    )
    for item in kept:
        for reason, count in zip(Reason, item.counts, strict=True):
            if count:
                of_frontends.add_metric((*item.labels, *_RESULTS[reason]), count)
    yield of_frontends
    yield _gauge(
        "frontend_series_omitted",
        "Frontends left out of balancer_frontend_decisions_total because of the limit; the busiest are kept.",
        omitted,
    )
    yield _counter("events_lost", "Events that had no room in the ring and were not told.", live.events_lost)


def _contents(live: Live, limits: Mapping[str, int], series_limit: int) -> Iterator[Metric]:
    yield _gauges(
        "frontends",
        "Frontends in the kernel, by the kind of address and the kind of object that decides.",
        ("kind", "source"),
        live.kinds.items(),
    )
    yield _gauge("backends", "Backends in the kernel, each address and port once.", live.backends)
    busy: Counter[tuple[str, ...]] = Counter()
    for item in live.frontends:
        busy[item.labels[:4]] += item.total
    found = service_backends(live.service_backends, busy, series_limit)
    yield _gauges(
        "service_backends",
        "Backends that connections to a service port get, each address and port once.",
        ServicePort._fields,
        found,
    )
    yield _gauge(
        "service_series_omitted",
        "Service ports left out of balancer_service_backends because of the limit; those without backends "
        "are kept.",
        len(live.service_backends) - len(found),
    )
    yield _gauges("map_entries", "Entries in use.", ["map"], [([item.name], item.used) for item in live.maps])
    yield _gauges(
        "map_capacity",
        "Entries that the map has room for; it grows when more are needed.",
        ["map"],
        [([item.name], item.capacity) for item in live.maps],
    )
    yield _gauges(
        "map_limit",
        "Entries that the map may grow to (map_limits in the config file).",
        ["map"],
        [([item.name], limits[item.name]) for item in live.maps if item.name in limits],
    )


def _passes(state: State) -> Iterator[Metric]:
    tally, last = state.tally, state.last_pass
    passes = CounterMetricFamily(
        "balancer_passes", "Passes of every command, by how they ended.", labels=("result",)
    )
    for ending in Ending:
        passes.add_metric([ending], tally.passes.get(ending, 0))
    yield passes
    yield SummaryMetricFamily(
        "balancer_pass_duration_seconds",
        "How long passes that converged took, from the first file to the last socket.",
        count_value=tally.passes.get(Ending.CONVERGED, 0),
        sum_value=tally.pass_seconds,
    )
    yield _counter(
        "sockets_destroyed",
        "Connected sockets that were ended because their backend had gone.",
        tally.sockets_ended,
    )
    if last is not None:
        yield _gauge("last_pass_timestamp_seconds", "When the last pass ended.", last.time.timestamp())
        yield _gauge("last_pass_converged", "Whether the last pass converged.", last.converged)
    if tally.last_success is not None:
        yield _gauge(
            "last_success_timestamp_seconds",
            "When a pass converged last.",
            tally.last_success.timestamp(),
        )


def _stages(tally: Tally) -> Iterator[Metric]:
    family = SummaryMetricFamily(
        "balancer_stage_duration_seconds",
        "How long each stage of passes that converged took.",
        labels=("stage",),
    )
    for stage in Stage:
        family.add_metric([stage], tally.counts.get(stage, 0), tally.seconds.get(stage, 0.0))
    yield family


def _trouble(reading: Reading) -> Iterator[Metric]:
    yield _gauge(
        "stale_files",
        "Files and directories that are served from their last good content.",
        len(reading.state.stale_files),
    )
    found = Counter(problem.severity for problem in reading.state.problems)
    found[Severity.WARNING] += bool(reading.warning)
    yield _gauges(
        "problems",
        "Problems of the last pass.",
        ["severity"],
        [([severity], found[severity]) for severity in Severity],
    )
