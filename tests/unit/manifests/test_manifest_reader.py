"""Files to objects: kinds, lists, positions, and faults that stay where they are."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from manifest_builders import messages, read, read_data, service, thing, write

from balancer.manifests import Limits, read_file

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n"


def test_sha256_is_of_the_bytes(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": NAMESPACE.format("a")})
    file = read_file(tmp_path / "a.yaml")
    assert file.path == str(tmp_path / "a.yaml")
    assert file.sha256 == hashlib.sha256((tmp_path / "a.yaml").read_bytes()).hexdigest()


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n", "---\n---\n", "null\n"])
def test_empty_files_hold_no_objects(content: str) -> None:
    file = read(content)
    assert (file.objects, file.problems) == ((), ())


@pytest.mark.parametrize("prefix", ["", "\ufeff", "---\n", "# head\n\n---\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_start_of_a_document_is_its_first_key(prefix: str, end: str) -> None:
    (one,) = read((prefix + NAMESPACE.format("a")).replace("\n", end)).objects
    assert (one.meta.origin.line, one.meta.origin.column) == (prefix.count("\n") + 1, 1)


def test_documents_and_items_are_numbered() -> None:
    text = (
        NAMESPACE.format("a")
        + "---\n"
        + json.dumps({"apiVersion": "v1", "kind": "List", "items": [service(), service("b")]})
    )
    origins = [one.meta.origin for one in read(text).objects]
    assert [(one.document, one.item, one.line) for one in origins] == [(0, -1, 1), (1, 0, 6), (1, 1, 6)]


def test_typed_list_gives_kind_and_version_to_its_items() -> None:
    """Kubernetes: the items of a ServiceList leave out apiVersion and kind."""
    item = {key: value for key, value in service().items() if key in ("metadata", "spec")}
    file = read_data({"apiVersion": "v1", "kind": "ServiceList", "items": [item]})
    assert messages(file) == []
    assert str(file.objects[0].meta) == "Service default/web"


def test_lists_in_lists_are_one_list() -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [service("b")]}
    file = read_data({"apiVersion": "v1", "kind": "List", "items": [service("a"), inner, service("c")]})
    assert [(one.meta.name, one.meta.origin.item) for one in file.objects] == [("a", 0), ("b", 1), ("c", 2)]


@pytest.mark.parametrize("items", [None, []])
def test_empty_list(items: list[object] | None) -> None:
    file = read_data({"apiVersion": "v1", "kind": "List", "items": items})
    assert (file.objects, file.problems) == ((), ())


def test_items_that_are_no_list() -> None:
    file = read_data({"apiVersion": "v1", "kind": "List", "items": {"a": 1}})
    assert [one.path for one in file.problems] == ["$.items"]


def test_other_kinds_are_counted() -> None:
    policy = thing("LocalRedirectPolicy", "p", api="policies.example.com/v1")
    knative = thing("Service", "web", api="serving.knative.dev/v1")
    file = read_data(thing("ConfigMap", "a"), thing("ConfigMap", "b"), policy, knative)
    assert file.ignored == {
        "ConfigMap": 2,
        "LocalRedirectPolicy.policies.example.com": 1,
        "Service.serving.knative.dev": 1,
    }
    assert (file.objects, file.problems) == ((), ())


@pytest.mark.parametrize(
    ("kind", "version"),
    [("EndpointSlice", "discovery.k8s.io/v1beta1"), ("BalancingPolicy", "balancing.elf.io/v1beta")],
)
def test_a_kind_that_is_read_in_a_version_that_is_not_is_an_error(kind: str, version: str) -> None:
    file = read_data(thing(kind, "a", api=version))
    assert file.problems[0].path == "$.apiVersion"
    assert file.ignored == {}


def test_fault_in_one_item_leaves_the_others() -> None:
    text = "kind: List\napiVersion: v1\nitems:\n" + "".join(
        "- " + NAMESPACE.format(name).replace("\n", "\n  ").rstrip(" ") for name in ("a", "b\n  name: c", "d")
    )
    file = read(text)
    assert [one.meta.name for one in file.objects] == ["a", "d"]
    assert messages(file) == [
        '12:5 $.metadata.name "name" is given twice, first on line 11: expected every key once'
    ]
    assert file.problems[0].object == "Namespace b"


def test_broken_document_leaves_the_others() -> None:
    file = read("---\n".join([NAMESPACE.format("a"), NAMESPACE.format("[b"), NAMESPACE.format("c")]))
    assert [one.meta.name for one in file.objects] == ["a", "c"]
    assert [(one.origin.line, one.object) for one in file.problems] == [(9, "Namespace")]


def test_foreign_tags_in_ignored_kinds_are_warnings() -> None:
    file = read("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: !Ref x\n")
    assert [str(one.severity) for one in file.problems] == ["warning"]
    assert file.ignored == {"ConfigMap": 1}


def test_faulty_value_is_reported_once() -> None:
    file = read(NAMESPACE.format("!Ref x"))
    assert [one.message for one in file.problems] == ["the tag !Ref is not supported: expected a plain value"]


def test_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    file = read_file(tmp_path / "gone.yaml")
    assert file.sha256 == ""
    assert file.problems[0].message == "the file cannot be read: No such file or directory"


def test_fifo_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert read_file(tmp_path / "a.yaml").problems[0].message == "the file cannot be read: not a regular file"


def test_large_file_is_refused_without_being_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": NAMESPACE.format("a")})
    (problem,) = read_file(tmp_path / "a.yaml", limits=Limits(max_file_bytes=10)).problems
    assert problem.message == "the file is too large: expected at most 10 bytes"


def test_number_of_problems_is_bounded_and_says_so() -> None:
    file = read("---\n".join(["a: 1\n"] * 10), limits=Limits(max_problems=4))
    assert len(file.problems) == 5
    assert file.problems[-1].message == "at least 16 more problems of this file are not listed"


def test_excerpt_is_the_line_of_the_problem() -> None:
    (problem,) = read(NAMESPACE.format("A\tb  # why")).problems
    assert problem.excerpt == "  name: A\tb  # why"
