"""Runs commands in this process against the fake of `fakes`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

import balancer.cli
from cli.fakes import FakeFacade

SCHEMAS = Path(balancer.cli.__file__).parents[2] / "schemas"
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


def registry() -> Registry[Any]:
    """Every schema under its own $id, as they refer to each other."""
    found = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")]
    return Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in found)


@pytest.fixture
def valid_json() -> Callable[[Result, str], Any]:
    """Parses stdout and checks it against `schemas/<name>.schema.json`."""

    def check(result: Result, name: str) -> Any:
        value = json.loads(result.stdout)
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(
            schema, registry=registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        validator.validate(value)
        return value

    return check
