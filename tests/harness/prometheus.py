"""A real Prometheus, and the exporters it scrapes besides the product."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.patience import until
from harness.place import Place
from harness.tools import unpacked

Labels = dict[str, str]


class Prometheus:
    """Its HTTP API, asked from where it runs."""

    def __init__(self, place: Place, address: str) -> None:
        self._place = place
        self._url = f"http://{address}"

    def get(self, path: str, **arguments: str) -> Any:
        """The data of an answer; AssertionError with what Prometheus says is wrong."""
        given = [
            word for name, value in arguments.items() for word in ("--data-urlencode", f"{name}={value}")
        ]
        command = ["curl", "--silent", "--show-error", "--max-time", "10", "--get", *given, self._url + path]
        result = subprocess.run(self._place.command(command), capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        answer = json.loads(result.stdout)
        assert answer["status"] == "success", f"{arguments}: {answer.get('error')}"
        return answer["data"]

    def query(self, expression: str) -> list[tuple[Labels, float]]:
        """What an expression gives now."""
        data = self.get("/api/v1/query", query=expression)
        assert data["resultType"] == "vector", data
        return [(item["metric"], float(item["value"][1])) for item in data["result"]]

    def value(self, expression: str) -> float | None:
        """Of an expression with at most one result; None without one."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def firing(self) -> set[tuple[str, str]]:
        """Name and job of each alert that fires."""
        found = self.get("/api/v1/alerts")["alerts"]
        return {
            (item["labels"]["alertname"], item["labels"].get("job", ""))
            for item in found
            if item["state"] == "firing"
        }

    def until(self, is_so: Callable[[], object], complaint: Callable[[], str]) -> None:
        """AssertionError with the complaint when it does not become so."""
        until(is_so, lambda: f"{complaint()}: {self.get('/api/v1/targets')}", pause=0.1)


@contextmanager
def _running(place: Place, command: list[str], directory: Path) -> Iterator[None]:
    log = directory / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(place.command(command), stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.kill()
            process.wait()


def config(sample: Path, rules: Path, targets: Mapping[str, str]) -> str:
    """The sample with the targets of each of its jobs replaced, looking once a second."""
    given = YAML(typ="safe").load(sample)
    given["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    given["rule_files"] = [str(rules)]
    jobs = {job["job_name"]: job for job in given["scrape_configs"]}
    assert jobs.keys() == targets.keys()
    for name, target in targets.items():
        jobs[name]["static_configs"] = [{"targets": [target]}]
    return json.dumps(given)  # which is YAML, too


@contextmanager
def prometheus(place: Place, directory: Path, configuration: str, address: str) -> Iterator[Prometheus]:
    """Prometheus with its data below `directory`, ready to be asked at `address`."""
    (directory / "prometheus.yml").write_text(configuration)
    command = [
        str(unpacked("prometheus")),
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={address}",
    ]
    made = Prometheus(place, address)
    with _running(place, command, directory):
        _wait_for_http(place, f"http://{address}/-/ready")
        yield made


@contextmanager
def node_exporter(place: Place, textfiles: Path, address: str) -> Iterator[None]:
    """node_exporter with nothing but its textfile collector."""
    command = [
        str(unpacked("prometheus-node-exporter")),
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={textfiles}",
        f"--web.listen-address={address}",
    ]
    with _running(place, command, textfiles.parent):
        _wait_for_http(place, f"http://{address}/")
        yield


def _wait_for_http(place: Place, url: str) -> None:
    command = place.command(["curl", "--silent", "--fail", "--output", "/dev/null", url])
    until(lambda: subprocess.run(command, check=False).returncode == 0, f"{url} does not answer")
