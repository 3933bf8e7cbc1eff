"""A kubectl that answers from samples/cluster, for the export scripts: nothing else of a cluster is there.

It prints lists in kubectl's own shape, notes what it was asked, and can fail, hang, or report changes.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.samples import SAMPLES

_SCRIPT = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/asked"
if [ "$1" = api-resources ]; then
    [ ! -e "$here/no-discovery" ] || exit 1
    cat "$here/policies"
    exit 0
fi
# From the first line on: a change may be reported before tail has opened the file.
case "$*" in
*--watch-only*) exec tail -n +1 -F "$here/changes.$2" 2>/dev/null ;;
esac
echo "apiVersion: v1"
echo "items:"
for resource in $(echo "$2" | tr , ' '); do
    cat "$here/items.$resource"
    [ ! -e "$here/fails" ] || exit 1
    [ ! -e "$here/hangs" ] || exec sleep 600
done
echo "kind: List"
echo "metadata:"
echo '  resourceVersion: ""'
"""
_NAMES = {
    "services": "services",
    "endpointslices.discovery.k8s.io": "endpointslices",
    "endpoints": "endpoints",
    "pods": "pods",
    "nodes": "nodes",
}
_HEAD, _TAIL = "apiVersion: v1\nitems:\n", 'kind: List\nmetadata:\n  resourceVersion: ""\n'


class Kubectl:
    """The program, in a directory of its own that `environment` puts on the PATH."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        program = directory / "kubectl"
        program.write_text(_SCRIPT)
        program.chmod(0o755)
        (directory / "policies").touch()
        (directory / "asked").touch()
        for resource, file in _NAMES.items():
            text = (SAMPLES / "cluster" / "manifests" / f"{file}.yaml").read_text()
            self.items(resource, text.removeprefix(_HEAD).removesuffix(_TAIL))
            (directory / f"changes.{resource}").touch()

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self._directory}:{os.environ['PATH']}", **more}

    def items(self, resource: str, text: str) -> None:
        """What the cluster has of one resource, as the items of a list."""
        (self._directory / f"items.{resource}").write_text(text)

    def add(self, resource: str, text: str) -> None:
        with (self._directory / f"items.{resource}").open("a") as file:
            file.write(text)

    def report_change(self, resource: str) -> None:
        """A line on every watch of the resource."""
        with (self._directory / f"changes.{resource}").open("a") as file:
            file.write("service/web\n")

    def has_policies(self, *names: str) -> None:
        (self._directory / "policies").write_text("".join(f"{name}\n" for name in names))
        for name in names:
            self.items(name, "")

    def switch(self, name: str, *, on: bool) -> None:
        """`fails` and `hangs`: in the middle of a list. `no-discovery`: it cannot say which resources there are."""
        flag = self._directory / name
        if on:
            flag.touch()
        else:
            flag.unlink(missing_ok=True)

    def asked(self) -> list[str]:
        return (self._directory / "asked").read_text().splitlines()
