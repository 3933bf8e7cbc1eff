"""The sample folders as tests see them: their objects, and what their README promises for each destination."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from ruamel.yaml import YAML

from harness.objects import Object

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
WITHOUT_A_PLAN = {"broken", "crds", "monitoring", "sync", "systemd"}
FOLDERS = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir() and path.name not in WITHOUT_A_PLAN)
PLANS = [
    (name, plan.stem) for name in FOLDERS for plan in sorted((SAMPLES / name / "expected").glob("*.plan"))
]
_NOT_AN_ENTRY = "-"
_ROW = re.compile(r"\| `(?P<destination>[^`]+/(?:TCP|UDP))` \| (?P<object>[^|]+) \| (?P<outcomes>.*) \|")
_HEAD = re.compile(r"\| destination \| (?:Service|object) \| (?P<nodes>.*) \|")
_TARGET = re.compile(r"`([^`]+)`")
_ERRNO = {"refused": "ECONNREFUSED", "unreachable": "EHOSTUNREACH"}
Target = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a README says of one destination for one host. `answers` are "address:port" of backends as the
    README writes them, or the one error's name. `fallback` likewise, empty when there is none.
    """

    destination: str
    address: str
    port: int
    protocol: str
    answers: frozenset[str]
    fallback: frozenset[str]
    sticky: bool

    @property
    def backends(self) -> tuple[Target, ...]:
        """Every backend and fallback backend."""
        return tuple(target(text) for text in sorted(self.answers | self.fallback) if ":" in text)


def target(text: str) -> Target:
    """The address and port of ``10.0.0.1:80`` or ``[fd00::1]:80``."""
    address, _, port = text.rpartition(":")
    return str(ip_address(address.strip("[]"))), int(port)


def readme_rows(folder: str, node: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Destination -> (object, outcome) of one node's column; rows without an entry are left out."""
    column = -1
    for line in (SAMPLES / folder / "README.md").read_text().splitlines():
        if head := _HEAD.fullmatch(line):
            column = head["nodes"].split(" | ").index(f"on {node}")
        elif row := _ROW.fullmatch(line):
            said = row["outcomes"].split(" | ")[column]
            if said != _NOT_AN_ENTRY:
                yield row["destination"], (row["object"], said)


def rows(folder: str, node: str) -> tuple[Row, ...]:
    """The rows of one node's column."""
    return tuple(_row(destination, said) for destination, (_, said) in readme_rows(folder, node))


def _row(destination: str, said: str) -> Row:
    where, _, protocol = destination.rpartition("/")
    address, port = target(where)
    answers, _, fallback = said.partition("; fallback ")
    return Row(
        destination=destination,
        address=address,
        port=port,
        protocol=protocol,
        answers=frozenset({_ERRNO[said]} if said in _ERRNO else _TARGET.findall(answers)),
        fallback=frozenset(_TARGET.findall(fallback)),
        sticky="(affinity " in answers,
    )


def objects(folder: str, kind: str) -> tuple[Object, ...]:
    """The sample's objects of one kind, as they stand in its files."""
    return tuple(item for item in _all_objects(folder) if item["kind"] == kind)


@cache
def _all_objects(folder: str) -> tuple[Object, ...]:
    reader = YAML(typ="safe")
    found: list[Object] = []
    for path in sorted((SAMPLES / folder / "manifests").glob("*.yaml")):
        for document in reader.load_all(path):
            found.extend(document["items"] if document["kind"] == "List" else [document])
    return tuple(found)
