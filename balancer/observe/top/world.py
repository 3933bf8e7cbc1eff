"""Ties `top` to this host: its live maps and its canary."""

from __future__ import annotations

from collections.abc import Callable

from balancer.config import Settings
from balancer.observe.top.reading import Reader
from balancer.observe.top.source import Source
from balancer.traffic import EffectFound
from balancer.views import Status


def source_of(settings: Settings, status: Callable[[Settings], Status]) -> Source:
    """Readings of one instance; `status` is asked now and then whether the programs have an effect."""

    def probe() -> EffectFound:
        found = status(settings)
        return EffectFound(effect=found.effect, note=_note(found))

    return Source(host=settings.node, read=Reader(settings), probe=probe)


def _note(status: Status) -> str:
    if not status.loaded:
        return "nothing is loaded"
    return status.canary.note if status.attached else "not every hook is attached"
