"""Texts to documents: data, places, and the limits on hostile YAML."""

from __future__ import annotations

import re

import pytest

from balancer.manifests.document import Document
from balancer.manifests.engine import reference_documents
from balancer.manifests.limits import Limits
from balancer.manifests.paths import JsonPath
from balancer.manifests.source import SourceText


def documents(text: str, name: str = "a.yaml", limits: Limits | None = None) -> list[Document]:
    return list(reference_documents(SourceText(name, text), limits or Limits()))


def fault(text: str, name: str = "a.yaml", limits: Limits | None = None) -> str:
    (document,) = documents(text, name, limits)
    assert not document.complete
    return document.findings[-1].message


def test_documents_are_separated_and_empty_ones_counted() -> None:
    found = documents("a: 1\n---\n# nothing\n---\n- 2\n...\n---\nthree\n")
    assert [document.data for document in found] == [{"a": 1}, None, [2], "three"]


def test_directive_stays_with_its_document() -> None:
    (document,) = documents("# head\n%YAML 1.1\n---\na: 1\n")
    assert document.data == {"a": 1}


@pytest.mark.parametrize("text", ["a: |\n  ---\n  b\n", 'a: "x\n  --- y"\n', "a: ---x\n"])
def test_dashes_inside_a_value_separate_nothing(text: str) -> None:
    (document,) = documents(text)
    assert document.complete


def test_a_broken_document_does_not_hide_the_next() -> None:
    found = documents("a: [\n---\nb: 1\n---\nc: d: e\n---\nf: 2\n")
    assert [document.complete for document in found] == [False, True, False, True]
    assert found[3].data == {"f": 2}


TEXT = "spec:\n  ports:\n  - name: http\n    port: 80\n  empty:\n"


@pytest.mark.parametrize(
    ("path", "points_at"),
    [
        (("spec", "ports", 0, "port"), "80"),
        (("spec", "ports"), "ports"),
        (("spec", "ports", 0), "name: http"),
        (("spec", "ports", 0, "missing"), "name: http"),
        (("spec", "missing"), "spec"),
        (("spec", "empty"), "empty"),
        ((), "spec"),
    ],
)
def test_path_leads_to_its_text(path: JsonPath, points_at: str) -> None:
    (document,) = documents(TEXT)
    assert TEXT[document.offset(path) :].startswith(points_at)


def test_key_of_a_path_on_request() -> None:
    (document,) = documents(TEXT)
    assert TEXT[document.offset(("spec", "ports", 0, "port"), on_key=True) :].startswith("port")


def test_aliases_and_merge_keys_expand() -> None:
    (document,) = documents("a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  k: 3\nd:\n  <<: [{m: 1}, {m: 2}]\n")
    assert document.data["b"] == {"k": 1, "l": 2}
    assert document.data["c"] == {"k": 3, "l": 2}
    assert document.data["d"] == {"m": 1}


def test_duplicate_key_is_found_and_the_first_value_kept() -> None:
    (document,) = documents("a: 1\na: 2\n")
    assert document.data == {"a": 1}
    assert [one.message for one in document.findings] == [
        '"a" is given twice, first on line 1: expected every key once'
    ]


def test_keys_that_are_no_strings_become_strings_as_in_kubectl() -> None:
    (document,) = documents("8080: a\non: b\n")
    assert document.data == {"8080": "a", "true": "b"}


def test_alias_expansion_is_bounded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert fault("\n".join(lines)).startswith("aliases expand too far")


def test_depth_is_bounded_through_aliases_too() -> None:
    limits = Limits(max_depth=4)
    assert documents("[[[[]]]]", limits=limits)[0].complete
    assert fault("[[[[[]]]]]", limits=limits).startswith("is nested too deeply")
    assert fault("[&a [[[]]], [*a, [*a]]]", limits=limits).startswith("is nested too deeply")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000])
def test_endless_nesting_ends_soon(text: str) -> None:
    assert fault(text).startswith("is nested too deeply")


def test_number_of_documents_is_bounded() -> None:
    found = documents("---\na: 1\n" * 5, limits=Limits(max_documents=3))
    assert len(found) == 4
    assert found[3].findings[0].message == "has too many documents: expected at most 3 in one file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("? [a]\n: b\n", "a mapping or list cannot be a key"),
        ("{~: 1}", "a key is missing"),
        ("a: &a [*a]\n", 'the alias "\\*a" contains itself'),
        ("a: *b\n", 'the alias "\\*b" has no anchor'),
        ("<<: 1\n", '"<<" has nothing to merge'),
        ('a: "\\U99999999"\n', "not valid YAML"),
        ("a: \x07\n", "the character U\\+0007 is not allowed"),
    ],
)
def test_yaml_fault(text: str, message: str) -> None:
    (document,) = documents(text)
    assert re.match(message, document.findings[-1].message)


def test_json_values_in_a_row_are_documents() -> None:
    found = documents('{"a": [1, 2.5, -3e2, true, null, "x\\u00e9\\ud83d\\ude00"]}\n[]\t{}', "a.json")
    assert [one.data for one in found] == [{"a": [1, 2.5, -300.0, True, None, "xé😀"]}, [], {}]


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert documents('["\\ud83d"]', "a.json")[0].data == ["\ufffd"]


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ('{"a": 1,}', 8, "'}' cannot stand here: expected a key in double quotes"),
        ("[1 2]", 3, '\'2\' cannot stand here: expected "," or "]"'),
        ('{"a" 1}', 5, "'1' cannot stand here: expected \":\""),
        ('["a', 1, 'this string has no end: expected a value or "]"'),
        ("[01]", 1, "'0' cannot stand here: expected a value or \"]\""),
        ("[1]]", 3, "']' cannot stand here: expected a value"),
        ("[NaN]", 1, "'N' cannot stand here: expected a value or \"]\""),
        ("{'a': 1}", 1, '"\'" cannot stand here: expected a key in double quotes or "}"'),
        ('["\\x"]', 2, "a backslash cannot stand here: expected an escape such as \\n"),
        ("[", 1, 'the text ends here: expected a value or "]"'),
    ],
)
def test_json_is_read_strictly(text: str, at: int, message: str) -> None:
    """RFC 8259: no trailing commas, comments, single quotes or other words."""
    finding = documents(text, "a.json")[-1].findings[-1]
    assert (finding.at, finding.message) == (at, f"not valid JSON: {message}")


def test_tabs_may_indent_json() -> None:
    assert documents('{\n\t"a":\t1\n}', "a.json")[0].data == {"a": 1}
