"""The set-ups that bring manifests to a host, run for real with git, rsync and Ansible on this very machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from harness.samples import SAMPLES

from balancer.cli import main
from balancer.manifests import discover

SYNC = SAMPLES / "sync"
BIN = Path(sys.executable).parent
BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: nowhere}\n"


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{BIN}:{os.environ['PATH']}", **environment}
    words = [str(word) for word in command]
    return subprocess.run(words, env=given, capture_output=True, text=True, check=False, timeout=120)


def content(directory: Path) -> dict[str, bytes]:
    """What balancer reads below a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in discover([directory])}


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A copy of a sample that a test may change."""
    return Path(shutil.copytree(SAMPLES / "quickstart" / "manifests", tmp_path / "manifests"))


class Repository:
    """A git repository with a work tree to commit from."""

    def __init__(self, directory: Path, manifests: Path) -> None:
        self.tree = directory / "tree"
        self.url = f"file://{self.tree}"
        shutil.copytree(manifests, self.tree / "manifests")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        result = run("git", "-C", self.tree, *who, *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, manifests: Path) -> Repository:
    return Repository(tmp_path, manifests)


def pull(repository: Repository, root: Path) -> subprocess.CompletedProcess[str]:
    return run(SYNC / "git-sync" / "pull.sh", repository.url, root)


def test_a_pull_moves_one_link(repository: Repository, tmp_path: Path) -> None:
    """A reader of the link sees one commit as a whole; who still reads the one before can end."""
    root, commits = tmp_path / "root", []
    for change in ("", "# one\n", "# two\n"):
        with (repository.tree / "manifests" / "services.yaml").open("a") as file:
            file.write(change)
        commits.append(repository.commit())
        assert pull(repository, root).returncode == 0
        assert (root / "current").readlink() == Path(commits[-1])
        assert content(root / "current" / "manifests") == content(repository.tree / "manifests")
    assert {path.name for path in root.glob("[!.]*")} == {"current", *commits[1:]}


def test_a_pull_of_the_same_commit_does_nothing(repository: Repository, tmp_path: Path) -> None:
    pull(repository, tmp_path / "root")
    before = (tmp_path / "root" / "current" / "manifests").stat()
    result = pull(repository, tmp_path / "root")
    assert (result.returncode, result.stdout) == (0, "")
    assert (tmp_path / "root" / "current" / "manifests").stat() == before


def test_a_pull_follows_a_rewritten_branch(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    pull(repository, tmp_path / "root")
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    assert pull(repository, tmp_path / "root").returncode == 0
    assert (tmp_path / "root" / "current").readlink() == Path(repository.git("rev-parse", "HEAD"))


def test_a_pull_that_fails_changes_nothing(repository: Repository, tmp_path: Path) -> None:
    """The server is away, or somebody removed everything."""
    root = tmp_path / "root"
    pull(repository, root)
    before = content(root / "current")
    repository.git("rm", "--quiet", "-r", ".")
    repository.commit()
    assert "is empty" in pull(repository, root).stderr
    repository.tree.rename(tmp_path / "away")
    assert pull(repository, root).returncode != 0
    assert content(root / "current") == before


def push(source: Path, *targets: Path) -> subprocess.CompletedProcess[str]:
    return run(SYNC / "rsync" / "push.sh", source, *targets)


def test_a_push_makes_the_target_the_same(manifests: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    assert push(manifests, target).returncode == 0
    (manifests / "nodes.yaml").unlink(missing_ok=True)
    next(manifests.glob("*.yaml")).rename(manifests / "renamed.yaml")
    assert push(manifests, target).returncode == 0
    assert content(target) == content(manifests)


@pytest.mark.parametrize("fault", ["broken", "empty", "absent"])
def test_what_must_not_be_pushed_stays_here(manifests: Path, tmp_path: Path, fault: str) -> None:
    target = tmp_path / "target"
    push(manifests, target)
    before = content(target)
    if fault == "broken":
        (manifests / "web.yaml").write_text(BROKEN)
    else:
        shutil.rmtree(manifests)
        if fault == "empty":
            manifests.mkdir()
    assert push(manifests, target).returncode != 0
    assert content(target) == before


def test_a_target_that_is_away_keeps_no_other_waiting(manifests: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = push(manifests, tmp_path / "file" / "away", tmp_path / "target")
    assert (result.returncode, "away failed" in result.stderr) == (1, True)
    assert content(tmp_path / "target") == content(manifests)


def play(manifests: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """The playbook on this machine, without the step that talks to systemd."""
    inventory = directory / "inventory.yml"
    local = f"ansible_connection: local, ansible_become: false, ansible_python_interpreter: {sys.executable}"
    inventory.write_text(f"balancer: {{hosts: {{here: {{{local}}}}}}}\n")
    values = {
        "manifests": manifests,
        "releases": directory / "releases",
        "link": directory / "etc" / "manifests",
        "balancer": BIN / "balancer",
    }
    settings = [word for name, value in values.items() for word in ("--extra-vars", f"{name}={value}")]
    playbook = SYNC / "ansible" / "balancer.yml"
    command = [BIN / "ansible-playbook", "--inventory", inventory, "--skip-tags=agent", *settings, playbook]
    return run(*command, ANSIBLE_HOME=str(directory / "ansible"), ANSIBLE_NOCOLOR="1")


def test_ansible_moves_one_link_to_what_was_checked(manifests: Path, tmp_path: Path) -> None:
    """A release that does not pass on the host is copied and never put in force."""
    link = tmp_path / "etc" / "manifests"
    result = play(manifests, tmp_path)
    assert result.returncode == 0, result.stdout
    before = content(manifests)
    assert content(link) == before
    assert CliRunner().invoke(main, ["validate", str(link)]).exit_code == 0
    (manifests / "web.yaml").write_text(BROKEN)
    result = play(manifests, tmp_path)
    assert (result.returncode, "web.yaml:4" in result.stdout) == (2, True), result.stdout
    assert content(link) == before
