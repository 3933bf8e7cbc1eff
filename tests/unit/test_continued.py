"""What is kept up between looks at the files: places of problems, settings, and the way back when it fails."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from pathlib import Path

import pytest

from balancer.config import Settings
from balancer.desired.narrow import Following
from balancer.desired.types import Rules
from balancer.kernel import host
from balancer.manifests import FileObjects, read_file
from balancer.passes.continued import Continued
from balancer.passes.reconcile import compute
from balancer.views import Loaded

SCTP = """{comment}apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec:
  clusterIP: 10.96.0.{number}
  ports:
  - {{port: {port}, protocol: SCTP}}
"""


class Directory:
    """Files that are read as `watch` reads them: each again only when it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, FileObjects] = {}
        self.continued = Continued(strict=True)

    def write(self, name: str, number: int, *, port: int = 80, comment: str = "") -> None:
        path = self.path / f"{name}.yaml"
        path.write_text(SCTP.format(name=name, number=number, port=port, comment=comment))
        self.files[name] = read_file(path)

    def look(self, rules: Rules | None = None) -> Loaded:
        """Also checks that working out everything gives the same."""
        files = tuple(self.files[name] for name in sorted(self.files))
        settings = Settings(node="n1", rules=rules or Rules())
        loaded, full = (
            self.continued.compute(files, [self.path], settings),
            compute(files, [self.path], settings),
        )
        assert (loaded.manifests, loaded.desired) == (full.manifests, full.desired)
        assert (loaded.problems, loaded.paths) == (full.problems, full.paths)
        return loaded


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    found = Directory(tmp_path)
    found.write("a", 1)
    found.write("b", 2)
    return found


def places(loaded: Loaded) -> list[str]:
    return [f"{Path(one.origin.file).name}:{one.origin.line} {one.excerpt}" for one in loaded.problems]


def test_problems_have_their_places_from_the_first_look_on(directory: Directory) -> None:
    loaded = directory.look()
    assert places(loaded) == [
        "a.yaml:7   - {port: 80, protocol: SCTP}",
        "b.yaml:7   - {port: 80, protocol: SCTP}",
    ]
    assert loaded.step is not None
    assert loaded.step.whole


def test_a_step_leads_from_one_look_to_the_next(directory: Directory) -> None:
    first = directory.look()
    directory.write("c", 3)
    step = directory.look().step
    assert step is not None
    assert step.before is first.desired
    assert list(step.addresses_put) == [ip_address("10.96.0.3")]


def test_a_problem_moves_with_its_line_though_no_object_changed(directory: Directory) -> None:
    """A comment above the object moves it; one that ends inside of it moves nothing but the line."""
    directory.look()
    path = directory.path / "a.yaml"
    path.write_text(path.read_text().replace("  ports:", "  # the only one\n  ports:"))
    directory.files["a"] = read_file(path)
    loaded = directory.look()
    assert places(loaded)[0].startswith("a.yaml:8 ")
    assert loaded.step is not None
    assert loaded.step.after is loaded.step.before


def test_problems_go_with_their_file_and_come_with_another(directory: Directory) -> None:
    directory.look()
    del directory.files["a"]
    directory.write("c", 3, port=99)
    assert [place.partition(":")[0] for place in places(directory.look())] == ["b.yaml", "c.yaml"]
    directory.files.clear()
    assert directory.look().problems == ()


def test_only_files_that_changed_are_read_again(directory: Directory) -> None:
    directory.look()
    (directory.path / "b.yaml").unlink()  # could not be placed any more
    directory.write("a", 1, port=81)
    files = tuple(directory.files.values())
    loaded = directory.continued.compute(files, [directory.path], Settings(node="n1"))
    assert places(loaded) == [
        "a.yaml:7   - {port: 81, protocol: SCTP}",
        "b.yaml:7   - {port: 80, protocol: SCTP}",
    ]


def test_other_rules_and_another_address_of_the_host_change_everything(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.look()
    with_rules = directory.look(Rules(redirect_qos_limit=5)).step
    monkeypatch.setattr(host, "interface_addresses", lambda: (ip_address("192.0.2.1"),))
    moved = directory.look(Rules(redirect_qos_limit=5))
    assert with_rules is not None
    assert with_rules.whole
    assert moved.step is not None
    assert moved.step.whole
    assert ip_address("192.0.2.1") in moved.desired.addresses


def broken(*_: object) -> None:
    raise RuntimeError("broken")


def test_whatever_goes_wrong_everything_is_worked_out_anew(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The narrow way is never more than a faster way to the same result; it is said once, for whoever looks."""
    directory.continued = Continued()
    first = directory.look()
    monkeypatch.setattr(Following, "update", broken)
    with caplog.at_level(logging.DEBUG, "balancer"):
        for number in (3, 4):
            directory.write("c", number)
            step = directory.look().step
            assert step is not None
            assert step.whole
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    monkeypatch.undo()
    directory.write("a", 9)
    step = directory.look().step
    assert step is not None
    assert not step.whole
    assert first.desired != step.after


def test_a_strict_one_raises_it(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Following, "update", broken)
    with pytest.raises(RuntimeError):
        directory.look()
