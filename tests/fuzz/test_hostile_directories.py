"""Directories made to lead a reader astray, hang it, or show it two versions of a file at once."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer.manifests import load, scan
from fuzz.limited import read

NAMESPACE = '{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{}"}}}}'


def sound(directory: Path, name: str = "sound.json") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(NAMESPACE.format("sound"))
    return directory


def test_links_that_lead_in_circles_or_nowhere(tmp_path: Path) -> None:
    tree = sound(tmp_path)
    (tree / "self.yaml").symlink_to("self.yaml")
    (tree / "one.yaml").symlink_to("two.yaml")
    (tree / "two.yaml").symlink_to("one.yaml")
    (tree / "up").symlink_to(".")
    (tree / "deep").mkdir()
    for index in range(40):
        (tree / "deep" / f"again{index}").symlink_to("..")
    reading = read(tree)
    assert (reading.kept, sorted(reading.errors)) == (1, ["one.yaml", "self.yaml", "two.yaml"])


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "/proc/self/environ", "/dev/zero", "/proc/kmsg", "../secret.yaml", ".."]
)
def test_nothing_behind_a_link_out_of_the_tree_is_opened(tmp_path: Path, target: str) -> None:
    tree = sound(tmp_path / "tree")
    (tmp_path / "secret.yaml").write_text("password: 1\n")
    (tree / "link.yaml").symlink_to(target)
    found = load([tree])
    assert [file.path for file in found.files] == [str(tree / "sound.json")]
    assert ["leads out of" in problem.message for problem in found.problems] == [True]
    assert "password" not in str(found)


def test_fifos_sockets_and_devices_are_not_read(tmp_path: Path) -> None:
    tree = sound(tmp_path)
    os.mkfifo(tree / "fifo.yaml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "socket.yaml"))
    if os.geteuid() == 0:
        os.mknod(tree / "zero.yaml", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    reading = read(tree)
    assert (reading.kept, dict(reading.errors)) == (1, {})
    assert {problem.message for problem in scan([tree]).problems} == {"is no regular file and is not read"}


def test_a_tree_deeper_than_a_path_can_be(tmp_path: Path) -> None:
    tree = sound(tmp_path)
    here = os.open(tree, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=here)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (tmp_path / "link").symlink_to("d" * 100)
    reading = read(tree)
    assert reading.kept == 1
    assert [message for messages in reading.errors.values() for message in messages] == [
        "cannot be read: File name too long"
    ]


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.yaml", b"a\nb.yaml", b"\x1b[2J.yaml", b"x" * 250 + b".yaml", b" .yaml"]
)
def test_file_names_that_are_no_text(tmp_path: Path, name: bytes) -> None:
    tree = sound(tmp_path)
    (tree / os.fsdecode(name)).write_text(NAMESPACE.format("odd"))
    assert sorted(one.meta.name for one in load([tree]).cluster.namespaces) == ["odd", "sound"]


@pytest.fixture
def rewritten(tmp_path: Path) -> Iterator[Path]:
    """A file that another thread writes over in place, again and again, each version all of one letter."""
    path = tmp_path / "a.json"
    path.write_text(NAMESPACE.format("a" * 60) + " " * 50_000)
    done = threading.Event()

    def write() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            with path.open("r+b") as file:
                file.write((NAMESPACE.format("abc"[turn % 3] * 60)).encode())

    writer = threading.Thread(target=write)
    writer.start()
    yield path
    done.set()
    writer.join()


def test_a_file_that_changes_while_it_is_read_is_one_version_or_a_problem(rewritten: Path) -> None:
    seen: set[str] = set()
    for _ in range(200):
        found = load([rewritten])
        if not found.problems:
            seen.add(found.cluster.namespaces[0].meta.name)
        else:
            assert [one.message for one in found.problems] == [
                "the file cannot be read: it changed each time while it was read"
            ]
    assert seen <= {letter * 60 for letter in "abc"}


def test_a_directory_that_changes_while_it_is_read_never_raises(tmp_path: Path) -> None:
    """A sync tool at work: directories and links come and go between a listing and a look."""
    tree = sound(tmp_path / "tree")
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            (tree / "sub").mkdir()
            (tree / "sub" / "a.json").write_text(NAMESPACE.format("a"))
            (tree / "link.json").symlink_to("sub/a.json")
            (tree / "sub" / "a.json").rename(tree / "b.json")
            for gone in (tree / "link.json", tree / "b.json"):
                gone.unlink()
            (tree / "sub").rmdir()

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        names = [{one.meta.name for one in load([tree]).cluster.namespaces} for _ in range(300)]
    finally:
        done.set()
        worker.join()
    assert all("sound" in one and one <= {"sound", "a"} for one in names)
