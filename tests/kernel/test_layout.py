"""The layout on both sides: what the C compiler made of bpf/types.h against what Python packs."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from balancer.kernel import compiler
from balancer.kernel.layout import SHAPES
from balancer.kernel.pins import ALL_MAPS
from balancer.kernel.reasons import Reason
from balancer.kernel.ring import RawEvent
from balancer.kernel.source import source_dir
from balancer.model.service import Protocol
from balancer.plan import entries
from balancer.plan.entries import FrontendEntry, MapName

KEY = entries.frontend_key(ip_address("10.96.0.10"), 53, Protocol.UDP)
UNREADABLE = ("udp_sockets", "udp_rejected", "events")
"""BCC has no class for these kinds of maps."""
BACKEND = entries.backend_bytes(ip_address("fd00::5"), 8080)


@pytest.fixture(scope="module")
def compiled(kernel_ready: None) -> Iterator[Any]:
    """The compiled module."""
    module = compiler.compile_text()
    yield module
    module.cleanup()


def _words(address: Any) -> bytes:
    return bytes(address.words)


@pytest.mark.parametrize("name", [name for name in ALL_MAPS if name not in UNREADABLE])
def test_sizes(compiled: Any, name: str) -> None:
    """Every key and value has the size that the package writes and expects."""
    table = compiled[name.encode()]
    _, key_size, value_size = SHAPES[name]
    leaf = table.Leaf._type_ if issubclass(table.Leaf, ctypes.Array) else table.Leaf
    assert (ctypes.sizeof(table.Key), ctypes.sizeof(leaf)) == (key_size, value_size)


@pytest.mark.parametrize(
    "name", ["frontends", "slots", "members", "affinity", "peers", "addresses", "events"]
)
def test_no_hidden_padding(compiled: Any, name: str) -> None:
    """The compiler's types name every byte; BCC shows what it had to fill in as __pad fields."""
    for kind in (compiled[name.encode()].Key, compiled[name.encode()].Leaf):
        assert not [field for field, *_ in getattr(kind, "_fields_", ()) if field.startswith("__pad")]


def test_frontend_key(compiled: Any) -> None:
    key = compiled[b"frontends"].Key.from_buffer_copy(KEY)
    assert _words(key.address) == entries.address_bytes(ip_address("10.96.0.10"))
    assert (key.port.to_bytes(2, "little"), key.protocol) == ((53).to_bytes(2, "big"), 17)


def test_frontend(compiled: Any) -> None:
    """Each field of the value lands in the field of that name."""
    entry = FrontendEntry(1 << 40, 1 << 41, 2, 3, 4, 5, 6, 7, 8, 1, 9, 2)
    leaf = compiled[b"frontends"].Leaf.from_buffer_copy(entry.pack(KEY))
    assert leaf.check == entries.frontend_check(KEY)
    for field in FrontendEntry._fields:
        assert getattr(leaf, field) == getattr(entry, field), field


def test_backend_and_member(compiled: Any) -> None:
    slot = compiled[b"slots"].Leaf.from_buffer_copy(BACKEND)
    assert _words(slot.address) == ip_address("fd00::5").packed
    assert slot.port.to_bytes(2, "little") == (8080).to_bytes(2, "big")
    member = compiled[b"members"].Key.from_buffer_copy(entries.MEMBER.pack(1 << 50, BACKEND))
    assert (member.group, bytes(member.backend)) == (1 << 50, BACKEND)


def test_affinity(compiled: Any) -> None:
    record = compiled[b"affinity"].Leaf.from_buffer_copy(entries.AFFINITY.pack(BACKEND, 1 << 45))
    assert (bytes(record.backend), record.last_seen) == (BACKEND, 1 << 45)


def test_address_info(compiled: Any) -> None:
    raw = entries.address_bytes(ip_address("10.96.0.10"))
    info = compiled[b"addresses"].Leaf.from_buffer_copy(entries.address_value(raw, 5))
    assert (info.flags, info.check) == (5, entries.address_check(raw))


def test_event(compiled: Any) -> None:
    """Each field of a record lands in the field of that name."""
    values = (1 << 60, 1 << 40, 1 << 41, 1 << 42, KEY, BACKEND, 77, 5, b"curl".ljust(16, b"\0"), 5, 17, 3)
    event = compiled[b"events"].Leaf.from_buffer_copy(entries.EVENT.pack(*values))
    for field, value in zip(RawEvent._fields, values, strict=True):
        found = getattr(event, field)
        assert (bytes(found) if field in ("asked", "chosen") else found) == (
            b"curl" if field == "comm" else value
        ), field


def test_reasons_are_those_of_the_c_enum() -> None:
    """One list: the index of a counter, the label of a metric, the text of an event."""
    text = (source_dir() / "reasons.h").read_text()
    for reason in Reason:
        assert f"REASON_{reason.name} = {reason.value}," in text
    assert f"REASON_COUNT = {len(Reason)}," in text


def test_settings_and_flags_are_those_of_the_c_enums() -> None:
    text = (source_dir() / "types.h").read_text()
    for setting in entries.Setting:
        assert f"SETTING_{setting.name} = {setting.value}," in text
    for action, number in entries.ACTION_NUMBER.items():
        assert f"ACTION_{action.name} = {number}," in text
    for level in entries.EventLevel:
        assert f"EVENTS_{level.name} = {level.value}," in text
    for flag in entries.EventFlag:
        assert f"EVENT_{flag.name} = {flag.value}," in text
    assert f"FRONTEND_REDIRECT = {entries.FrontendFlag.REDIRECT.value}," in text
    assert f"CGROUP_SKIP = {entries.CgroupFlag.SKIP.value}," in text


def test_every_map_of_the_source_is_known() -> None:
    text = (source_dir() / "maps.h").read_text()
    tables = re.findall(r"^BPF_TABLE\(.*, (\w+), \w+\);", text, re.MULTILINE)
    others = re.findall(r"struct \w+_table_t (\w+) = ", text)
    assert sorted((*tables, *others)) == sorted(ALL_MAPS)
    assert set(MapName) < set(ALL_MAPS)
