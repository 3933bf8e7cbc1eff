"""Watchers over real directories."""

from __future__ import annotations

from pathlib import Path

import pytest
from watch_parts import Bell, Rounds

from balancer.manifests import listing, notices
from balancer.manifests.watch import Watcher


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Listings that need no seconds."""
    monkeypatch.setattr(listing, "LISTING_SECONDS", 0.05)
    monkeypatch.setattr(notices, "TICK_SECONDS", 0.05)


@pytest.fixture
def bell(monkeypatch, tmp_path_factory):
    rounds = Rounds(tmp_path_factory.mktemp("marks"))
    rounds.install(monkeypatch)
    return Bell(rounds)


@pytest.fixture
def watch(bell):
    """Starts a watcher over the paths; every one is stopped at the end."""
    started: list[Watcher] = []

    def start(*paths: Path, poll: bool = False) -> Watcher:
        watcher = Watcher(paths, bell, poll=poll)
        watcher.start()
        started.append(watcher)
        bell.watcher = watcher
        bell.settle()
        return watcher

    yield start
    for watcher in started:
        watcher.stop()
