"""watch as a whole: real files, real events, real signals; only the kernel is not there."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from itertools import groupby
from pathlib import Path

import pytest
from harness import schemas

from balancer.config import LogFormat, LogLevel
from balancer.errors import HostUnfit
from balancer.manifests import merge
from balancer.views import Loaded

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{clusterIP: 10.96.0.10, ports: [{{port: 80}}]}}
"""


@pytest.fixture
def manifests(facade, monkeypatch):
    """A directory with one Service, and a fake that works out what it was given."""
    directory = Path("manifests")

    def compute(files, _paths, settings):
        facade.settings = settings
        found = merge(files)
        facade.calls.append("names " + " ".join(item.meta.name for item in found.cluster.services))
        return Loaded(manifests=found, desired=facade.loaded.desired, problems=found.problems)

    monkeypatch.setattr(facade, "compute", compute)
    return directory


def write(directory: Path, name: str, text: str | None = None) -> None:
    """Puts a file in place at once: it is one change, however slow the machine."""
    directory.mkdir(exist_ok=True)
    beside = directory / f".{name}.new"
    beside.write_text(SERVICE.format(name=name) if text is None else text)
    beside.rename(directory / f"{name}.yaml")


def stop(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def later(step) -> None:
    """By somebody else, a moment after the pass."""
    threading.Timer(0.2, step).start()


def passes(facade) -> list[str]:
    """What each pass found. How many find the same is not the subject."""
    found = [call for call in facade.calls if call.startswith("names")]
    return [name for name, _ in groupby(found)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(run, facade, manifests, number):
    write(manifests, "web")
    facade.after_apply = lambda _count: stop(number)
    result = run("watch", "manifests", code=0)
    assert facade.calls == ["names web", "apply allow_mass_delete=False", "unlock"]
    assert "INFO start: 1 added" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("options", [[], ["--poll"]])
def test_a_changed_file_is_a_pass(run, facade, manifests, options):
    write(manifests, "web")
    steps = {"names web": lambda: write(manifests, "db"), "names db web": stop}
    facade.after_apply = lambda _count: later(steps.pop(passes(facade)[-1], lambda: None))
    run("watch", *options, "manifests")
    assert passes(facade) == ["names web", "names db web"]
    assert facade.settings.poll is bool(options)


def test_a_broken_commit_keeps_the_service_and_names_the_file(run, facade, manifests):
    write(manifests, "web")
    steps = {1: lambda: write(manifests, "web", "kind: Service\nspec: [\n"), 2: stop}
    facade.after_apply = lambda count: later(steps[count])
    result = run("watch", "manifests")
    assert passes(facade) == ["names web"]
    assert "ERROR manifests/web.yaml:" in result.stderr
    assert "1 stale" in result.stderr


def test_sighup_is_a_pass_without_a_change(run, facade, manifests):
    write(manifests, "web")
    steps = {1: lambda: stop(signal.SIGHUP), 2: stop}
    facade.after_apply = lambda count: steps[count]()
    result = run("watch", "manifests")
    assert facade.calls.count("names web") == 2
    assert "INFO reload:" in result.stderr


def test_the_debounce_option_wins(run, facade, manifests):
    write(manifests, "web")
    facade.after_apply = lambda _count: stop()
    run("watch", "--debounce", "0.7", "manifests")
    assert facade.settings.debounce_seconds == 0.7


def test_json_is_all_there_is_on_the_stream(run, facade, manifests):
    write(manifests, "web")
    write(manifests, "bad", "kind: Service\n")
    facade.after_apply = lambda _count: stop()
    result = run("watch", "--log-format", "json", "--log-level", "info", "manifests")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    for line in lines:
        schemas.check("log", line)
    assert {line["event"] for line in lines} == {"problem", "pass"}


@pytest.mark.parametrize("source", ["option", "variable", "file"])
def test_how_it_logs_and_listens_comes_from_all_three(run, facade, manifests, source):
    write(manifests, "web")
    facade.after_apply = lambda _count: stop()
    given = {"log-format": "json", "log-level": "warning", "http-listen": "127.0.0.1:0", "series-limit": "7"}
    options = [f"--{name}={value}" for name, value in given.items()] if source == "option" else []
    env = {f"BALANCER_{name}".upper().replace("-", "_"): value for name, value in given.items()}
    if source == "file":
        text = "".join(f"{name.replace('-', '_')}: {value}\n" for name, value in given.items())
        Path("config.yaml").write_text(text)
        options = ["--config", "config.yaml"]
    run("watch", *options, "manifests", env=env if source == "variable" else {})
    settings = facade.settings
    assert (settings.log_format, settings.log_level) == (LogFormat.JSON, LogLevel.WARNING)
    assert (settings.http_listen, settings.metrics_listen, settings.series_limit) == ("127.0.0.1:0", "", 7)


@pytest.mark.parametrize("name", ["metrics-listen", "http-listen"])
@pytest.mark.parametrize("address", ["host.example:80", "10.0.0.1", ":70000", "::1:80"])
def test_an_address_that_is_none_is_wrong_usage_before_anything_is_done(
    run, facade, manifests, name, address
):
    write(manifests, "web")
    result = run("watch", f"--{name}", address, "manifests", code=2)
    assert f"--{name}: " in result.stderr
    assert facade.calls == []


def test_an_address_in_use_exits_6_before_anything_is_done(run, facade, manifests):
    write(manifests, "web")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run("watch", "--metrics-listen", address, "manifests", code=6)
    assert f"cannot listen on {address}: Address already in use\nhint: " in result.stderr
    assert facade.calls == []


def test_in_json_the_error_it_ends_with_is_a_line_too(run, facade, manifests):
    write(manifests, "web")
    facade.failure = HostUnfit("no cgroup2 is mounted", hint="mount one")
    result = run("watch", "--log-format", "json", "manifests", code=6)
    [line] = [json.loads(line) for line in result.stderr.splitlines()]
    schemas.check("log", line)
    assert (line["event"], line["kind"], line["hint"]) == ("fatal", "HostUnfit", "mount one")


def test_a_host_that_cannot_run_it_exits_6(run, facade, manifests):
    write(manifests, "web")
    facade.failure = HostUnfit("no cgroup2 is mounted", hint="mount one")
    result = run("watch", "manifests", code=6)
    assert result.stderr.endswith("balancer: error: no cgroup2 is mounted\nhint: mount one\n")
