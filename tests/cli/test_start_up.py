"""What a command does not need it does not import: starting is most of what a short one does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from harness.balancer import COMMAND
from harness.imports import TOLD, among, imported

SAMPLES = Path(__file__).parents[2] / "samples"
SERVERS = ("asyncio", "http", "prometheus_client", "ssl", "textual", "watchdog", "wsgiref")
READERS = ("jsonschema", "jsonschema_rs", "orjson", "ruamel")
HELP_HAS_NO = (
    *(*SERVERS, *READERS, "bcc", "ctypes", "hashlib", "psutil", "rich", "socket", "sqlite3", "subprocess"),
    *("balancer.config", "balancer.desired", "balancer.explain", "balancer.kernel", "balancer.manifests"),
    *("balancer.observe.metrics", "balancer.plan", "balancer.passes.reconcile", "balancer.report.text"),
    "balancer.views",
)
FILES_NEED_NO = (
    *(*SERVERS, "bcc", "jsonschema", "logging", "rich", "ruamel", "sqlite3"),
    *("balancer.agent", "balancer.explain", "balancer.live", "balancer.observe.metrics", "balancer.status"),
)


def imports_of(*arguments: object, code: int = 0) -> frozenset[str]:
    """What `balancer` with these arguments imports; its output goes to no terminal."""
    command = [*TOLD, str(COMMAND), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    return imported(done.stderr)


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["top", "--help"], ["--version"]])
def test_help_imports_the_options_alone(arguments):
    assert among(imports_of(*arguments), HELP_HAS_NO) == []


@pytest.mark.parametrize("command", [["validate"], ["plan", "--from-empty"]], ids=" ".join)
@pytest.mark.parametrize("output", ["text", "json"])
def test_files_without_faults_need_no_slow_readers_and_no_kernel_tools(command, output):
    """ruamel.yaml and jsonschema explain what is wrong; here nothing is."""
    names = imports_of(*command, "-o", output, SAMPLES / "edge" / "manifests")
    assert among(names, FILES_NEED_NO) == []
    assert "jsonschema_rs" in names


def test_a_fault_brings_in_who_explains_it(tmp_path):
    (tmp_path / "odd.yaml").write_text("kind: [Service\n")
    names = imports_of("validate", tmp_path, code=3)
    assert among(names, ("ruamel",))
    assert among(names, ("rich", "bcc", "sqlite3")) == []
