"""Lists and single objects as programs print them, and with a few lines changed as hands change them."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Callable
from typing import Any

import yaml
from ruamel.yaml import YAML

from balancer.manifests import Limits
from fuzz import trees
from fuzz.corpus import objects

_ODD_VALUES = (
    "yes", "No", "on", "~", "", "null", "Null", "NULL", "010", "0x1F", "1_000", "+5", "-0", "-5", "0", "5.", ".5", "1e3", "0b11", "0o7",
    ".inf", "12345678901234567890", "99999999999999999999999", "2026-01-01", "12:30", "1:2:3", "a: b", "a:b", "a :b", "a #b", "a#b", "#b",
    "'it''s'", "'a' b", "'a", '"a\\tb"', '"\\u00e9"', '"\\ud83d"', '"\\q"', '"a', "&x 1", "*x", "!!str 1", "!t a", "[1, 2]", "{a: b}", "{}",
    "[]", "|", ">", "|-", "|+\n      x\n", "|2\n      x", ">-\n      x\n      y", "|\n      x\n\n       y\n", "|\n  x", "a\n      b", "@a", "`a", "%a",
    "- a", "? a", "a ", " a", "\ta", "a\tb", "\u00e9t\u00e9", "\u2028", "\x85", "\x07", "\ufeff", "\U0001f600", "a\\b", 'a"b', "a'b", "<<", "=", "...", "---",
    "0.5", "y", "n", "true", "True", "10.0.0.1", "1.2.3.4/8", "fd00::1", "::1", "::", "a::b", "a:", ":a", "0e1", "1e", "0_1", "_1", "0b5f-1", "'a\n\n       b'",
    '"a\n       b"', "'\n  a'", "a  b", "a b: c", "\"'\"", "'\"'", "'\\'", '"\\""', "a%sb", "100%", "%d", "$(x)", "(x)", "\\", "",
)  # fmt: skip
_ODD_KEYS = (
    "y", "on", "80", "010", "null", "~", "<<", "'a'", '"b"', "? a", "a b", "f:spec", ".", 'k:{"port":80,"protocol":"TCP"}', "a:b", "-", "-a", "1.5",
    "x" * 5000, "x" * 1000, "x" * 1030, "%s", "&a b", "!t a", "name", "kind", "items", "a ", "\u00e9", "[a]", "{a}", "#a", "true",
)  # fmt: skip
_ODD_LINES = (
    "", "# comment", "  # comment", "---", "...", "%YAML 1.1", "- a", "  - a", "-", "  -", "- - a", "a: 1", "  a: 1", "    a: 1", "      a: 1", "items:",
    "items: []", "kind: List", "\t", "   ", "a", "  a", "{}", "- {}", "- null", "- 80", "-  a: 1", "- a:", "'", '"', "    '", "- |", "- |\n  a", "x: |", "x: |\n  a",
    "<<: *a", "- &a b", "- *a", "metadata:", "- apiVersion: v1", "\r", "\x00", "- a: |+", "]", "}", ",",
)  # fmt: skip
Writer = Callable[[Any], str]
NamedWriter = tuple[str, Writer]


def file_of(seed: int) -> tuple[str, bytes, Limits]:
    """A name, a content, and limits that are sometimes close to it."""
    rng = random.Random(seed)
    name, write = rng.choice(WRITERS)
    documents = [write(_tree(rng)) for _ in range(rng.choice((1, 1, 1, 2, 4)))]
    text = rng.choice(("", "", "---\n", "# head\n")) if name == "a.yaml" else ""
    text += ("\n" if name == "a.json" else rng.choice(("---\n", "---\n", "\n---\n# next\n"))).join(documents)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        text = _change(rng, text, name)
    return name, text.encode("utf-8", "surrogatepass"), _limits(rng)


def _limits(rng: random.Random) -> Limits:
    if rng.random() < 0.8:
        return Limits()
    return Limits(
        max_depth=rng.choice((3, 5, 6, 7, 8, 9, 64)),
        max_values=rng.choice((20, 60, 100, 200, 4_000_000)),
        max_documents=rng.choice((1, 2, 200_000)),
        max_problems=rng.choice((1, 3, 10_000)),
        max_key_chars=rng.choice((20, 1024, 4096)),
        max_alias_values=rng.choice((5, 100_000)),
    )


def _tree(rng: random.Random) -> Any:
    if rng.random() < 0.25:
        return trees.plain(rng) if rng.random() < 0.7 else trees.mutated(rng)
    found = [trees.plain(rng) if rng.random() < 0.9 else trees.mutated(rng) for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.3:
        found += rng.choices(objects(), k=3)
    kind = rng.choice(("List", "List", "List", "ServiceList", "PodList"))
    tree = {"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": ""}, "items": found}
    if rng.random() < 0.8:
        tree = {key: tree[key] for key in sorted(tree)}
    return tree


def _change(rng: random.Random, text: str, name: str) -> str:
    if name == "a.json":
        return _change_json(rng, text)
    lines = text.split("\n")
    index = rng.randrange(len(lines))
    line = lines[index]
    match rng.randrange(8):
        case 0:
            lines.insert(index, rng.choice(_ODD_LINES))
        case 1:
            lines.insert(index, line)
        case 2:
            del lines[index]
        case 3:
            lines[index] = re.sub(
                r"(?<=[:-] ).*|(?<=[:-])$", lambda _: f" {rng.choice(_ODD_VALUES)}", line, count=1
            )
        case 4:
            lines[index] = re.sub(r"(?<=: ).*", lambda _: rng.choice(_ODD_VALUES), line, count=1)
        case 5:
            lines[index] = re.sub(r"[^ :-]+:", lambda _: f"{rng.choice(_ODD_KEYS)}:", line, count=1)
        case 6:
            lines[index] = rng.choice(
                (f" {line}", f"  {line}", line[1:], line[2:], f"{line} ", f"{line} # c", f"{line}\r")
            )
        case _:
            at = rng.randrange(len(line) + 1)
            lines[index] = line[:at] + rng.choice("'\"#:-[]{}|>&*!%@\t ,?\n\u00a0\\") + line[at:]
    changed = "\n".join(lines)
    return changed.rstrip("\n") if rng.random() < 0.1 else changed


def _change_json(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    match rng.randrange(5):
        case 0:
            return text[:at] + rng.choice('{}[],:"\\ \n0-.eE\x07') + text[at:]
        case 1:
            return text[:at] + text[at + rng.randint(1, 3) :]
        case 2:
            member = rng.choice(
                (
                    '"a":1,"a":2,',
                    '"a" :1,"a"\n:"\\u003a",',
                    '"kind":"Service",',
                    '"items":[],',
                    f'"{"x" * 5000}":0,',
                )
            )
            return re.sub(r"\{", lambda found: found[0] + member if rng.random() < 0.1 else found[0], text)
        case 3:
            value = rng.choice(
                (
                    "1e400",
                    "1e20",
                    "99999999999999999999",
                    "-0",
                    "NaN",
                    '"\\ud83d"',
                    '"\\ud83d\\ude00"',
                    "80.0",
                    "1" * 30,
                    "[" * 70 + "]" * 70,
                )
            )
            return re.sub(
                r": [^ ,{}\[\]]+", lambda found: f": {value}" if rng.random() < 0.05 else found[0], text
            )
        case _:
            return text.replace(", ", rng.choice((",", " , ", ",\n", ",\r\n")), rng.choice((1, -1)))


def _pyyaml(**options: Any) -> Writer:
    def write(tree: Any) -> str:
        return str(yaml.dump(tree, Dumper=yaml.SafeDumper, default_flow_style=False, **options))

    return write


def _ruamel(*, version: tuple[int, int] | None = None, offset: int = 0) -> Writer:
    def write(tree: Any) -> str:
        writer = YAML(typ="safe", pure=True)
        writer.default_flow_style = False
        writer.version = version
        writer.width = 1000
        if offset:
            writer.sequence_indent, writer.sequence_dash_offset = 2 + offset, offset
        stream = io.StringIO()
        writer.dump(tree, stream)
        return stream.getvalue()

    return write


def like_kubectl(tree: Any, indent: str = "", *, offset: str = "") -> str:
    """Block style, lists in the column of their key (or further in), texts of several lines as literals."""
    lines = []
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            lines.append(f"{indent}{_key(key)}:{_value(value, indent, offset)}")
    elif isinstance(tree, list) and tree:
        for item in tree:
            if isinstance(item, dict) and item:
                lines.append(
                    f"{indent}- {like_kubectl(item, indent + '  ', offset=offset)[len(indent) + 2 : -1]}"
                )
            else:
                lines.append(f"{indent}-{_value(item, indent, offset)}")
    else:
        return f"{indent}{json.dumps(tree, ensure_ascii=False)}\n"
    return "\n".join(lines) + "\n"


def _value(value: Any, indent: str, offset: str) -> str:
    if isinstance(value, dict | list) and value:
        inner = indent + (offset if isinstance(value, list) else "  ")
        return f"\n{like_kubectl(value, inner, offset=offset)}"[:-1]
    if (
        isinstance(value, str)
        and "\n" in value
        and re.fullmatch(r"[!-~][ -~\n]*(?<! )", value)
        and " \n" not in value
    ):
        lines = value.rstrip("\n").split("\n")
        body = "\n".join(f"{indent}  {line}" if line else "" for line in lines)
        return f" {'|' if value.endswith(chr(10)) else '|-'}\n{body}"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][-A-Za-z0-9_./]*(?: [a-z]+)*", value):
        return (
            f" {value}"
            if value.lower() not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
            else f' "{value}"'
        )
    return f" {json.dumps(value, ensure_ascii=False)}"


def _key(key: str) -> str:
    return (
        key
        if re.fullmatch(r"[A-Za-z][-A-Za-z0-9_./]+", key)
        and key.lower() not in ("yes", "no", "on", "off", "true", "false", "null")
        else json.dumps(key, ensure_ascii=False)
    )


WRITERS: tuple[NamedWriter, ...] = (
    ("a.yaml", like_kubectl),
    ("a.yaml", like_kubectl),
    ("a.yaml", lambda tree: like_kubectl(tree, offset="  ")),
    ("a.yaml", _pyyaml(width=1000)),
    ("a.yaml", _pyyaml()),
    ("a.yaml", _pyyaml(width=1000, allow_unicode=True, sort_keys=False)),
    ("a.yaml", _ruamel()),
    ("a.yaml", _ruamel(offset=2)),
    ("a.json", lambda tree: json.dumps(tree, indent=4)),
    ("a.json", lambda tree: json.dumps(tree, indent=4, ensure_ascii=False)),
    ("a.json", lambda tree: json.dumps(tree, indent=2)),
    ("a.json", json.dumps),
    ("a.json", lambda tree: json.dumps(tree, separators=(",", ":"))),
)
