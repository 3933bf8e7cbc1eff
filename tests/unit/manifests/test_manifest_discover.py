"""Which files of a directory are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from manifest_builders import write

from balancer.errors import PathUnreadable
from balancer.manifests import discover, is_manifest_name, scan
from balancer.manifests.discover import Glance, Scanner, glance, how_much


def names(directory: Path) -> list[str]:
    return [str(path.relative_to(directory)) for path in discover([directory])]


def test_directory_is_read_recursively_in_stable_order(tmp_path: Path) -> None:
    write(tmp_path, {"b.yml": "", "a.yaml": "", "sub/deep/c.json": "", "notes.txt": "", "README": ""})
    assert names(tmp_path) == ["a.yaml", "b.yml", "sub/deep/c.json"]


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.yaml",
        ".#a.yaml",
        "a.yaml~",
        ".a.yaml.swp",
        ".a.yaml.AbC123",
        ".syncthing.a.yaml.tmp",
        "a.yaml.tmp",
        "~syncthing~a.yaml",
        "#a.yaml#",
        "a.yaml.part",
        "a.yaml.orig",
    ],
)
def test_temporaries_of_editors_and_sync_tools_are_passed_over(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: "", "a.yaml": ""})
    assert names(tmp_path) == ["a.yaml"]
    assert not is_manifest_name(name)


def test_hidden_directories_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {".git/config.yaml": "", "a.yaml": ""})
    assert names(tmp_path) == ["a.yaml"]


def test_configmap_volume_shows_each_file_once(tmp_path: Path) -> None:
    """Kubernetes: a ConfigMap volume links visible names through ..data into a hidden directory."""
    write(tmp_path, {"..2026_01_31/a.yaml": ""})
    (tmp_path / "..data").symlink_to("..2026_01_31")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    found = scan([tmp_path])
    assert found.files == (tmp_path / "a.yaml",)
    assert found.problems == ()


def test_git_sync_links_are_followed(tmp_path: Path) -> None:
    """git-sync publishes a work tree by a link, which may be the path given or inside it."""
    write(tmp_path, {".worktrees/abc/app/a.yaml": ""})
    (tmp_path / "current").symlink_to(".worktrees/abc")
    assert names(tmp_path) == ["current/app/a.yaml"]
    assert discover([tmp_path / "current"]) == (tmp_path / "current/app/a.yaml",)


def test_a_file_and_links_to_it_are_read_once_under_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, {"rev/z.yaml": ""})
    (tmp_path / "a.yaml").symlink_to("rev/z.yaml")
    (tmp_path / "current").symlink_to("rev")
    assert names(tmp_path) == ["rev/z.yaml"]
    assert len(discover([tmp_path, tmp_path / "rev", tmp_path / "a.yaml"])) == 1


def test_link_loops_end(tmp_path: Path) -> None:
    write(tmp_path, {"sub/a.yaml": ""})
    (tmp_path / "sub/up").symlink_to("..")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    found = scan([tmp_path])
    assert found.files == (tmp_path / "sub/a.yaml",)
    assert [problem.is_error for problem in found.problems] == [True, True]


@pytest.mark.parametrize("target", ["outside", "outside/a.yaml"])
def test_a_link_out_of_the_tree_is_a_warning_and_not_followed(tmp_path: Path, target: str) -> None:
    write(tmp_path, {"outside/a.yaml": "", "tree/b.yaml": ""})
    (tmp_path / "tree/link.yaml").symlink_to(tmp_path / target)
    found = scan([tmp_path / "tree"])
    assert found.files == (tmp_path / "tree/b.yaml",)
    assert [str(problem.severity) for problem in found.problems] == ["warning"]
    assert "leads out of" in found.problems[0].message


def test_a_dangling_link_is_an_error_because_what_it_declared_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone.yaml")
    (problem,) = scan([tmp_path]).problems
    assert problem.is_error
    assert problem.message == "the link leads nowhere: expected a file or directory"


def test_fifo_in_a_directory_is_a_warning(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    found = scan([tmp_path])
    assert found.files == ()
    assert found.problems[0].message == "is no regular file and is not read"


def test_unreadable_directory_inside_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"closed/a.yaml": ""})
    listing = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (problem,) = scan([tmp_path]).problems
    assert problem.is_error
    assert problem.origin.file.endswith("closed")


def test_missing_path_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(PathUnreadable, match="No such file") as caught:
        discover([tmp_path / "gone"])
    assert caught.value.hint


def test_path_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PathUnreadable, match="Permission denied"):
        discover([tmp_path])


def test_fifo_as_a_path_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PathUnreadable, match="neither a directory nor a regular file"):
        discover([tmp_path / "pipe"])


def test_a_file_named_itself_is_taken_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, {"export.txt": ""})
    assert discover([tmp_path / "export.txt"]) == (tmp_path / "export.txt",)


def test_files_that_stay_keep_their_path_objects(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "", "sub/b.yaml": ""})
    scanner = Scanner()
    before = scanner.scan([tmp_path])
    (tmp_path / "a.yaml").rename(tmp_path / "c.yaml")
    after = scanner.scan([tmp_path])
    assert [path.name for path in after.files] == ["c.yaml", "b.yaml"]
    assert after.files[1] is before.files[1]
    assert after == scan([tmp_path])


def test_the_same_names_behind_another_link_are_other_files(tmp_path: Path) -> None:
    write(tmp_path, {"one/a.yaml": "", "two/a.yaml": "", "two/b.yaml": ""})
    link, scanner = tmp_path / "link", Scanner()
    for target in ("one", "two"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert scanner.scan([link]) == scan([link])


@pytest.mark.parametrize(
    "deed",
    [
        lambda top: (top / "link.yaml").symlink_to("a.yaml"),
        lambda top: (top / "b.yaml").hardlink_to(top / "a.yaml"),
        lambda top: (top.parent / "b.yaml").hardlink_to(top / "sub/a.yaml"),
        lambda top: (top / "sub/odd").symlink_to("/"),
        lambda top: os.mkfifo(top / "b.yaml"),
    ],
)
def test_files_can_be_looked_at_alone_where_each_has_one_name(
    tmp_path: Path, deed: Callable[[Path], None]
) -> None:
    top = tmp_path / "top"
    write(top, {"a.yaml": "", "sub/a.yaml": ""})
    assert scan([top]).root == str(top)
    assert scan([top, top / "sub"]).root == ""
    deed(top)
    assert scan([top]).root == ""


def test_a_glance_says_what_a_scan_would_make_of_a_file(tmp_path: Path) -> None:
    names = {"a.yaml": "", "sub/b.json": "", ".c.yaml": "", "notes.txt": "", ".git/d.yaml": "", "e.yaml~": ""}
    write(tmp_path, names)
    seen = [name for name in names if glance(tmp_path, tmp_path / name) is Glance.FILE]
    assert seen == ["a.yaml", "sub/b.json"]
    assert {glance(tmp_path, tmp_path / name) for name in [*names, "gone.yaml"][2:]} == {Glance.NOTHING}
    assert glance(tmp_path / "notes.txt", tmp_path / "notes.txt") is Glance.FILE


def test_a_file_that_is_there_by_two_paths_cannot_be_looked_at_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is mounted on another is; it has no more links for that."""
    write(tmp_path, {"a.yaml": "", "b.yaml": ""})
    monkeypatch.setattr(sys.modules[scan.__module__], "sight_of", lambda _: (1, 2, 0, 0, 0))
    assert scan([tmp_path]).root == ""


def test_a_name_with_other_cases_may_be_the_one_that_is_listed(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "", "A.YAML": ""})
    assert {glance(tmp_path, tmp_path / name) for name in ("a.yaml", "A.YAML")} == {Glance.UNCLEAR}


@pytest.mark.parametrize("name", ["sub", "link.yaml", "b.yaml", "open.yaml", "gone/a.yaml", "a.yaml/b.yaml"])
def test_a_glance_does_not_say_what_it_cannot_know(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"a.yaml": "", "sub/a.yaml": "", "open.yaml": ""})
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    (tmp_path / "b.yaml").hardlink_to(tmp_path / "sub/a.yaml")
    (tmp_path / "open.yaml").chmod(0o666)
    assert glance(tmp_path, tmp_path / name) is Glance.UNCLEAR


def test_how_much_there_is_counts_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("12345")
    (tmp_path / "b.json").write_text("123")
    (tmp_path / "notes.txt").write_text("not read")
    assert how_much([tmp_path]) == 8
