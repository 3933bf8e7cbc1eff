"""The metrics against real traffic: what they say clients did is what clients did."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import both, local_redirect, plain, pod, to_service
from harness.patience import PATIENCE_SECONDS, until
from harness.place import Place
from harness.tools import unpacked
from harness.watching import watching
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

WEB, EMPTY, NEAR = (pool.vip(number)[0] for number in (1, 2, 3))
# A frontend that stays from one test to the next keeps its counts; these are of one test each.
LOCAL, QUIET, BUSY, STAYS, GOES = (pool.vip(number)[0] for number in range(11, 16))
UID = "00000003-aaaa-bbbb-cccc-dddddddddddd"


class Told:
    """The samples of one exposition."""

    def __init__(self, text: str, families: Any = parse) -> None:
        self._samples = [sample for family in families(text) for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Of all series with these labels; 0 if there are none."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == f"balancer_{name}" and labels.items() <= sample.labels.items()
        )

    def decisions(self) -> dict[str, float]:
        """Of the whole host, by reason."""
        return {
            sample.labels["reason"]: sample.value
            for sample in self._samples
            if sample.name == "balancer_decisions_total"
        }

    def __contains__(self, name: str) -> bool:
        return any(sample.name == f"balancer_{name}" for sample in self._samples)


def _metrics(host: Host, *options: str) -> Told:
    return Told(host.balancer.run("metrics", *options).stdout)


def _since(before: Told, after: Told) -> dict[str, float]:
    """What was decided in between, by reason, what was not left out."""
    old, new = before.decisions(), after.decisions()
    return {reason: new[reason] - old[reason] for reason in new if new[reason] != old[reason]}


def _check(text: str) -> None:
    """promtool has nothing to say."""
    checked = subprocess.run(
        [unpacked("promtool"), "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@contextmanager
def _running(host: Host, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command until SIGTERM, which it must end on with exit code 0."""
    process = host.balancer.start("metrics", *arguments)
    try:
        yield process
        assert process.poll() is None, process.communicate()
    finally:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, stderr


def _curl(host: Host, url: str, *options: str) -> str:
    command = Place(netns=host.netns).command(["curl", "-sS", "-i", "--compressed", *options, url])
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    ).stdout


def test_nothing_loaded_is_told_in_a_form_promtool_likes(host: Host) -> None:
    """And what was loaded and removed keeps its passes."""
    host.balancer.run("detach")
    nothing = host.balancer.run("metrics").stdout
    _check(nothing)
    told = Told(nothing)
    assert (told.sum("loaded"), told.sum("effect", state="ineffective")) == (0, 1)
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    text = host.balancer.run("metrics").stdout
    _check(text)
    loaded = Told(text)
    assert (loaded.sum("loaded"), loaded.sum("effect", state="effective")) == (1, 1)
    assert loaded.sum("passes_total", result="converged") - told.sum("passes_total", result="converged") == 1


def test_decisions_are_what_clients_did(host: Host, client: Client) -> None:
    host.balancer.apply(plain("web", WEB, (pool.ONE, pool.TWO)), plain("empty", EMPTY, ()))
    before = _metrics(host)
    assert set(client.tally(WEB, 80, count=7)) <= {"one", "two"}
    assert set(client.tally(WEB, 80, way=Way.CONNECTED, count=4)) <= {"one", "two"}
    assert client.tally(EMPTY, 80, count=3) == {"ECONNREFUSED": 3}
    after = _metrics(host)
    assert _since(before, after) == {"forwarded": 11, "refused": 3}
    web = {"namespace": "default", "service": "web", "kind": "ClusterIP", "source": "service"}
    told = {"result": "forwarded", "reason": "forwarded", "address": f"{WEB}:80", "policy": ""}
    assert after.sum("frontend_decisions_total", protocol="TCP", port="tcp", **web, **told) == 7
    assert after.sum("frontend_decisions_total", protocol="UDP", port="udp", **web, **told) == 4
    assert after.sum("frontend_decisions_total", service="empty", result="rejected", reason="refused") == 3
    assert after.sum("frontend_decisions_total") == 14


def test_an_unknown_port_and_a_kept_datagram_have_reasons_of_their_own(host: Host, client: Client) -> None:
    """The canary of each scrape is refused by both connect hooks, too, and is no client."""
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    before = _metrics(host)
    socket = client.open_udp()
    assert {reply.name for reply in socket.exchange(WEB, 80, count=5)} == {"one"}
    assert client.tally(WEB, 81, count=6) == {"ECONNREFUSED": 6}
    after = _metrics(host)
    assert _since(before, after) == {"forwarded": 1, "socket": 4, "unknown_port": 6}


def test_a_redirect_is_told_with_its_service_and_policy(host: Host, client: Client) -> None:
    near = pod("near", "node1", pool.ONE, uid=UID, labels={"app": "near"})
    redirect = local_redirect("near", to_service("web"), *both(pool.PORT), labels={"app": "near"})
    inside = host.add_client(f"kubepods/pod{UID}")
    host.balancer.apply(plain("web", LOCAL, (pool.THREE,)), redirect, near)
    assert client.tally(LOCAL, 80, count=3) == {"one": 3}
    told = _metrics(host)
    policy = {"source": "localRedirect", "policy": "LocalRedirectPolicy near"}
    assert told.sum("frontend_decisions_total", service="web", port="tcp", **policy) == 3
    assert told.sum("frontends", kind="ClusterIP", source="localRedirect") == 2
    assert inside.tally(LOCAL, 80, count=2) == {"three": 2}
    assert _metrics(host).sum("frontend_decisions_total", service="web", reason="fallback") == 2


def test_the_series_limit_keeps_the_busiest(host: Host, client: Client) -> None:
    host.balancer.apply(plain("web", QUIET, (pool.ONE,)), plain("near", BUSY, (pool.TWO,)))
    assert client.tally(QUIET, 80, count=2) == {"one": 2}
    assert client.tally(BUSY, 80, count=9) == {"two": 9}
    told = _metrics(host, "--series-limit", "1")
    assert told.sum("frontend_decisions_total") == told.sum("frontend_decisions_total", service="near") == 9
    assert told.sum("frontend_series_omitted") == 1
    assert told.sum("service_series_omitted") == 3


def test_contents_of_the_maps(host: Host) -> None:
    host.balancer.apply(
        plain("web", WEB, (pool.ONE, pool.TWO)), plain("near", NEAR, (pool.TWO,)), plain("empty", EMPTY, ())
    )
    told = _metrics(host)
    assert told.sum("frontends") == told.sum("frontends", kind="ClusterIP", source="service") == 6
    assert told.sum("backends") == 2
    for service, count in {"web": 2, "near": 1, "empty": 0}.items():
        assert told.sum("service_backends", service=service, protocol="TCP") == count
    assert "service_backends" in told
    entries = {item["name"]: item for item in host.balancer.json("status")["maps"]}
    for name in ("frontends", "slots", "addresses"):
        assert told.sum("map_entries", map=name) == entries[name]["used"]
        assert told.sum("map_capacity", map=name) == entries[name]["capacity"]
    assert told.sum("map_limit", map="slots") == 1 << 20
    assert told.sum("hook_attached") == 8
    assert told.sum("effect", state="effective") == told.sum("effect") == 1


def test_counts_survive_deletion_and_new_backends(host: Host, client: Client) -> None:
    """The sum over the host has those of frontends that are gone."""
    before = _metrics(host)
    host.balancer.apply(plain("web", STAYS, (pool.ONE,)), plain("near", GOES, (pool.TWO,)))
    assert client.tally(STAYS, 80, count=5) == {"one": 5}
    assert client.tally(GOES, 80, count=3) == {"two": 3}
    host.balancer.apply(plain("web", STAYS, (pool.TWO,)))
    assert client.tally(STAYS, 80, count=2) == {"two": 2}
    after = _metrics(host)
    assert after.sum("frontend_decisions_total", service="web") == 7
    assert after.sum("frontend_decisions_total", service="near") == 0
    assert _since(before, after) == {"forwarded": 10}


@pytest.fixture
def small(host: Host) -> Iterator[Host]:
    """The host with web on maps that have no room for much more; the limits go at the end."""
    host.balancer.run("detach")
    host.balancer.config.write_text("map_limits: {frontends: 64, counters: 66, rates: 66}\n")
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    host.balancer.config.write_text("map_limits: {frontends: 1000, counters: 1000, rates: 1000}\n")
    yield host
    host.balancer.config.unlink()


def test_scrapes_while_maps_are_replaced_neither_fail_nor_fall(small: Host, client: Client) -> None:
    """And afterwards all that clients did is there."""
    before, build = _metrics(small), small.balancer.json("status")["build_id"]
    assert client.tally(WEB, 80, count=200) == {"one": 200}
    with _running(small, "--listen", "127.0.0.1:9464"):
        _until_served(small)
        with _scraping(small) as scrapes:
            storm = client.storm(Way.TCP, WEB, 80, pause=0.002)
            others = [plain(f"n{number}", f"10.97.0.{number}", (pool.TWO,)) for number in range(1, 41)]
            small.balancer.apply(plain("web", WEB, (pool.ONE,)), *others)
            done = storm.calm()
        assert client.tally(WEB, 80, count=20) == {"one": 20}
    assert set(done) == {"one"}
    assert small.balancer.json("status")["build_id"] != build
    assert _since(before, _metrics(small)) == {"forwarded": done["one"] + 220}
    own = _metrics(small).sum("frontend_decisions_total", service="web")
    # What the old programs counted last, while the new maps were filled, counts in the total alone.
    assert 220 <= own <= done["one"] + 220
    counts = [sum(scrape.decisions().values()) for scrape in scrapes]
    assert counts == sorted(counts)
    assert {scrape.sum("loaded") for scrape in scrapes} == {1}
    assert len({scrape.sum("frontends") for scrape in scrapes}) > 1


@contextmanager
def _scraping(host: Host) -> Iterator[list[Told]]:
    """Scrapes without pause during the block and once after it; each of them must succeed. The list is filled at
    the end.
    """
    found: list[Told] = []
    script = (
        'while [ -z "$last" ]; do test -e "$0" && last=1;'
        " curl -sSf http://127.0.0.1:9464/metrics || exit 1; echo '# NEXT'; touch \"$1\"; done"
    )
    enough, began = (host.balancer.manifests.with_name(name) for name in ("enough", "began"))
    command = Place(netns=host.netns).command(["sh", "-c", script, str(enough), str(began)])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(process.communicate()[0]))
    reader.start()
    try:
        until(began.exists, "nothing was scraped")
        yield found
        assert process.poll() is None, "a scrape failed"
        enough.touch()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, "the last scrape failed"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        reader.join()
        for file in (enough, began):
            file.unlink(missing_ok=True)
    found += [Told(part) for part in texts[0].split("# NEXT\n")[:-1]]


def _until_served(host: Host) -> None:
    command = Place(netns=host.netns).command(
        ["curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:9464/metrics"]
    )
    until(lambda: subprocess.run(command).returncode == 0, "nothing is served", pause=0.1)


def test_served_as_the_scraper_asks_for_it(host: Host) -> None:
    """Compressed, in the text format or as OpenMetrics, with the process itself; loopback is the default."""
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    with _running(host, "--listen", ":9464"):
        _until_served(host)
        head, _, text = _curl(host, "http://127.0.0.1:9464/metrics").partition("\n\n")
        assert "Content-Encoding: gzip" in head
        assert "Content-Type: text/plain; version=0.0.4" in head
        _check(text)
        accept = ("-H", "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        head, _, opened = _curl(host, "http://127.0.0.1:9464/metrics", *accept).partition("\n\n")
        assert "Content-Type: application/openmetrics-text; version=1.0.0" in head
        assert Told(opened, parse_openmetrics).decisions() == Told(text).decisions()
        assert "process_cpu_seconds_total" in text
        assert "404 Not Found" in _curl(host, "http://127.0.0.1:9464/other")


def test_an_address_in_use_is_said_at_once(host: Host) -> None:
    with _running(host, "--listen", ":9464"):
        _until_served(host)
        assert "127.0.0.1:9464" in host.balancer.run("metrics", "--listen", ":9464", code=6).stderr


def test_a_textfile_is_whole_at_every_instant(host: Host, tmp_path: Path) -> None:
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    path = tmp_path / "balancer.prom"
    host.balancer.run("metrics", "--textfile", str(path))
    _check(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o644
    files: set[tuple[int, int]] = set()  # a file system may give a number again

    def are_enough() -> bool:
        with path.open() as file:
            found = os.fstat(file.fileno())
            files.add((found.st_ino, found.st_mtime_ns))
            assert file.read().rstrip().rpartition("\n")[2].startswith("balancer_problems")
        return len(files) >= 6

    with _running(host, "--textfile", str(path), "--interval", "0.1"):
        until(are_enough, "it is not written anew", pause=0.0)
    assert [item.name for item in tmp_path.iterdir()] == ["balancer.prom"]


def test_passes_are_counted_over_processes(host: Host) -> None:
    """Those that failed too: manifests with errors, and a directory with nothing in it."""
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    before = _metrics(host)
    host.balancer.apply(plain("web", WEB, (pool.TWO,)))
    (host.balancer.manifests / "bad.yaml").write_text("kind: Service\napiVersion: v1\nmetadata: {name: 7}\n")
    host.balancer.run("apply", str(host.balancer.manifests), code=3)
    failed = _metrics(host)
    assert (
        failed.sum("passes_total", result="converged") - before.sum("passes_total", result="converged") == 1
    )
    assert failed.sum("passes_total", result="failed") - before.sum("passes_total", result="failed") == 1
    assert (before.sum("last_pass_converged"), failed.sum("last_pass_converged")) == (1, 0)
    assert failed.sum("problems", severity="error") > 0
    success, last = (failed.sum(f"last_{name}_timestamp_seconds") for name in ("success", "pass"))
    assert before.sum("last_success_timestamp_seconds") < success < last <= time.time()
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    after = _metrics(host)
    assert (after.sum("last_pass_converged"), after.sum("problems")) == (1, 0)


def test_stages_add_up_to_the_pass(host: Host) -> None:
    before, began = _metrics(host), time.monotonic()
    host.balancer.apply(plain("web", WEB, (pool.TWO,)))
    took, after = time.monotonic() - began, _metrics(host)

    def grown(name: str, **labels: str) -> float:
        return after.sum(name, **labels) - before.sum(name, **labels)

    stages = ("read", "compute", "inspect", "load", "write", "verify", "sockets")
    assert [grown("stage_duration_seconds_count", stage=stage) for stage in stages] == [1] * 7
    assert all(grown("stage_duration_seconds_sum", stage=stage) > 0 for stage in stages)
    assert grown("pass_duration_seconds_count") == 1
    assert 0 < grown("stage_duration_seconds_sum") <= grown("pass_duration_seconds_sum") < took


def test_sockets_that_were_ended_are_counted(host: Host, client: Client) -> None:
    host.balancer.apply(plain("web", WEB, (pool.ONE,)))
    before = _metrics(host)
    socket = client.open_connected(Way.CONNECTED, WEB, 80)
    assert socket.say() == "one"
    host.balancer.apply(plain("web", WEB, (pool.TWO,)))
    assert _metrics(host).sum("sockets_destroyed_total") - before.sum("sockets_destroyed_total") == 1
    socket.close()


def test_a_stale_file_is_seen_while_it_is(host: Host) -> None:
    """Broken in the directory, served from its last good content."""
    host.balancer.write(plain("web", WEB, (pool.ONE,)))
    try:
        with watching(host, host.balancer.manifests):
            assert _metrics(host).sum("stale_files") == 0
            file = host.balancer.manifests / "objects.yaml"
            good = file.read_text()
            host.balancer.put(file.name, "{ no: yaml")
            _until(host, stale_files=1)
            assert _metrics(host).sum("problems", severity="error") == 1
            host.balancer.put(file.name, good)
            _until(host, stale_files=0)
            assert _metrics(host).sum("problems") == 0
    finally:
        host.balancer.config.unlink(missing_ok=True)


def _until(host: Host, **values: float) -> None:
    seen: dict[str, float] = {}

    def is_so() -> bool:
        seen.update({name: _metrics(host).sum(name) for name in values})
        return seen == values

    until(is_so, lambda: f"never {values}, only {seen}")
