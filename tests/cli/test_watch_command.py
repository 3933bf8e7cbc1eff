"""watch as a whole: real files, real events, real signals; only the kernel is not there."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

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
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.yaml").write_text(SERVICE.format(name=name) if text is None else text)


def stop(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


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
    steps = {1: lambda: write(manifests, "db"), 2: stop}
    facade.after_apply = lambda count: threading.Timer(0.2, steps[count]).start()
    run("watch", *options, "manifests")
    assert [call for call in facade.calls if call.startswith("names")] == ["names web", "names db web"]
    assert facade.settings.poll is bool(options)


def test_a_broken_commit_keeps_the_service_and_names_the_file(run, facade, manifests):
    write(manifests, "web")
    steps = {1: lambda: write(manifests, "web", "kind: Service\nspec: [\n"), 2: stop}
    facade.after_apply = lambda count: threading.Timer(0.2, steps[count]).start()
    result = run("watch", "manifests")
    assert [call for call in facade.calls if call.startswith("names")] == ["names web", "names web"]
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


def test_a_host_that_cannot_run_it_exits_6(run, facade, manifests):
    write(manifests, "web")
    facade.failure = HostUnfit("no cgroup2 is mounted", hint="mount one")
    result = run("watch", "manifests", code=6)
    assert result.stderr.endswith("balancer: error: no cgroup2 is mounted\nhint: mount one\n")
