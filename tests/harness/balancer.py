"""The product, run as its users run it: the command, one instance per host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness import schemas
from harness.objects import Object
from harness.place import Place

COMMAND = Path(sys.executable).with_name("balancer")
Result = subprocess.CompletedProcess[str]


def to_yaml(objects: Iterable[Object]) -> str:
    """The objects as documents of one file, as kubectl prints them."""
    return yaml.dump_all(objects, Dumper=_Dumper, default_flow_style=False, allow_unicode=True)


class _Dumper(yaml.CSafeDumper):
    """In C: some tests write thousands of objects."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Numbers in any version of YAML, which PyYAML knows in one only, are texts in quotes."""
    try:
        float(text)
    except ValueError:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'")


_Dumper.add_representer(str, _text)


class Balancer:
    """One instance: its own cgroup, pins, state file and directory of manifests, in one host's namespace.

    Every command raises AssertionError with the whole output unless it ends with the exit code asked for.
    """

    def __init__(self, *, netns: str, cgroup: Path, bpffs: Path, directory: Path, node: str) -> None:
        self.netns = netns
        self.cgroup = cgroup
        self.bpffs = bpffs
        self.manifests = directory / "manifests"
        self.config = directory / "config.yaml"
        self.state = directory / "state.json"
        self.node = node
        self.manifests.mkdir(parents=True)

    def start(self, *arguments: str, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Any command with this instance's options, running; `prefix` is a command that runs it, as strace does."""
        environment = {
            **os.environ,
            "BALANCER_CGROUP": str(self.cgroup),
            "BALANCER_BPFFS": str(self.bpffs),
            "BALANCER_STATE": str(self.state),
            "BALANCER_NODE": self.node,
        }
        if self.config.exists():
            environment["BALANCER_CONFIG"] = str(self.config)
        command = Place(netns=self.netns).command([*prefix, str(COMMAND), *arguments])
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str, code: int = 0) -> Result:
        """Any command with this instance's options, to its end."""
        with self.start(*arguments) as process:
            stdout, stderr = process.communicate(timeout=120)
        result = Result(process.args, process.returncode, stdout, stderr)
        ended = f"balancer {' '.join(arguments)}: exit {result.returncode}, not {code}"
        assert result.returncode == code, f"{ended}\n{result.stdout}\n{result.stderr}"
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The parsed output of a command with ``-o json``, which must be as its schema says."""
        value = json.loads(self.run(*arguments, "-o", "json", code=code).stdout)
        schemas.check("-".join(arguments[:2]) if arguments[0] == "get" else arguments[0], value)
        return value

    def write(self, *objects: Object | Sequence[Object]) -> None:
        """Make these objects the whole directory of manifests, in one file."""
        flat: list[Object] = []
        for group in objects:
            flat.extend([group] if isinstance(group, dict) else group)
        text = to_yaml(flat)
        for old in self.manifests.iterdir():
            if old.name != "objects.yaml":
                old.unlink()
        self.put("objects.yaml", text)

    def add(self, file: str, *objects: Object) -> None:
        """One more file beside those that `write` made."""
        self.put(file, to_yaml(objects))

    def put(self, file: str, text: str) -> Path:
        """A file put in place at once, as sync tools do: for who watches the directory it is one change."""
        beside = self.manifests / f".{file}"
        beside.write_text(text)
        return beside.rename(self.manifests / file)

    def apply(self, *objects: Object | Sequence[Object], code: int = 0) -> Result:
        """Replace the manifests and apply them; tests follow each other, so the deletion brake is off."""
        self.write(*objects)
        return self.run("apply", "--allow-mass-delete", str(self.manifests), code=code)
