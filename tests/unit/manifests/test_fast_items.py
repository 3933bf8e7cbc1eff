"""What the fast engine takes itself, item by item, and what it leaves to the reference reader."""

from __future__ import annotations

import json
import re

import pytest
from fuzz.printed import like_kubectl
from manifest_builders import endpoint_slice, messages, read, service

from balancer.manifests import Limits
from balancer.manifests.document import Document
from balancer.manifests.fast import fast_documents
from balancer.manifests.fast_document import FastDocument, Items
from balancer.manifests.fast_forms import as_json
from balancer.manifests.source import SourceText


def documents(text: str, name: str = "a.yaml") -> list[Document]:
    return list(fast_documents(SourceText(name, text), Limits()))


def listed(count: int = 4) -> dict[str, object]:
    items = [service(f"s{n}", clusterIP=f"10.0.0.{n + 1}") for n in range(count)]
    return {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: x\nc: true\nd: null\ne:\nf: {}\ng: []\n",
        "a:\n- b\n- c: d\n  e:\n    f: g\nh: i\n",
        "a:\n  - b\n  - c: d\n",
        "a: |\n  x\n   y: z\n\n  - w\nb: |-\n  v\n\n",
        "a: 'it''s: \"x\"\n\n  y'\nb: \"x\\n\\u00e9\"\n",
        "f:spec:\n  .: {}\n  k:{\"port\":80}:\n    a: b\n",
        "ip: 10.0.0.1\nsix: fd00::1\nday: 2026-01-01T00:00:00Z\nid: 0e1b-4\n",
    ],
)  # fmt: skip
def test_plain_block_yaml_is_taken(text: str) -> None:
    found = as_json(text)
    (expected,) = documents(f"# comment\n{text}# comment\n")
    assert found
    assert json.loads(found[0]) == expected.data


@pytest.mark.parametrize(
    "text",
    [
        "a: yes\n", "a: 010\n", "a: 0x1F\n", "a: 1.5\n", "a: 1e3\n", "a: ~\n", "a: 1_0\n", "a: +1\n", "a: .5\n", "a: 0b1\n", "a: Null\n",
        "a: &x b\n", "a: *x\n", "a: !!str b\n", "<<: b\n", "a: [b]\n", "a: {b: c}\n", "a: b # c\n", "# c\na: b\n", "a: b: c\n", "a: >\n  b\n",
        "a: |+\n  b\n", "a: |2\n  b\n", "a: 'b\n", 'a: "\\q"\n', 'a: "\\ud83d"\n', "a: b\n  c\n", "a:\tb\n", "a: b\r\n", "a: b \n", "a: b\n\nc: d\n",
        "a: 1\na: 2\n", "y: 1\n", "80: 1\n", "null: 1\n", "? a\n", "a: 1\n- b\n", "a:\n    b: 1\n  c: 2\n", "a: b\n  c: d\n", "- a\nb: c\n", "  a: 1\nb: 2\n",
        "  - a\n- b\n", "a: \u2028\n", "a: \x07\n", "-\n", "- - a\n", "-   a: b\n", "a: |\nb: c\n", "a:\n  b: |\n  c\n", "", "a\n",
    ],
)  # fmt: skip
def test_what_is_odd_or_wrong_is_left_alone(text: str) -> None:
    assert as_json(text) is None


@pytest.mark.parametrize("line", ["    clusterIP: &a 10.0.0.9", "    x: [*a]", "...", "  bad", "    a: 'b"])
def test_an_item_that_could_reach_others_is_read_with_them(line: str) -> None:
    text = like_kubectl(listed()).replace('    clusterIP: "10.0.0.2"', line)
    assert not any(isinstance(one, FastDocument) for one in documents(text))


@pytest.mark.parametrize(
    "line",
    ["    # 2", "    clusterIP: 10.0.0.2 # 2", "    externalIPs: [10.9.9.9]", "    x: yes", "    a: !!str b"],
)
def test_an_odd_item_is_read_alone(line: str) -> None:
    text = like_kubectl(listed()).replace('    clusterIP: "10.0.0.2"', line)
    assert line in text
    (document,) = documents(text)
    assert isinstance(document, FastDocument)
    assert list(document.read) == [1]


def test_a_key_given_twice_in_json_is_found_in_its_item_alone() -> None:
    text = json.dumps(listed(), indent=4).replace(
        '"clusterIP": "10.0.0.2"', '"clusterIP": "", "clusterIP": "\\u003a"'
    )
    (document,) = documents(text, "a.json")
    assert isinstance(document, FastDocument)
    assert list(document.read) == [1]
    assert messages(read(text, "a.json")) == [
        '31:34 $.spec.clusterIP "clusterIP" is given twice, first on line 31: expected every key once'
    ]


def test_a_fault_of_an_accepted_item_has_its_place_and_the_others_stay() -> None:
    file = read(like_kubectl(listed()).replace("port: 80", "port: 80000", 1))
    assert messages(file) == [
        "9:13 $.spec.ports[0].port 80000 is out of range: expected a port number from 1 to 65535"
    ]
    assert [(one.meta.name, one.meta.origin.line, one.meta.origin.column) for one in file.objects] == [
        ("s1", 11, 3), ("s2", 19, 3), ("s3", 27, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("layout", [{"indent": 4}, {"indent": 1}, {}, {"separators": (",", ":")}])
def test_items_of_json_lists_have_their_places(layout: dict[str, object]) -> None:
    text = json.dumps(listed(), **layout)
    (document,) = documents(text, "a.json")
    assert isinstance(document, FastDocument)
    assert all(text.startswith("{", at) and '"s' in text[at : at + 150] for at in document.starts)
    assert len(document.starts) == 4


def test_a_document_with_many_endpoints_is_one_form() -> None:
    endpoints = [{"addresses": [f"10.1.0.{n}"], "conditions": {"ready": n % 2 == 0}} for n in range(100)]
    found = as_json(like_kubectl(endpoint_slice(*endpoints)))
    assert found
    assert json.loads(found[0])["endpoints"] == endpoints


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_items_of_a_list_are_made_one_after_the_other(name: str) -> None:
    """Else all of a large cluster would be in memory at once, three times over."""
    text = like_kubectl(listed()) if name == "a.yaml" else json.dumps(listed())
    (document,) = documents(text, name)
    items = document.data["items"]
    assert isinstance(items, Items)
    assert items == listed()["items"] == list(items)
    assert items[1] is not items[1]
    assert [one.meta.name for one in read(text, name).objects] == ["s0", "s1", "s2", "s3"]


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("word", ["List", "ServiceList", "L\\u0069st"])
def test_a_list_in_a_list_is_taken_apart(name: str, word: str) -> None:
    tree = {**listed(1), "items": [{**listed(2), "kind": "WORD"}, service("s2")]}
    text = like_kubectl(tree) if name == "a.yaml" else json.dumps(tree)
    text = re.sub('"?WORD"?', lambda match: f'"{word}"', text)
    assert [(one.meta.name, one.meta.origin.item) for one in read(text, name).objects] == [
        ("s0", 0), ("s1", 1), ("s2", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_items_of_what_is_no_list_are_plain_data(name: str) -> None:
    tree = {**service("s0"), "items": [service("s1")]}
    text = like_kubectl(tree) if name == "a.yaml" else json.dumps(tree)
    (document,) = documents(text, name)
    assert document.data == tree
    assert type(document.data["items"]) is list
    assert [one.meta.name for one in read(text, name).objects] == ["s0"]


@pytest.mark.parametrize("length", [4096, 4097])
@pytest.mark.parametrize("layout", [{"indent": 4}, {}])
def test_a_key_of_json_has_a_length(length: int, layout: dict[str, object]) -> None:
    text = json.dumps({**service("s0"), "k" * length: 1, "x": "y" * 9000}, **layout)
    (document,) = documents(text, "a.json")
    assert isinstance(document, FastDocument) == (length <= 4096)


@pytest.mark.parametrize(
    "text", ["00", "\t000{}", "-01", "1true", "{} 01", "0.5.5", '""0', "nullnull", "[]01"]
)
def test_json_values_that_run_into_each_other_are_for_the_reference(text: str) -> None:
    assert not any(isinstance(one, FastDocument) for one in documents(text, "a.json"))


def test_json_values_beside_each_other_are_documents() -> None:
    found = documents('{}[] 0 "a"\n1', "a.json")
    assert all(isinstance(one, FastDocument) for one in found)
    assert [one.data for one in found] == [{}, [], 0, "a", 1]
