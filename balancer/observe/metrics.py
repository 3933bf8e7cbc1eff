"""Metrics for Prometheus, through prometheus-client: what the kernel counted and how the passes went.

Everything comes from the live maps and the state file, so that a command that runs once tells the same as
an agent that runs for months. It only reads; the one thing it does is the canary, which `status` sends too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector as AnyCollector

from balancer.config import Settings
from balancer.observe.metrics_families import families
from balancer.observe.metrics_reading import Reader


class Collector(AnyCollector):
    """What there is to tell of one instance. Collecting raises HostError where the host cannot be read;
    that nothing is loaded is something to tell. `series_limit` bounds each metric that has series for every
    frontend or service port, `clock` is in monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        series_limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = settings.map_limits
        self._series_limit = series_limit
        self._read = Reader(settings, clock)
        self._one_at_a_time = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        with self._one_at_a_time:
            reading = self._read()
        return families(reading, self._limits, self._series_limit)


def process_collectors() -> tuple[AnyCollector, ...]:
    """What prometheus-client tells of the process itself, for one that stays: `process_*` and `python_*`."""
    apart = CollectorRegistry()  # they would enter themselves into the global one
    return ProcessCollector(registry=None), PlatformCollector(registry=apart), GCCollector(registry=apart)


def exposition(*collectors: AnyCollector) -> bytes:
    """Everything they tell, in the text format 0.0.4 of Prometheus."""
    return generate_latest(_registry(collectors))


def openmetrics(*collectors: AnyCollector) -> bytes:
    """The same in the format OpenMetrics 1.0."""
    told: bytes = generate_openmetrics(_registry(collectors))  # type: ignore[no-untyped-call]
    return told


def _registry(collectors: Iterable[AnyCollector]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return registry
