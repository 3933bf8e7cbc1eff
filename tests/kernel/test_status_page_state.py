"""What the status page is told: the live maps, read seldom, and nothing loaded is an answer."""

from __future__ import annotations

from typing import Any

import pytest
from harness import pool
from harness.host import Host
from harness.objects import plain

from balancer.config import Settings
from balancer.observe import page as module
from balancer.observe.page import COUNTS_SECONDS, Page, page_state

VIP, OTHER = pool.vip(1)[0], pool.vip(2)[0]


@pytest.fixture
def settings(host: Host) -> Settings:
    made = host.balancer
    made.apply(plain("web", VIP, [pool.ONE, pool.TWO]))
    return Settings(node=host.node, cgroup=made.cgroup, bpffs=made.bpffs, state=made.state)


class Clock:
    """A clock that moves enough for another look each time it is asked."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += COUNTS_SECONDS
        return self.now


def names(state: Any) -> set[str]:
    return {frontend["name"] for frontend in state["frontends"]}


def test_counts_move_without_a_new_version(host: Host, settings: Settings) -> None:
    page = Page(settings, clock=Clock())
    before = page()
    place = str([frontend["name"] for frontend in before["frontends"]].index(f"{VIP}:80/TCP"))
    count = before["live"]["counts"].get(place, [0])[0]
    host.client.tally(VIP, 80, count=9)
    after = page()
    assert after["live"]["counts"][place][0] == count + 9
    assert after["version"] == before["version"] == after["live"]["version"]


def test_names_are_read_again_only_after_a_pass(
    host: Host, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is costly with many services must not be done every two seconds."""
    read = []
    original = module.frontends_of
    monkeypatch.setattr(module, "frontends_of", lambda snapshot: read.append(1) or original(snapshot))
    page = Page(settings, clock=Clock())
    first = page()
    for _ in range(3):
        host.client.tally(VIP, 80, count=2)
        page()
    assert len(read) == 1
    host.balancer.apply(plain("web", VIP, [pool.ONE]), plain("more", OTHER, [pool.TWO]))
    second = page()
    assert len(read) == 2
    assert second["version"] != first["version"]
    assert names(second) - names(first) == {f"{OTHER}:80/TCP", f"{OTHER}:80/UDP"}


def test_a_change_of_backends_alone_is_another_version(host: Host, settings: Settings) -> None:
    page = Page(settings, clock=Clock())
    first = page()
    host.balancer.apply(plain("web", VIP, [pool.THREE, pool.TWO]))
    second = page()
    assert second["version"] != first["version"]
    assert {row[0] for row in second["backends"]} == {pool.THREE, pool.TWO}


def test_an_answer_holds_for_a_moment(host: Host, settings: Settings) -> None:
    """A hundred readers cost no more than one."""
    page = Page(settings, clock=lambda: 0.0)
    first = page()
    host.client.tally(VIP, 80, count=3)
    assert page() is first


def test_nothing_loaded_is_an_answer(host: Host, settings: Settings) -> None:
    page = Page(settings, clock=Clock())
    assert page()["live"]["health"]["loaded"]
    host.balancer.run("detach")
    state = page_state(settings)
    assert (state["frontends"], state["live"]["health"]["loaded"]) == ([], False)
