"""apply over what has not changed: told as ever, without taking a file apart; and every single thing that could change."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import Object, plain, port, service

from balancer import state
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Pins
from balancer.plan.entries import INDEX, SETTING, MapName, Setting
from balancer.tally import Stage

VIP = pool.vip(1)[0]
KUBERNETES = plain("kubernetes", pool.vip(9)[0], (pool.ONE,))


@dataclass(frozen=True)
class Ran:
    """What an apply told, and whether it worked everything out."""

    told: dict[str, Any]
    errors: str
    in_full: bool


def computed(host: Host) -> float:
    """The seconds that all passes took to work files out."""
    return state.outcome(host.balancer.state).tally.seconds.get(Stage.COMPUTE, 0.0)


def again(host: Host, *options: str, code: int = 0) -> Ran:
    before = computed(host)
    result = host.balancer.run("apply", "-o", "json", *options, str(host.balancer.manifests), code=code)
    now = computed(host)
    return Ran(json.loads(result.stdout), result.stderr, in_full=now != before)


@pytest.fixture
def settled(host: Host) -> Host:
    """After passes that found nothing to do, the last one by the memo."""
    host.balancer.config.unlink(missing_ok=True)
    host.balancer.apply(plain("web", VIP, (pool.ONE,), affinity=60), *others())
    again(host)
    assert not again(host).in_full
    return host


def others() -> list[Object]:
    return [service(f"s{number}", port(80), ips=(f"10.101.0.{number}",)) for number in range(1, 9)]


def test_an_unchanged_pass_is_told_as_one_in_full(settled: Host) -> None:
    """The same text and JSON, the same exit code, the same totals but for the time that it took."""
    before = state.outcome(settled.balancer.state)
    short = again(settled)
    after = state.outcome(settled.balancer.state)
    (settled.balancer.manifests / "objects.yaml").touch()
    assert not short.in_full
    settled.balancer.state.unlink()
    full = again(settled)
    assert full.in_full
    assert {**short.told, "seconds": 0} == {**full.told, "seconds": 0}
    assert before.last_pass is not None
    assert after.last_pass is not None
    assert after.last_pass.time > before.last_pass.time
    assert (after.last_pass.frontends, after.last_pass.digest) == (
        before.last_pass.frontends,
        before.last_pass.digest,
    )
    assert after.tally.passes["converged"] == before.tally.passes["converged"] + 1
    assert {name: count - before.tally.counts[name] for name, count in after.tally.counts.items()} == (
        dict.fromkeys(after.tally.counts, 1)
    )


def test_its_text_is_the_same_too(settled: Host) -> None:
    def words() -> str:
        result = settled.balancer.run("apply", str(settled.balancer.manifests))
        return result.stdout.partition(" in 0.")[0] + result.stderr

    short = words()
    settled.balancer.state.unlink()
    assert short == words() == "in sync, nothing to change"


def _byte(host: Host) -> None:
    with (host.balancer.manifests / "objects.yaml").open("a") as out:
        out.write("\n")


def _file_more(host: Host) -> None:
    host.balancer.add("more.yaml", service("more", port(80), ips=("10.101.1.1",)))


def _name(host: Host) -> None:
    (host.balancer.manifests / "objects.yaml").rename(host.balancer.manifests / "other.yaml")


def _config(host: Host) -> None:
    host.balancer.config.write_text("close_stale_tcp: true\n")


def _limit(host: Host) -> None:
    host.balancer.config.write_text("map_limits: {slots: 100000}\n")


def _address(host: Host) -> None:
    subprocess.run(["ip", "-n", host.netns, "addr", "add", "172.30.0.1/32", "dev", "lo"], check=True)


def _state_gone(host: Host) -> None:
    host.balancer.state.unlink()


def _state_damaged(host: Host) -> None:
    raw = host.balancer.state.read_text()
    host.balancer.state.write_text(raw.replace('"maps":"', '"maps":"0'))


def _names_gone(host: Host) -> None:
    state.names_path(host.balancer.state).unlink()


def _names_damaged(host: Host) -> None:
    names = state.names_path(host.balancer.state)
    names.write_text(names.read_text().replace("web", "wob"))


def _failed_before(host: Host) -> None:
    host.balancer.add("bad.yaml", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bad"}})
    host.balancer.run("apply", str(host.balancer.manifests), code=3)
    (host.balancer.manifests / "bad.yaml").unlink()


CHANGES: list[Callable[[Host], None]] = [
    _byte,
    _file_more,
    _name,
    _config,
    _limit,
    _address,
    _state_gone,
    _state_damaged,
    _names_gone,
    _names_damaged,
    _failed_before,
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_decides_and_is_another_is_worked_out(settled: Host, change: Callable[[Host], None]) -> None:
    change(settled)
    assert again(settled).in_full
    assert f"{VIP}:80/TCP" in state.load(settled.balancer.state)[0].labels
    again(settled)
    assert not again(settled).in_full
    subprocess.run(
        ["ip", "-n", settled.netns, "addr", "del", "172.30.0.1/32", "dev", "lo"],
        check=False,
        capture_output=True,
    )


def test_another_way_to_say_the_path_is_worked_out(settled: Host) -> None:
    """What is told names files as they were asked for."""
    before = computed(settled)
    settled.balancer.run("apply", str(settled.balancer.manifests / "objects.yaml"))
    assert computed(settled) != before


def store_of(host: Host) -> PinnedMaps:
    live = Pins(host.balancer.bpffs).live()
    assert live is not None
    return PinnedMaps(live.maps)


@pytest.mark.parametrize("name", [MapName.FRONTENDS, MapName.ADDRESSES, MapName.MEMBERS])
def test_maps_that_somebody_changed_are_put_right(settled: Host, client: Client, name: MapName) -> None:
    with store_of(settled) as store:
        store.delete(name, list(store.dump(name)))
    ran = again(settled)
    assert (ran.in_full, ran.told["result"], client.tcp(VIP, 80)) == (True, "applied", "one")


@pytest.mark.parametrize("name", [MapName.CGROUPS, MapName.OWNERS])
def test_entries_that_somebody_added_go(settled: Host, name: MapName) -> None:
    with store_of(settled) as store:
        key = bytes(8) if name is MapName.CGROUPS else bytes(16)
        store.update(name, [(key, bytes(4))])
    assert again(settled).told["result"] == "applied"


def test_a_slot_that_somebody_changed_is_put_right(settled: Host, client: Client) -> None:
    with store_of(settled) as store:
        raw = store.content(MapName.SLOTS)[1][:20]
        store.update(MapName.SLOTS, [(bytes(4), raw[:12] + bytes([10, 244, 0, 2]) + raw[16:])])
    assert again(settled).told["result"] == "applied"
    assert client.tcp(VIP, 80) == "one"


def test_a_setting_that_somebody_changed_is_put_right(settled: Host) -> None:
    with store_of(settled) as store:
        store.update(MapName.SETTINGS, [(INDEX.pack(Setting.HOST_NETNS), SETTING.pack(1))])
    assert again(settled).in_full


def test_hooks_that_went_are_attached(settled: Host, client: Client) -> None:
    for link in (settled.balancer.bpffs / "links").iterdir():
        if "4" in link.name:
            link.unlink()
    again(settled)
    assert client.tcp(VIP, 80) == "one"
    settled.balancer.run("status")


def test_detached_programs_are_loaded(settled: Host, client: Client) -> None:
    settled.balancer.run("detach")
    ran = again(settled)
    assert (ran.told["loaded_programs"], client.tcp(VIP, 80)) == (True, "one")


def test_warnings_are_told_again(host: Host) -> None:
    """Those of the files, and those of the pass: the endpoints of default/kubernetes that are kept."""
    host.balancer.apply(KUBERNETES, plain("web", VIP, (pool.ONE,), ports=[port(80)]))
    host.balancer.write(service("kubernetes", port(80), ips=(pool.vip(9)[0],)))
    odd = service("web", port(80), ips=(VIP,))
    odd["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": ""}
    host.balancer.add("odd.yaml", odd)
    first = again(host)
    again(host)
    short = again(host)
    assert not short.in_full
    assert [item["message"] for item in short.told["problems"]] == [
        item["message"] for item in first.told["problems"]
    ]
    assert "the last ones known" in str(short.told["problems"])
    text = host.balancer.run("apply", str(host.balancer.manifests))
    assert "the last ones known" in text.stderr + text.stdout


def test_a_pass_that_left_objects_out_leaves_no_memo(host: Host) -> None:
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    host.balancer.add("bad.yaml", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bad"}})
    for _ in range(3):
        ran = again(host, "--keep-going")
        assert ran.in_full
        assert [item["file"] for item in ran.told["problems"]] != []
    host.balancer.run("apply", str(host.balancer.manifests), code=3)


def test_plan_and_dry_run_are_told_the_same(settled: Host) -> None:
    directory = str(settled.balancer.manifests)
    plans = [settled.balancer.json("plan", "--exit-code", directory)]
    tries = [settled.balancer.json("apply", "--dry-run", directory)]
    before = Path(settled.balancer.state).read_bytes()
    settled.balancer.state.unlink()
    plans.append(settled.balancer.json("plan", "--exit-code", directory))
    tries.append(settled.balancer.json("apply", "--dry-run", directory))
    assert plans[0] == plans[1]
    assert tries[0] == tries[1]
    settled.balancer.state.write_bytes(before)


def test_a_plan_that_looks_leaves_everything_as_it_was(settled: Host) -> None:
    before = settled.balancer.state.read_bytes()
    settled.balancer.run("plan", str(settled.balancer.manifests))
    settled.balancer.run("apply", "--dry-run", str(settled.balancer.manifests))
    assert settled.balancer.state.read_bytes() == before


def test_an_empty_directory_is_never_unchanged(settled: Host) -> None:
    (settled.balancer.manifests / "objects.yaml").unlink()
    result = settled.balancer.run("apply", str(settled.balancer.manifests), code=3)
    assert "no manifests" in result.stderr
