"""Runs commands in this process against the fake of `fakes`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from harness import schemas

import balancer.cli
from cli.fakes import FakeFacade

Run = Callable[..., Result]


@pytest.fixture
def facade(monkeypatch: pytest.MonkeyPatch) -> FakeFacade:
    """What every command of the test talks to."""
    fake = FakeFacade()
    monkeypatch.setattr(balancer.cli, "backend", lambda: fake)
    return fake


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("plan", "dir", env={...})`; stdout and stderr are apart, no BALANCER_* variable leaks in."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0, env: dict[str, str] | None = None) -> Result:
        result = CliRunner().invoke(balancer.cli.main, arguments, env=env)
        shown = f"exit {result.exit_code}\n{result.stdout}\n{result.stderr}\n{result.exception!r}"
        assert result.exit_code == code, shown
        return result

    return call


@pytest.fixture
def valid_json() -> Callable[[Result, str], Any]:
    """Parses stdout and checks it against `schemas/<name>.schema.json`."""

    def check(result: Result, name: str) -> Any:
        value = json.loads(result.stdout)
        schemas.check(name, value)
        return value

    return check
