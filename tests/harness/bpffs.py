"""A bpffs of the tests' own, so that no pin of theirs is ever among the host's."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import names


@contextlib.contextmanager
def bpffs() -> Iterator[Path]:
    """A private bpf file system; unmounting it drops every pin, and with it whatever was loaded."""
    path = Path(tempfile.gettempdir()) / names.fresh("bpffs")
    path.mkdir()
    try:
        subprocess.run(["mount", "-t", "bpf", "bpf", str(path)], check=True)
        yield path
    finally:
        _drop(path)


def _drop(path: Path) -> None:
    subprocess.run(["umount", "--lazy", str(path)], check=False, stderr=subprocess.DEVNULL)
    path.rmdir()


def remove_leftovers() -> None:
    """Unmount and remove what killed runs left behind."""
    for path in Path(tempfile.gettempdir()).glob("balancer-test-*-bpffs"):
        if names.is_leftover(path.name):
            _drop(path)
