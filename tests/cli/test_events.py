"""events: options, filters, both forms of output, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from event_records import HOST_CGROUP, UID, FakeFinder, FakeSource, raw
from harness import schemas

from balancer import state
from balancer.desired.types import FrontendKind
from balancer.errors import NotLoaded
from balancer.kernel.reasons import Reason
from balancer.kernel.ring import RawEvent
from balancer.observe import follow
from balancer.observe.event import Wanted
from balancer.observe.identity_processes import Processes
from balancer.state.pod_names import PodName
from cli.conftest import Run

WEB = state.Label(FrontendKind.CLUSTER_IP, "Service default/web", "http", "a.yaml:3", "g")
NAMES = state.State(
    labels={"10.96.0.1:80/TCP": WEB},
    pods={UID: PodName("shop", "cart-1", {"c1": "app"})},
    backend_pods={"10.244.0.5": "default/web-1"},
    nodes={"10.244.0.5": "n1"},
)
Follow = Callable[..., Result]


@pytest.fixture
def asked() -> list[Wanted]:
    """What the command wanted, one item a run."""
    return []


@pytest.fixture
def events(run: Run, tmp_path: Path, asked: list[Wanted], monkeypatch: pytest.MonkeyPatch) -> Follow:
    """`events(records, *options)`: the command with these records in the ring, until a tenth of a second."""

    def call(records: Sequence[RawEvent], *options: str, lost: int = 0, code: int = 0) -> Result:
        def listen(_settings: object, wanted: Wanted) -> FakeSource:
            asked.append(wanted)
            return FakeSource(records, losses=[lost])

        monkeypatch.setattr(follow, "listen", listen)
        monkeypatch.setattr(follow, "host_cgroups", lambda *_arguments: FakeFinder())
        monkeypatch.setattr(follow, "host_processes", lambda: Processes(None))
        state.save(tmp_path / "state.json", NAMES)
        return run(
            "events", "--state", str(tmp_path / "state.json"), "--duration", "0.1", *options, code=code
        )

    return call


def _records(result: Result) -> list[Any]:
    """Every line is what the schema says; the last one, and only that, is the summary."""
    values = [json.loads(line) for line in result.stdout.splitlines()]
    for value in values:
        schemas.check("events", value)
    assert [value["type"] for value in values].index("summary") == len(values) - 1
    return values


BOTH = (raw(), raw("10.96.0.1:99", reason=Reason.UNKNOWN_PORT, cgroup=HOST_CGROUP, comm="nc"))


def test_one_line_for_each_decision(events: Follow) -> None:
    header, first, second = events(BOTH).stdout.splitlines()
    assert header.split() == [
        "TIME",
        "(UTC)",
        "REASON",
        "CLIENT",
        "COMMAND",
        "DESTINATION",
        "BACKEND",
        "DECIDED",
        "BY",
    ]
    assert first.split()[1:] == [
        "forwarded",
        "shop/cart-1/app",
        "curl[7]",
        "10.96.0.1:80/TCP",
        "10.244.0.5:8080",
        "default/web-1",
        "on",
        "n1",
        "Service",
        "default/web",
        "(http)",
        "a.yaml:3",
    ]
    assert second.split()[1:5] == ["unknown_port", "host", "ssh.service", "nc[7]"]
    assert header.index("DESTINATION") == first.index("10.96.0.1") == second.index("10.96.0.1")


def test_the_summary_is_on_stderr(events: Follow) -> None:
    result = events(BOTH)
    assert "2 of 2 events matched, 2 shown, 0 lost" in result.stderr
    assert "reasons: forwarded 1, unknown_port 1" in result.stderr
    assert "clients: shop/cart-1 1, host 1" in result.stderr


def test_json_lines(events: Follow) -> None:
    first, second, summary = _records(events(BOTH, "-o", "json"))
    assert (first["client"]["pod"], first["client"]["container"], first["service"]) == (
        "cart-1",
        "app",
        "default/web",
    )
    assert first["backend"] == {"address": "10.244.0.5", "port": 8080, "node": "n1", "pod": "default/web-1"}
    assert (second["backend"], second["client"]["where"], second["object"]) == (
        None,
        "host",
        "Service default/web",
    )
    assert (summary["results"], summary["lost"]) == ({"forwarded": 1, "rejected": 1}, 0)


def test_losses_are_said_in_both_forms(events: Follow) -> None:
    assert "balancer: 12 events lost, 12 in all" in events(BOTH, lost=12).stderr
    records = _records(events(BOTH, "-o", "json", lost=12))
    assert [(item["lost"], item["total"]) for item in records if item["type"] == "lost"] == [(12, 12)]
    assert records[-1]["lost"] == 12


def test_names_of_processes_are_shown_harmless(events: Follow) -> None:
    """A process may call itself anything."""
    nasty = raw(comm="\x1b[31mred\n\u202ex")
    text = events([nasty]).stdout
    assert "\x1b" not in text
    assert "\\x1b[31mred\\n\\u202ex[7]" in text
    assert len(text.splitlines()) == 2
    assert _records(events([nasty], "-o", "json"))[0]["client"]["command"] == "\x1b[31mred\n\u202ex"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), 2),
        (("--service", "default/web"), 2),
        (("--service", "default/other"), 0),
        (("--pod", "shop/cart-*"), 1),
        (("--pod", "host"), 1),
        (("--pod", "host", "--pod", "cart-1"), 2),
        (("--result", "forwarded"), 1),
        (("--rejected",), 1),
        (("--reason", "unknown_port"), 1),
        (("--reason", "refused", "--reason", "forwarded"), 1),
        (("--rejected", "--reason", "forwarded"), 0),
        (("--address", "10.96.0.0/16"), 2),
        (("--address", "10.96.0.1:99"), 1),
        (("--backend", "10.244.0.5"), 1),
        (("--address", "[fd00::1]:80"), 0),
        (("--protocol", "UDP"), 0),
        (("--command", "c*"), 1),
        (("--sample", "2"), 1),
        (("--count", "1"), 1),
    ],
)
def test_filters_and_limits(events: Follow, options: tuple[str, ...], shown: int) -> None:
    assert len(_records(events(BOTH, "-o", "json", *options))) == shown + 1


def test_only_rejections_are_asked_of_the_kernel_for_rejections(events: Follow, asked: list[Wanted]) -> None:
    events(BOTH, "--rejected")
    events(BOTH, "--result", "rejected", "--result", "forwarded")
    assert [wanted.only_rejected for wanted in asked] == [True, False]


@pytest.mark.parametrize(
    "option",
    [
        ("--address", "10.96.0.1:x"),
        ("--address", "web"),
        ("--backend", "10.0.0.1:70000"),
        ("--reason", "bored"),
        ("--sample", "0"),
        ("--duration", "-1"),
    ],
)
def test_wrong_values_exit_2(events: Follow, option: tuple[str, str]) -> None:
    assert option[0] in events(BOTH, *option, code=2).stderr


def test_nothing_loaded_exits_6(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def listen(*_arguments: object) -> FakeSource:
        raise NotLoaded("no programs are attached", hint="load them")

    monkeypatch.setattr(follow, "listen", listen)
    assert "hint: load them" in run("events", code=NotLoaded("").exit_code).stderr


def test_no_event_is_no_header(events: Follow) -> None:
    result = events([])
    assert (result.stdout, "0 of 0 events matched" in result.stderr) == ("", True)
