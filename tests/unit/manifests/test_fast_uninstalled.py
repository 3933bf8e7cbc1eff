"""Without orjson and jsonschema-rs everything is read the same, and without the fast engine, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.corpus import objects
from fuzz.printed import like_kubectl
from manifest_builders import endpoint_slice, service

from balancer.manifests import choice, load

_PROGRAM = """
import sys
from pathlib import Path
blocked = set(sys.argv[2].split(","))
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
from balancer.manifests import load
print(repr(load([Path(sys.argv[1])])))
assert not blocked & set(sys.modules), "the blocker does not work"
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Sound and faulty objects, a misspelled key, a key given twice, half of a character."""
    faulty = [
        service("bad", clusterIP="x"),
        service("odd", sesionAffinity="None"),
        endpoint_slice({"addresses": []}),
    ]
    tree = {"apiVersion": "v1", "items": [*objects(), *faulty], "kind": "List"}
    (tmp_path / "a.yaml").write_text(like_kubectl(tree))
    (tmp_path / "b.json").write_text(json.dumps({**tree, "items": faulty}, indent=4))
    (tmp_path / "c.json").write_text(
        '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","uid":"\\ud83d","uid":""}}'
    )
    return tmp_path


def run(directory: Path, blocked: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(directory), blocked],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("blocked", ["orjson", "jsonschema_rs", "orjson,jsonschema_rs,ryml"])
def test_everything_is_read_without_the_fast_libraries(directory: Path, blocked: str) -> None:
    assert run(directory, blocked) == repr(load([directory]))


def test_the_reference_alone_reads_the_same(directory: Path) -> None:
    found = run(directory, "orjson,jsonschema_rs", **{choice.ENVIRONMENT: "reference"})
    assert found == repr(load([directory]))
    assert found.count("Problem(") >= 5


def test_sound_manifests_are_read_without_the_explaining_libraries(directory: Path) -> None:
    """They take longer to import than small manifests take to read."""
    (directory / "b.json").unlink()
    (directory / "c.json").unlink()
    (directory / "a.yaml").write_text(like_kubectl(service()))
    assert "Problem(" not in run(directory, "jsonschema", **{choice.ENVIRONMENT: "fast"})
