"""Which manifests the last pass worked from, and whether they are still there."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from balancer.config import Settings
from balancer.explanation import SourceState
from balancer.lastgood.database import Content, Key, LastGoodFile
from balancer.manifests import FileObjects, load
from balancer.sources import absolute, digest_of, read_again
from balancer.state import last_good_path
from balancer.views import LastPass

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    directory = tmp_path / "manifests"
    directory.mkdir()
    (directory / "web.yaml").write_text(SERVICE)
    return directory


def settings(directory: Path) -> Settings:
    return Settings(node="n1", state=directory.parent / "state.json")


def passed(directory: Path, **changed: object) -> LastPass:
    """A pass over what is in the directory now."""
    known = {"paths": absolute([directory]), "digest": digest_of(load([directory]).files)}
    numbers = {"seconds": 0.1, "frontends": 1, "files": 1, "changes": 1}
    return LastPass(
        time=datetime(2026, 1, 2, tzinfo=UTC), result="converged", **{**numbers, **known, **changed}
    )  # type: ignore[arg-type]


def test_what_has_not_changed_is_what_the_pass_saw(manifests: Path) -> None:
    found = read_again(settings(manifests), passed(manifests))
    assert found.state is SourceState.UNCHANGED
    assert [item.object for item in found.desired.frontends] == ["Service default/web"]


@pytest.mark.parametrize("name", ["web.yaml", "other.yaml"])
def test_a_changed_and_a_new_file_are_seen(manifests: Path, name: str) -> None:
    last = passed(manifests)
    (manifests / name).write_text(SERVICE.replace("10.96.0.1", "10.96.0.2"))
    found = read_again(settings(manifests), last)
    assert found.state is SourceState.CHANGED
    assert "10.96.0.2" in {str(item.address) for item in found.desired.frontends}


def test_the_last_good_content_stands_in_for_a_broken_file(manifests: Path) -> None:
    """As the agent keeps it: the pass worked from that content, not from what is on disk."""
    last, key = passed(manifests), Key(str(manifests), "web.yaml")
    content = Content.of(SERVICE.encode())
    LastGoodFile(last_good_path(settings(manifests).state)).save({key: content.sha256}, {key: content})
    (manifests / "web.yaml").write_text("kind: [")
    found = read_again(settings(manifests), last)
    assert found.state is SourceState.LAST_GOOD
    assert [item.object for item in found.desired.frontends] == ["Service default/web"]


def test_a_directory_that_is_gone_is_unreadable(manifests: Path) -> None:
    last = passed(manifests)
    (manifests / "web.yaml").unlink()
    manifests.rmdir()
    found = read_again(settings(manifests), last)
    assert (found.state, found.desired.frontends) == (SourceState.UNREADABLE, ())


def test_without_a_record_nothing_is_read(manifests: Path) -> None:
    for last in (None, passed(manifests, paths=()), passed(manifests, digest="")):
        assert read_again(settings(manifests), last).state is SourceState.UNKNOWN


def test_a_digest_is_of_names_and_contents_in_any_order() -> None:
    one, two = FileObjects(path="/a", sha256="1"), FileObjects(path="/b", sha256="2")
    other = FileObjects(path="/b", sha256="3")
    assert digest_of([one, two]) == digest_of([two, one])
    assert len({digest_of(files) for files in ([one, two], [one, other], [one], [])}) == 4


def test_a_digest_is_the_same_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative, full = (FileObjects(path=path, sha256="1") for path in ("a", os.path.join(tmp_path, "a")))  # noqa: PTH118
    assert digest_of([relative]) == digest_of([full])


def test_only_files_with_a_part_in_the_answer_are_taken_apart(manifests: Path) -> None:
    """The rest is read when it turns out to be needed; the digest is always of all of them."""
    other = SERVICE.replace("web", "other").replace("10.96.0.1", "10.96.0.2")
    (manifests / "other.yaml").write_text(other)
    (manifests / "node.yaml").write_text("apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n")
    found = read_again(settings(manifests), passed(manifests), {"web"})
    assert found.state is SourceState.UNCHANGED
    assert [item.meta.name for item in (*found.cluster.services, *found.cluster.nodes)] == ["web", "n1"]
    assert found.complete is not None
    assert len(found.complete().cluster.services) == 2


def test_pods_are_needed_where_there_are_policies(manifests: Path) -> None:
    (manifests / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: d}\n")
    found = read_again(settings(manifests), passed(manifests), {"web"})
    assert found.cluster.pods == ()
    (manifests / "policy.yaml").write_text("apiVersion: balancing.elf.io/v1beta1\nkind: BalancingPolicy\n")
    found = read_again(settings(manifests), passed(manifests), {"web"})
    assert [item.meta.name for item in found.cluster.pods] == ["p"]


def test_nobody_waits_for_more_than_can_be_read(manifests: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balancer.sources.MOST_BYTES", len(SERVICE) - 1)
    found = read_again(settings(manifests), passed(manifests), {"web"})
    assert (found.state, found.cluster.services) == (SourceState.SKIPPED, ())
