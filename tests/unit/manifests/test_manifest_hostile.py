"""Faults that hostile files showed: each was accepted once, or took too long."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from manifest_builders import Data, endpoint_slice, messages, read, read_data, service, write

from balancer.errors import PathUnreadable
from balancer.manifests import Limits, scan

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n"


def test_the_mapped_form_of_no_address_is_no_address() -> None:
    """Kubernetes: ::ffff:0.0.0.0 is read as 0.0.0.0, which is no endpoint's address."""
    assert read_data(endpoint_slice({"addresses": ["::ffff:0.0.0.0"]})).objects == ()
    assert read_data(service(externalIPs=["::ffff:0.0.0.0"])).objects == ()


def test_an_alias_to_a_faulty_value_is_a_fault_where_it_stands() -> None:
    file = read(
        "kind: List\napiVersion: v1\nitems:\n- &a {apiVersion: v1, kind: Namespace, metadata: {name: a, name: b}}\n- *a\n"
    )
    assert file.objects == ()
    assert [one.message.partition(":")[0] for one in file.problems] == [
        '"name" is given twice, first on line 4',
        'the alias "*a" stands for a value with a fault',
    ]


@pytest.mark.parametrize(
    "head", ["kind: !Ref List", "kind: List\nitems: []", "kind: List\nmetadata: {a: 1, a: 2}"]
)
def test_a_list_with_a_fault_of_its_own_has_no_objects(head: str) -> None:
    items = "items:\n- " + NAMESPACE.format("a").replace("\n", "\n  ")
    file = read(f"apiVersion: v1\n{head}\n{items}")
    assert file.objects == ()
    assert file.problems[0].is_error


def test_half_a_character_is_refused_in_yaml() -> None:
    """YAML: an escape stands for a character, and half of a surrogate pair is none."""
    whole, half = NAMESPACE.format("a\n  uid: {}"), '"\\ud83d"'
    assert read(whole.format(half)).objects == ()
    assert read(whole.format('"\\ud83d\\ude00"')).objects[0].meta.uid == "\U0001f600"


@pytest.mark.parametrize(("name", "number"), [("a.yaml", ".inf"), ("a.yaml", ".nan"), ("a.json", "1e999")])
def test_a_number_that_json_has_not_is_a_fault(name: str, number: str) -> None:
    text = '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {"a": %s}}'
    assert read(text % number, name).objects == ()
    assert len(read(text % "1e9", name).objects) == 1


@pytest.mark.parametrize("key", ["apiVersion", "kind"])
@pytest.mark.parametrize("value", ["Service ", "a b", "x" * 400, "\u212aind", "v1\n", "/", "a/b/c"])
def test_text_that_no_kind_or_version_can_be_is_not_just_passed_over(key: str, value: str) -> None:
    file = read_data({**service(), key: value})
    assert [(one.path, one.is_error) for one in file.problems] == [(f"$.{key}", True)]
    assert file.ignored == {}


def test_documents_are_cut_at_old_line_ends_too() -> None:
    broken = "---\n".join([NAMESPACE.format("a"), "[\n", NAMESPACE.format("c")]).replace("\n", "\r")
    assert [one.meta.name for one in read(broken).objects] == ["a", "c"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_values=20), "2:1 $ the document is too large: expected at most 20 keys and values"),
        (Limits(max_key_chars=9), "1:2 $ a key is too long: expected at most 9 characters"),
    ],
)
def test_limits_of_a_document(limits: Limits, message: str) -> None:
    data: Data = {"apiVersion": "v1", "kind": "List", "items": []}
    text = "{" + "\n".join(f'"{key}": {value!r},' for key, value in data.items()).replace("'", '"')
    assert read(text + '"a": [' + "0, " * 30 + "0]}", "a.json", limits).objects == ()
    assert any(
        message.partition("$ ")[2] in one
        for one in messages(read(text + '"a": [' + "0, " * 30 + "0]}", "a.json", limits))
    )


def test_a_document_full_of_faults_is_given_up() -> None:
    file = read("{" + "a: 1, " * 50 + "a: 1}", limits=Limits(max_problems=10))
    assert len(file.problems) == 11
    assert file.problems[-1].message == "at least 2 more problems of this file are not listed"


def test_what_a_file_makes_long_is_cut_in_its_problems() -> None:
    (problem,) = read_data({**service("n" * 10_000), "kind": "Service"}).problems
    assert len(problem.object) < 600
    assert len(problem.message) <= 600


def test_a_directory_that_vanishes_during_the_walk_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.yaml": "", "gone/b.yaml": ""})
    listing = os.scandir

    def vanish(path: Path) -> object:
        if path.name == "gone":
            raise FileNotFoundError(2, "No such file or directory")
        return listing(path)

    monkeypatch.setattr(os, "scandir", vanish)
    found = scan([tmp_path])
    assert (found.files, found.problems) == ((tmp_path / "a.yaml",), ())


def test_a_given_directory_that_vanishes_is_unreadable_and_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(path: Path) -> object:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "scandir", vanish)
    with pytest.raises(PathUnreadable, match="No such file"):
        scan([tmp_path])


def test_an_entry_that_cannot_be_looked_at_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"b.yaml": ""})

    class Refused:
        name = "a.yaml"

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            raise PermissionError(13, f"Permission denied ({follow_symlinks=})")

    listing = os.scandir(tmp_path)
    monkeypatch.setattr(os, "scandir", lambda _: nullcontext([Refused(), *listing]))
    (problem,) = scan([tmp_path]).problems
    assert (problem.is_error, problem.message) == (
        True,
        "cannot be read: Permission denied (follow_symlinks=False)",
    )
