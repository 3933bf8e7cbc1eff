"""A warning where every user of the host could change what is loaded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from manifest_builders import write

from balancer.manifests import scan, writable


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user can reach; the one of pytest is closed to others."""
    made = Path(tempfile.mkdtemp(prefix="balancer-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def warnings(path: Path) -> list[tuple[str, str]]:
    found = scan([path]).problems
    assert not any(problem.is_error for problem in found)
    return [(problem.origin.file, problem.message) for problem in found]


def test_a_tree_that_only_its_owner_writes_is_silent(public: Path) -> None:
    write(public, {"a.yaml": "", "sub/b.yaml": ""})
    (public / "a.yaml").chmod(0o664)
    assert warnings(public) == []


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
def test_a_directory_writable_by_everyone_is_a_warning_with_the_way_out(public: Path, mode: int) -> None:
    """The sticky bit keeps others from removing files, not from adding some."""
    public.chmod(mode)
    message = (
        "can be written to by every user of this host: "
        f"expected write access for trusted users only (chmod -R o-w {public})"
    )
    assert warnings(public) == [(str(public), message)]


def test_files_and_directories_inside_are_one_warning(public: Path) -> None:
    write(public, {"a.yaml": "", "notes.txt": "", "sub/b.yaml": ""})
    for name in ("a.yaml", "notes.txt", "sub", "sub/b.yaml"):
        (public / name).chmod(0o777)
    ((file, message),) = warnings(public)
    assert file == str(public / "a.yaml")
    assert f", and so can 2 more below {public}: expected" in message


def test_a_file_named_itself_is_looked_at(public: Path) -> None:
    write(public, {"a.yaml": ""})
    (public / "a.yaml").chmod(0o666)
    assert [file for file, _ in warnings(public / "a.yaml")] == [str(public / "a.yaml")]


def test_what_others_cannot_reach_they_cannot_write(public: Path) -> None:
    write(public, {"closed/open/a.yaml": ""})
    (public / "closed/open").chmod(0o777)
    (public / "closed").chmod(0o700)
    assert warnings(public / "closed/open") == []


def test_a_read_only_mount_is_writable_by_nobody(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes: the directory of a ConfigMap volume has mode 0777 and is mounted read-only."""
    public.chmod(0o777)
    monkeypatch.setattr(writable, "_read_only", lambda _: True)
    assert warnings(public) == []
