"""Single files made to exhaust a reader: each is refused with a problem, in little memory and time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from fuzz.limited import read

SOUND = b'{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sound"}}'


def attack(directory: Path, files: Mapping[str, str | bytes]) -> Mapping[str, tuple[str, ...]]:
    """The errors of hostile files; every one has some, and a sound file beside them does not suffer."""
    for name, content in files.items():
        (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (directory / "sound.json").write_bytes(SOUND)
    reading = read(directory)
    assert reading.kept == 1
    assert sorted(reading.errors) == sorted(files)
    assert max(len(message) for messages in reading.errors.values() for message in messages) < 700
    return reading.errors


def laughs(levels: int, width: int) -> str:
    lines = [f"a0: &a0 [{', '.join(['lol'] * width)}]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels)]
    return "\n".join(lines)


def merged_laughs(levels: int) -> str:
    lines = ["a0: &a0 {" + ", ".join(f"k{key}: v" for key in range(10)) + "}"]
    for level in range(1, levels):
        values = ", ".join(f"m{level}x{key}: *a{level - 1}" for key in range(10))
        lines.append(f"a{level}: &a{level} {{<<: *a{level - 1}, {values}}}")
    return "\n".join(lines)


def test_a_billion_laughs(tmp_path: Path) -> None:
    files = {"ten.yaml": laughs(9, 10), "two.yaml": laughs(40, 2), "merged.yaml": merged_laughs(9)}
    for messages in attack(tmp_path, files).values():
        assert any(message.startswith("aliases expand too far") for message in messages)


def test_a_file_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.json"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 1 << 30)
    reading = read(tmp_path, memory=200 << 20)
    message = "the file is too large: expected at most 134217728 bytes"
    assert reading.errors == {"a.yaml": (message,), "b.json": (message,)}


def test_endless_nesting(tmp_path: Path) -> None:
    openings = ("[", "{a: ", '{"a":', "- ", "? ", "[{a: ", "!!seq [", "&a [", "[\n", "{[", "- - ? ")
    texts = {f"{index}.yaml": opening * 100_000 for index, opening in enumerate(openings)}
    texts |= {f"{index}.json": opening * 100_000 for index, opening in enumerate(openings)}
    errors = attack(tmp_path, texts)
    for name in ("0.yaml", "0.json", "2.json", "3.yaml"):
        assert errors[name][-1] == "is nested too deeply: expected at most 64 levels"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    contents = (
        b"\xff\xfe\x00\x00",
        b"a: \xc3\x28",
        b"a: \xed\xa0\x80",
        b"a: \xf4\x90\x80\x80",
        b"a: \xc0\xaf",
        b"\x80" * 500_000,
        b"a: \0",
        b"\0" * 500_000,
    )
    errors = attack(tmp_path, {f"{index}.yaml": content for index, content in enumerate(contents)})
    assert all("UTF-8" in message or "NUL" in message for (message,) in errors.values())


def test_json_that_is_all_of_one_thing(tmp_path: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}
    texts = {
        "lists.json": "[" + ",".join(["[]"] * 100_000) + "]",
        "keys.json": "{" + ",".join(f'"{n}":0' for n in range(100_000)) + "}",
        "digits.json": '{"a":' + "9" * 1_000_000 + "}",
        "backslashes.json": '"' + "\\\\" * 1_000_000,
        "one-key.json": "{" + '"a":0,' * 200_000 + '"b":0}',
        "ports.json": json.dumps({**service, "spec": {"ports": ["x"] * 30_000}}),
        "long-kind.json": json.dumps({**service, "kind": "S" * 1_000_000}),
        "long-name.json": json.dumps({**service, "metadata": {"name": "n" * 1_000_000}}),
        "long-key.json": json.dumps({"k" * 1_000_000: [service]}),
        "faults.json": '{"kind": "List", "apiVersion": "v1", "items": ['
        + ",".join(['{"a":1,"a":2}'] * 15_000)
        + "]}",
    }
    attack(tmp_path, texts)


def test_yaml_that_is_all_of_one_thing(tmp_path: Path) -> None:
    texts = (
        "a: " + "x " * 200_000,
        "a: 'x" + "\n  y" * 50_000,
        "---\na: 1\n" * 2_000,
        "---\n[[[[[[[[[[\n" * 1_000,
        "%YAML 1.1\n" * 20_000 + "---\na: 1\n",
        "# x\n" * 100_000 + "a: 1\n",
        "a: " + "!" * 100_000,
        "&" + "a" * 100_000 + " x: *" + "b" * 100_000,
        "a: &a [" + ", ".join(["x"] * 1_000) + "]\nb: [" + ", ".join(["*a"] * 10_000) + "]",
        "a: 1\n" + "<<: {b: 1}\n" * 2_000,
        "[" * 60 + ("," + "a: " * 10) * 2_000,
    )
    attack(tmp_path, {f"{index}.yaml": text for index, text in enumerate(texts)})
