"""Plain scalars mean what they mean to kubectl."""

from __future__ import annotations

import math

import pytest

from balancer.manifests.scalars import TagFault, plain, tagged


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("yes", True),
        ("On", True),
        ("NO", False),
        ("80", 80),
        ("-1", -1),
        ("0x50", 80),
        ("0b11", 3),
        ("0777", 511),
        ("0o17", 15),
        ("08", 8.0),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("10.0.0.1", "10.0.0.1"),
        ("2026-01-31", "2026-01-31"),
        ("12:30", "12:30"),
        ("nope", "nope"),
        ("-", "-"),
        ("9" * 30, 1e30),
    ],
)
def test_plain_scalar(text: str, value: object) -> None:
    """kubectl: manifests are YAML 1.1, with dates as strings."""
    result = plain(text)
    assert result == value
    assert type(result) is type(value)


def test_numbers_too_large_for_a_float_are_text() -> None:
    """Go: ParseFloat fails out of range, and go-yaml then takes the scalar for a string."""
    assert plain("9" * 10_000) == "9" * 10_000
    assert plain("1e999") == "1e999"
    assert plain("0x" + "f" * 10_000) == "0x" + "f" * 10_000


@pytest.mark.parametrize(
    ("tag", "text", "value"), [("str", "80", "80"), ("int", "80", 80), ("float", "1", 1)]
)
def test_tags_of_yaml_itself(tag: str, text: str, value: object) -> None:
    assert tagged(f"tag:yaml.org,2002:{tag}", text) == value


@pytest.mark.parametrize(
    ("tag", "text"),
    [("!Ref", "x"), ("tag:yaml.org,2002:python/object:os.system", "x"), ("tag:yaml.org,2002:int", "on")],
)
def test_any_other_tag_is_a_fault(tag: str, text: str) -> None:
    with pytest.raises(TagFault):
        tagged(tag, text)
