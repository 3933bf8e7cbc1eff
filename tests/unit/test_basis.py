"""What decides besides the files: each single thing of it shows."""

from __future__ import annotations

import os
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from balancer.config import Settings
from balancer.desired.types import Rules
from balancer.model.problem import Origin, Problem
from balancer.passes import basis

SETTINGS = Settings(node="n1")
PROBLEM = Problem(origin=Origin(file="a", line=1), message="odd")
GIVEN = {"addresses": (ip_address("10.0.0.1"),), "passed_over": (), "package": "1"}


def of(settings: Settings = SETTINGS, *paths: str, **given: object) -> str:
    return basis.basis(settings, [Path(path) for path in paths or ("a",)], **{**GIVEN, **given})  # type: ignore[arg-type]


def test_it_is_the_same_for_the_same() -> None:
    assert of() == of(replace(SETTINGS))


@pytest.mark.parametrize(
    "changed",
    [
        {"node": "n2"},
        {"rules": Rules(redirect_qos_limit=1)},
        {"cgroup": Path("/sys/fs/cgroup/a")},
        {"bpffs": Path("/sys/fs/bpf/b")},
        {"map_limits": {**SETTINGS.map_limits, "slots": 9}},
        {"close_stale_tcp": True},
    ],
)
def test_settings_that_decide_show(changed: dict[str, object]) -> None:
    assert of(replace(SETTINGS, **changed)) != of()  # type: ignore[arg-type]


def test_settings_that_decide_nothing_do_not() -> None:
    assert of(replace(SETTINGS, resync_seconds=1, debounce_seconds=1, metrics_listen=":1")) == of()


@pytest.mark.parametrize(
    "changed",
    [
        {"addresses": (ip_address("10.0.0.1"), ip_address("10.0.0.2"))},
        {"passed_over": (PROBLEM,)},
        {"package": "2"},
    ],
)
def test_host_package_and_what_was_passed_over_show(changed: dict[str, object]) -> None:
    assert of(**changed) != of()


def test_paths_show_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages name them so."""
    texts = {of(), of(SETTINGS, "b"), of(SETTINGS, "a", "b"), of(SETTINGS, "b", "a"), of(SETTINGS, "./../a")}
    monkeypatch.chdir(tmp_path)
    assert len(texts | {of()}) == 6


def test_the_engine_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of()
    monkeypatch.setenv("BALANCER_ENGINE", "reference")
    assert of() != before


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two modules."""
    (tmp_path / "inside").mkdir()
    for name in ("one.py", "inside/two.py"):
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(basis, "__file__", str(tmp_path / "inside" / "two.py"))
    return tmp_path


def test_any_file_of_the_package_shows(package: Path) -> None:
    """Also one with the size and time of the old one, as package managers may set them."""
    before = basis.installed()
    assert before == basis.installed()
    two = package / "inside" / "two.py"
    times = (two.stat().st_atime_ns, two.stat().st_mtime_ns)
    two.write_text("2")
    os.utime(two, ns=times)
    assert basis.installed() != before


def test_a_file_more_or_less_shows(package: Path) -> None:
    before = basis.installed()
    (package / "three.py").write_text("")
    after = basis.installed()
    (package / "inside" / "two.py").unlink()
    assert len({before, after, basis.installed()}) == 3


def test_compiled_files_do_not(package: Path) -> None:
    before = basis.installed()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "one.pyc").write_text("")
    assert basis.installed() == before
