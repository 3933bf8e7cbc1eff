"""metrics: which ways to tell exclude each other, and what is refused before anything is read."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.patience import PATIENCE_SECONDS, until

from balancer.errors import HostError
from cli.conftest import Run
from cli.fakes import ERROR, FakeFacade, loaded_of

PROM = "a.prom"


def test_a_file_that_node_exporter_would_not_read_is_refused(run: Run) -> None:
    result = run("metrics", "--textfile", "metrics.txt", code=2)
    assert "does not end in .prom" in result.stderr
    assert not Path("metrics.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", ":0", "--textfile", PROM), "exclude each other"),
        (("--interval", "5"), "for --textfile only"),
        (("--textfile", PROM, "--interval", "0"), "0.1"),
        (("--listen", "example.org:80"), "not an IP address"),
        (("--series-limit", "-1"), "-1"),
    ],
)
def test_wrong_usage_exits_2(run: Run, arguments: tuple[str, ...], words: str) -> None:
    assert words in run("metrics", *arguments, code=2).stderr


def test_nothing_loaded_is_told(run: Run, tmp_path: Path) -> None:
    """Needs no root: there is nothing to read."""
    place = ("--bpffs", str(tmp_path / "bpf"), "--state", str(tmp_path / "state.json"))
    told = run("metrics", *place).stdout
    assert "balancer_loaded 0.0\n" in told
    run("metrics", *place, "--textfile", PROM)
    assert Path(PROM).read_text() == told


def test_every_option_is_a_variable(run: Run, tmp_path: Path) -> None:
    """One that is set for other commands does no harm."""
    env = {
        "BALANCER_TEXTFILE": PROM,
        "BALANCER_SERIES_LIMIT": "7",
        "BALANCER_BPFFS": str(tmp_path / "bpf"),
        "BALANCER_STATE": str(tmp_path / "state.json"),
    }
    run("metrics", env=env)
    assert Path(PROM).exists()
    without = {**env, "BALANCER_TEXTFILE": "", "BALANCER_INTERVAL": "5"}
    assert "balancer_loaded" in run("metrics", env=without).stdout


def test_a_single_pass_that_fails_is_noted(run: Run, facade: FakeFacade) -> None:
    """For `status` and the metrics; the error itself is said as ever."""
    facade.failure = HostError("no such device")
    assert "no such device" in run("apply", "dir", code=6).stderr
    assert "note_failure HostError" in facade.calls


def test_manifests_with_errors_are_a_pass_that_failed(run: Run, facade: FakeFacade) -> None:
    facade.loaded = loaded_of(ERROR)
    run("apply", "dir", code=3)
    assert facade.calls[-1] == "note_failure InvalidManifests"


def test_a_dry_run_is_no_pass(run: Run, facade: FakeFacade) -> None:
    facade.loaded = loaded_of(ERROR)
    run("apply", "--dry-run", "dir", code=3)
    assert not any(call.startswith("note_failure") for call in facade.calls)


def test_a_file_that_cannot_be_written_for_a_while_ends_nothing(tmp_path: Path) -> None:
    """It is said once, and the file is written again when it can be; SIGTERM is the end."""
    directory, away = tmp_path / "textfile", tmp_path / "away"
    directory.mkdir()
    place = ("--bpffs", str(tmp_path / "bpf"), "--state", str(tmp_path / "state.json"))
    target = directory / "balancer.prom"
    command = [sys.executable, "-c", "from balancer.cli import main; main()", "metrics", *place]
    said = tmp_path / "said"
    with said.open("w") as stderr:
        process = subprocess.Popen([*command, "--textfile", str(target), "--interval", "0.1"], stderr=stderr)
    try:
        until(target.exists, "it is not written")
        directory.rename(away)
        until(lambda: "cannot write" in said.read_text(), "nothing is said")
        time.sleep(0.5)  # in which it tries again
        directory.mkdir()
        until(target.exists, "it is not written again")
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert said.read_text().count("balancer: error: cannot write") == 1
