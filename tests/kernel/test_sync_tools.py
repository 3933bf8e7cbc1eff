"""What fills the directory changes it while it is watched: each tool's way of doing so, with the tool itself.

The proof each time: the new state comes by itself, and connections made all the while
are answered by the old or the new backend, never by nobody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.balancer import to_yaml
from harness.host import Host
from harness.objects import Object, plain
from harness.watching import Watching, steady, watching

VIP = pool.vip(1)[0]
LATER = pool.vip(2)[0]
ONE, TWO = "one", "two"
BACKEND = {"one": pool.ONE, "two": pool.TWO, "three": pool.THREE}


def _text(name: str, *, others: int = 2) -> str:
    """The service last, so that a file cut short between two documents is valid and lacks it."""
    objects: list[Object] = []
    for number in range(others):
        objects += plain(f"s{number}", f"10.96.9.{number + 1}", (BACKEND[name],))
    return to_yaml([*objects, *plain("web", VIP, (BACKEND[name],))])


def _more(name: str) -> str:
    """A second file, with a service of its own."""
    return to_yaml(plain("later", LATER, (BACKEND[name],)))


def _run(*command: object, at: Path | None = None) -> None:
    subprocess.run([str(part) for part in command], cwd=at, check=True, capture_output=True)


def _fill(directory: Path, name: str) -> Path:
    """A directory as it should be in the end."""
    (directory / "deep").mkdir(parents=True, exist_ok=True)
    (directory / "web.yaml").write_text(_text(name))
    (directory / "deep" / "later.yaml").write_text(_more(name))
    return directory


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return _fill(tmp_path / "manifests", ONE)


@pytest.fixture
def agent(host: Host, manifests: Path) -> Iterator[Watching]:
    """The agent over a directory in which `one` serves both addresses; a storm checks the first."""
    with watching(host, manifests) as running, steady(host, VIP, ONE, TWO):
        yield running


def _both(agent: Watching, name: str) -> None:
    agent.until(VIP, name)
    agent.until(LATER, name)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Commits `one`, `two` and `moved`: tags of the same names; in `moved` the services are in other files."""
    work = tmp_path / "origin"
    work.mkdir()
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    _run(*git, "init", at=work)
    for tag in ("one", "two", "moved"):
        shutil.rmtree(work / "app", ignore_errors=True)
        _fill(work / "app", "one" if tag == "moved" else tag)
        if tag == "moved":
            (work / "app" / "web.yaml").rename(work / "app" / "a-new-name.yaml")
            (work / "app" / "deep").rename(work / "app" / "elsewhere")
        _run(*git, "add", "-A", at=work)
        _run(*git, "commit", "-m", tag, at=work)
        _run(*git, "tag", tag, at=work)
    return work


def test_git_checkout_and_pull(host: Host, repository: Path, tmp_path: Path) -> None:
    """A work tree: files are unlinked and made anew, and moved with their directories."""
    clone = tmp_path / "clone"
    _run("git", "clone", "-q", repository, clone)
    _run("git", "checkout", "-q", "-B", "main", "one", at=clone)
    with watching(host, clone) as agent, steady(host, VIP, ONE, TWO):
        _both(agent, ONE)
        _run("git", "checkout", "-q", "two", at=clone)
        _both(agent, TWO)
        _run("git", "checkout", "-q", "main", at=clone)
        _both(agent, ONE)
        _run("git", "pull", "-q", "--ff-only", "origin", "two", at=clone)
        _both(agent, TWO)
        _run("git", "pull", "-q", "--ff-only", "origin", "moved", at=clone)
        _both(agent, ONE)


def test_git_sync(host: Host, repository: Path, tmp_path: Path) -> None:
    """git-sync: each commit is a work tree of its own, a link is renamed over, the old tree is removed."""
    root = tmp_path / "git"
    root.mkdir()

    def sync(tag: str) -> None:
        _run("git", "worktree", "add", "-q", "--detach", root / ".worktrees" / tag, tag, at=repository)
        (root / "tmp-link").symlink_to(Path(".worktrees") / tag)
        (root / "tmp-link").rename(root / "current")
        for old in (root / ".worktrees").iterdir():
            if old.name != tag:
                _run("git", "worktree", "remove", "--force", old, at=repository)

    sync("one")
    with watching(host, root / "current" / "app") as agent, steady(host, VIP, ONE, TWO):
        for tag, name in (("two", TWO), ("moved", ONE), ("two", TWO)):
            sync(tag)
            _both(agent, name)


def test_config_map_volume(host: Host, tmp_path: Path) -> None:
    """kubelet's AtomicWriter: ..data is renamed over, links of gone keys and the old data are removed."""
    volume = tmp_path / "volume"
    volume.mkdir()

    def project(number: int, files: dict[str, str]) -> None:
        data = volume / f"..2026_01_0{number}"
        data.mkdir()
        for key, text in files.items():
            (data / key).write_text(text)
        before = (volume / "..data").resolve()
        (volume / "..data_tmp").symlink_to(data.name)
        (volume / "..data_tmp").rename(volume / "..data")
        for key in files:
            if not (volume / key).is_symlink():
                (volume / key).symlink_to(Path("..data") / key)
        for link in [path for path in volume.iterdir() if not path.name.startswith("..")]:
            if link.name not in files:
                link.unlink()
        if before.name.startswith("..2"):
            shutil.rmtree(before)

    project(1, {"web.yaml": _text("one"), "later.yaml": _more("one")})
    with watching(host, volume) as agent, steady(host, VIP, ONE, TWO):
        project(2, {"web.yaml": _text("two"), "later.yaml": _more("two")})
        _both(agent, TWO)
        project(3, {"web.yaml": _text("one")})
        agent.until(VIP, ONE)
        agent.until(LATER, "ENETUNREACH")
        project(4, {"web.yaml": _text("one"), "renamed.yaml": _more("two")})
        agent.until(LATER, TWO)


@pytest.mark.parametrize(
    "options",
    [("--delete",), ("--delete", "--inplace"), ("--delete-after", "--delay-updates")],
    ids=["delete", "inplace", "delay-updates"],
)
def test_rsync(agent: Watching, manifests: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Hidden temporaries renamed over, or written in place; what the source does not have is deleted."""
    source = _fill(tmp_path / "source", "two")
    _run("rsync", "-a", "--checksum", *options, f"{source}/", f"{manifests}/")
    _both(agent, TWO)
    (source / "deep" / "later.yaml").unlink()
    (source / "web.yaml").write_text(_text("one"))
    _run("rsync", "-a", "--checksum", *options, f"{source}/", f"{manifests}/")
    agent.until(VIP, ONE)
    agent.until(LATER, "ENETUNREACH")


def test_rsync_deletes_long_before_it_writes(agent: Watching, manifests: Path, tmp_path: Path) -> None:
    """The services move to a file of another name: by default rsync deletes the old one first, and the
    new one arrives slowly.
    """
    source = _fill(tmp_path / "source", "two")
    (source / "web.yaml").unlink()
    (source / "moved.yaml").write_text(_text("two") + "# padding\n" * 2000)
    _run("rsync", "-a", "--checksum", "--delete", "--bwlimit=10", f"{source}/", f"{manifests}/")
    _both(agent, TWO)


def test_syncthing(agent: Watching, manifests: Path) -> None:
    """Syncthing: blocks arrive in a temporary beside the file, the old one goes to .stversions."""
    versions = manifests / ".stversions"
    versions.mkdir()
    for file, text in (
        (manifests / "web.yaml", _text("two")),
        (manifests / "deep" / "later.yaml", _more("two")),
    ):
        for temporary in (f".syncthing.{file.name}.tmp", f"~syncthing~{file.name}.tmp"):
            with (file.parent / temporary).open("w") as stream:
                for line in text.splitlines(keepends=True)[:20]:
                    stream.write(line)
        temporary_file = file.parent / f".syncthing.{file.name}.tmp"
        temporary_file.write_text(text)
        shutil.copy(file, versions / f"{file.stem}~20260101-000000.yaml")
        temporary_file.rename(file)
    _both(agent, TWO)


def test_editors(agent: Watching, manifests: Path) -> None:
    """Written in place; a backup and a swap file beside it; a new file renamed over (sed -i)."""
    file = manifests / "web.yaml"
    file.write_text(_text("two"))
    agent.until(VIP, TWO)
    (manifests / ".web.yaml.swp").write_bytes(b"b0VIM")
    (manifests / "4913").touch()
    (manifests / "4913").unlink()
    file.rename(manifests / "web.yaml~")
    file.write_text(_text("one"))
    (manifests / "web.yaml~").unlink()
    (manifests / ".web.yaml.swp").unlink()
    agent.until(VIP, ONE)
    _run("sed", "-i", f"s/{pool.ONE}/{pool.TWO}/", file)
    agent.until(VIP, TWO)


@pytest.mark.parametrize("poll", [False, True], ids=["events", "poll"])
def test_written_in_slow_pieces(host: Host, manifests: Path, poll: bool) -> None:
    """A file that grows between two documents, slowly, is valid all the while and lacks the service."""
    with watching(host, manifests, *(["--poll"] if poll else [])) as agent, steady(host, VIP, ONE, TWO):
        with (manifests / "web.yaml").open("w") as stream:
            for piece in _text("two").split("---\n"):
                stream.write(f"---\n{piece}")
                stream.flush()
                (manifests / "deep" / "note.txt").write_text(piece)
                time.sleep(0.2)
        agent.until(VIP, TWO)
        agent.until(LATER, ONE)


def test_a_slow_writer_holds_nobody_else_back(agent: Watching, manifests: Path) -> None:
    """The other files are read while one is being written."""
    with (manifests / "web.yaml").open("w") as stream:
        stream.write("---\n")
        stream.flush()
        (manifests / "deep" / "later.yaml").write_text(_more("two"))
        agent.until(LATER, TWO)
        agent.until_logged("cannot be read: it is being written to")
        stream.write(_text("two"))
    agent.until(VIP, TWO)


def test_saved_empty_and_broken(agent: Watching, manifests: Path) -> None:
    """Truncated and closed, then filled with half of it, then with all: each time the last good one serves."""
    file, text = manifests / "web.yaml", _text("two")
    file.write_text("")
    agent.until_logged("web.yaml:1")
    file.write_text(text[: text.rindex("clusterIP:") + 12])
    (manifests / "deep" / "later.yaml").write_text(_more("two"))
    agent.until(LATER, TWO)
    file.write_text(text)
    agent.until(VIP, TWO)


def test_tar(agent: Watching, manifests: Path, tmp_path: Path) -> None:
    """Extracted over what is there from a stream that stops now and then: files are unlinked and made anew."""
    source = _fill(tmp_path / "source", "two")
    packed = subprocess.run(["tar", "-cC", source, "."], check=True, capture_output=True).stdout
    command = ["tar", "-xC", str(manifests)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as extracting:
        assert extracting.stdin is not None
        for start in range(0, len(packed), 1024):
            extracting.stdin.write(packed[start : start + 1024])
            time.sleep(0.05)
        extracting.stdin.close()
    assert extracting.returncode == 0
    _both(agent, TWO)


def test_cp_and_mv_of_directories(agent: Watching, manifests: Path, tmp_path: Path) -> None:
    """A directory that is copied in, one that is moved in, and one that is moved out."""
    source = _fill(tmp_path / "source", "two")
    _run("cp", "-rT", source, manifests)
    _both(agent, TWO)
    aside = tmp_path / "aside"
    (manifests / "deep").rename(aside)
    agent.until(LATER, "ENETUNREACH")
    (aside / "later.yaml").write_text(_more("one"))
    os.rename(aside, manifests / "back")  # noqa: PTH104 - the system call that mv makes
    agent.until(LATER, ONE)
    (manifests / "back" / "later.yaml").write_text(_more("two"))
    agent.until(LATER, TWO)
