"""JSON paths as text."""

from __future__ import annotations

import pytest

from balancer.manifests.paths import JsonPath, format_path, parse_path

CASES = [
    ((), "$"),
    (("spec", "ports", 0, "port"), "$.spec.ports[0].port"),
    (("metadata", "labels", "kubernetes.io/service-name"), "$.metadata.labels['kubernetes.io/service-name']"),
    (("it's\\", 3), "$['it\\'s\\\\'][3]"),
]


@pytest.mark.parametrize(("path", "text"), CASES)
def test_path_to_text_and_back(path: JsonPath, text: str) -> None:
    assert format_path(path) == text
    assert parse_path(text) == path


def test_text_that_is_no_path_is_read_as_far_as_it_is_one() -> None:
    assert parse_path("$.spec..") == ("spec",)
