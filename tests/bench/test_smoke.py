"""Every part of the bench works, at sizes that say nothing: no time is asserted anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from ruamel.yaml import YAML

from . import control, dataplane, hooks, manifests, rulesets, stand, throughput, tools, watching
from .result import Report, Row
from .rounds import Plan

TINY = Plan(rounds=1, seconds=0.01, quick=True, tiny=True, runs=100)


@pytest.fixture(scope="module")
def helpers(kernel_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert not tools.missing()
    return tools.build(tmp_path_factory.mktemp("helpers"))


@pytest.fixture(scope="module")
def made(helpers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stand.Stand]:
    with ExitStack() as stack:
        yield stand.Stand(stack, helpers, tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def everybody(made: stand.Stand) -> dataplane.Field:
    return dataplane.set_up(made, TINY)


def names(report: Report) -> set[str]:
    assert all(value > 0 for row in report.rows for value in (*row.values, *row.bases))
    return {row.who for row in report.rows}


@pytest.mark.root
def test_data_plane(everybody: dataplane.Field) -> None:
    """Every contender answers in every measure: ours and the rulesets bring each question to its backend."""
    dataplane.run(everybody, TINY, report := Report())
    assert names(report) >= {"ours 20", "nftables 20", "iptables 20", "haproxy", "ours 20, events on"}
    assert {row.measure for row in report.rows if row.who == "ours 20, IPv6"}


@pytest.mark.root
def test_throughput(made: stand.Stand, everybody: dataplane.Field) -> None:
    """wrk and iperf3 get through ours and the proxy, and are counted."""
    throughput.run(made, everybody, TINY, report := Report())
    assert names(report) == {"ours 20", "haproxy"}


@pytest.mark.root
def test_hooks(made: stand.Stand, everybody: dataplane.Field) -> None:
    """The kernel's statistics are on only while they are read, and every hook of a case ran."""
    before = hooks._SWITCH.read_text()
    hooks.run(made, everybody, TINY, report := Report())
    assert hooks._SWITCH.read_text() == before
    assert {row.measure.partition(":")[0] for row in report.rows} >= {
        "connect4",
        "sendmsg4",
        "recvmsg4",
        "connect6",
    }
    names(report)


@pytest.mark.root
def test_control_plane(helpers: Path, tmp_path: Path) -> None:
    """Every command in every layout, and the rulesets of the same services."""
    control.run(helpers, tmp_path, TINY, report := Report())
    assert names(report) >= {
        "apply, cold",
        "apply, unchanged",
        "plan",
        "validate",
        "nft -f",
        "iptables-restore",
    }
    assert any("load %" in row.more for row in report.rows)


@pytest.mark.root
def test_scale(helpers: Path, tmp_path: Path) -> None:
    """The same commands over several files."""
    control.scale(helpers, tmp_path, TINY, report := Report())
    assert names(report) >= {"apply, cold", "validate"}


@pytest.mark.root
def test_watch(helpers: Path, tmp_path: Path) -> None:
    """A changed file is seen by a client."""
    watching.run(helpers, tmp_path, TINY, report := Report())
    assert "one changed file to the map, after the debounce" in {row.who for row in report.rows}


def test_layouts_say_the_same(tmp_path: Path) -> None:
    """What is written as YAML, read by a YAML parser, is what is written as JSON."""
    objects = list(manifests.exported(3, 2))
    manifests.write_yaml(tmp_path / "all.yaml", objects)
    manifests.write_json(tmp_path / "all.json", objects)
    read = YAML(typ="safe", pure=True).load(tmp_path / "all.yaml")
    assert read == json.loads((tmp_path / "all.json").read_text())
    assert read["items"] == objects


def test_rulesets_name_every_endpoint() -> None:
    """kube-proxy: a chain for each service and for each endpoint, in both."""
    rule = rulesets.Rule(
        name="a", vip="10.96.0.1", port=80, protocol="TCP", targets=["10.0.0.1", "10.0.0.2"], target=8080
    )
    nftables = "".join(rulesets.nftables([rule]))
    iptables = "\n".join(rulesets.iptables([rule]))
    assert nftables.count("dnat to") == iptables.count("-j DNAT") == 2
    assert "numgen random mod 2" in nftables
    assert "--probability 0.5" in iptables


def test_report_judges_the_median(tmp_path: Path) -> None:
    """A bar is about the median of the ratios; table and JSON have the same rows."""
    row = Row(
        part="p", measure="m", who="w", unit="us", values=[2.0, 3.0, 9.0], bases=[2.0, 2.0, 2.0], bar="<= 1.5"
    )
    report = Report(rows=[row])
    assert row.ratios == [1.0, 1.5, 4.5]
    assert row.judged is True
    report.write(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["rows"][0]["met"] is True
    report.print(Console(file=(text := StringIO()), width=200))
    assert "<= 1.5 yes" in text.getvalue()
