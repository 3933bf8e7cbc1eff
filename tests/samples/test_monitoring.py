"""The dashboard, the alerts and the configuration of Prometheus, by Prometheus' own tools and rule by rule."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from harness import monitoring
from harness.monitoring import ALERT_TESTS, ALERTS, CONFIG, MONITORING
from harness.tools import unpacked
from harness.units import setting
from prometheus_client.core import Metric
from ruamel.yaml import YAML

from balancer.cli import main
from balancer.kernel.reasons import Reason
from balancer.observe.metrics_families import families
from balancer.observe.metrics_reading import Live, Reading
from balancer.observe.series import Counted, FrontendLabels, ServicePort
from balancer.state import State
from balancer.tally import Tally
from balancer.views import Effect, LastPass, MapFill

BOARD = monitoring.dashboard()
PANELS = list(monitoring.panels(BOARD))
VALUES = {"__rate_interval": "1m", "__range": "1h", "instance": ".*", "namespace": ".*", "service": "web"}
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"none", "cps", "s", "bytes", "percentunit"}
KINDS = {"stat", "table", "timeseries", "bargauge"}
COLUMNS = 24


def promtool(*words: object) -> tuple[int, str]:
    command = [str(unpacked("promtool")), *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return result.returncode, result.stdout + result.stderr


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def test_promtool_accepts_the_rules() -> None:
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", ALERTS)
    assert (code, f"{len(monitoring.rules())} rules found" in said) == (0, True), said


def test_promtool_accepts_the_configuration() -> None:
    """And finds the rules where it says."""
    code, said = promtool("check", "config", CONFIG)
    assert (code, "rules found" in said) == (0, True), said


def test_the_rules_pass_their_tests() -> None:
    code, said = promtool("test", "rules", ALERT_TESTS)
    assert code == 0, said


@pytest.mark.parametrize(
    ("always", "noticed"),
    [
        ("vector(1)", r"^ +name: (\w+) does not fire:"),
        ("vector(0) > 1", r'^ +expr: "ALERTS{alertname=\\"(\w+)\\"'),
    ],
)
def test_the_tests_notice_each_alert_that_is_wrong(tmp_path: Path, always: str, noticed: str) -> None:
    """Every alert has a case where it fires and one where it does not, and neither passes by itself."""
    given = read(ALERTS)
    for rule in (rule for group in given["groups"] for rule in group["rules"] if "alert" in rule):
        rule |= {"expr": always, "for": "0s"}
    with (tmp_path / ALERTS.name).open("w") as file:
        YAML(typ="safe").dump(given, file)
    tests = re.sub(
        r"^evaluation_interval: .*$", "evaluation_interval: 30m", ALERT_TESTS.read_text(), flags=re.M
    )
    (tmp_path / ALERT_TESTS.name).write_text(tests)
    code, said = promtool("test", "rules", tmp_path / ALERT_TESTS.name)
    assert code == 1
    assert set(re.findall(noticed, said, re.M)) == monitoring.alerts().keys()


def test_every_alert_says_what_to_do() -> None:
    for name, rule in monitoring.alerts().items():
        assert name.startswith("Balancer")
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}, name
        assert all(text.rstrip().endswith(".") for text in rule["annotations"].values()), name
        assert "$labels.instance" in rule["annotations"]["summary"], name


@pytest.mark.parametrize("name", monitoring.alerts())
def test_a_runbook_has_commands_that_there_are(name: str) -> None:
    """With options that they have."""
    commands = re.findall(r"`balancer (\w+)([^`]*)`", monitoring.alerts()[name]["annotations"]["runbook"])
    assert commands
    for command, rest in commands:
        shown = CliRunner().invoke(main, [command, "--help"])
        assert shown.exit_code == 0, command
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in shown.output, f"{command} {option}"


def test_every_metric_is_one_that_is_told() -> None:
    """With the labels that it has; Prometheus adds job and instance."""
    told = {name: _labels(family) for family in _families() for name in _series(family)}
    asked = [*monitoring.expressions(BOARD).values(), *(rule["expr"] for rule in monitoring.rules())]
    for expression in asked:
        names = monitoring.metrics(expression)
        assert names <= told.keys()
        added = {"job", "instance", "file"}
        assert _named(expression) <= added.union(*(told[name] for name in names or told)), expression


def _named(expression: str) -> set[str]:
    """The labels that an expression selects or groups by."""
    grouped = [word for group in re.findall(r"\bby \(([^)]*)\)", expression) for word in group.split(", ")]
    return {*grouped, *re.findall(r"(\w+)(?:=~|!=|=)\"", expression)}


def test_the_readme_has_every_metric() -> None:
    """By the names of their families, as HELP and TYPE have them, with their labels."""
    row = re.compile(r"^\| ((?:`balancer_\w+`(?:, )?)+) \|([^|]*)\|", re.M)
    told = {
        name: set(re.findall(r"\w+", labels))
        for names, labels in row.findall((MONITORING / "README.md").read_text())
        for name in re.findall(r"\w+", names)
    }
    endings = {"counter": "_total", "info": "_info"}
    assert told == {family.name + endings.get(family.type, ""): _labels(family) for family in _families()}


def _families() -> list[Metric]:
    """Those of a host with one of everything there is to tell."""
    now = datetime.now(UTC)
    last = LastPass(time=now, result="converged", seconds=1, frontends=1, files=1, changes=1)
    counted = Counted(FrontendLabels(*FrontendLabels._fields), (1,) * len(Reason))
    live = Live(
        build_id="0",
        hooks={"connect4": True},
        effect=Effect.EFFECTIVE,
        maps=(MapFill(name="slots", used=1, capacity=1),),
        decisions=counted.counts,
        frontends=(counted,),
        kinds={("kind", "source"): 1},
        backends=1,
        service_backends={ServicePort(*ServicePort._fields): 1},
        events_lost=0,
    )
    reading = Reading(live=live, state=State(last_pass=last, tally=Tally(last_success=now)))
    return list(families(reading, {"slots": 1}, 100))


def _labels(family: Metric) -> set[str]:
    return {label for sample in family.samples for label in sample.labels}


def _series(family: Metric) -> set[str]:
    """The names that Prometheus has for a family."""
    return {sample.name for sample in family.samples}


def test_the_readme_has_every_alert() -> None:
    text = (MONITORING / "README.md").read_text()
    named = re.findall(r"^\| `(Balancer\w+)` \| (\w+) \|", text, re.M)
    assert dict(named) == {name: rule["labels"]["severity"] for name, rule in monitoring.alerts().items()}
    rows = [item["title"] for item in BOARD["panels"] if item["type"] == "row"]
    assert re.findall(r"^\| ([A-Z][^|]+) \| ", text, re.M) == rows
    files = re.findall(r"`([\w.-]+\.(?:yml|yaml|json|service|timer))`", text.partition("##")[0])
    assert set(files) == {path.name for path in MONITORING.iterdir()} - {"README.md"}


def test_a_recorded_series_is_used() -> None:
    expressions = " ".join(rule["expr"] for rule in monitoring.rules())
    for rule in monitoring.rules():
        assert rule.get("record", "time()") in expressions


def test_every_panel_has_an_id_of_its_own() -> None:
    everything = [*BOARD["panels"], *PANELS]
    ids = Counter({item["id"]: item for item in everything}.keys())
    assert len(ids) == len({id(item) for item in everything})
    titles = Counter(panel["title"] + panel["type"] for panel in PANELS)
    assert set(titles.values()) == {1}


def test_no_panel_lies_on_another() -> None:
    """Grafana's grid is 24 wide; a row has a line for itself."""
    taken: Counter[tuple[int, int]] = Counter()
    for item in BOARD["panels"]:
        grid = item["gridPos"]
        columns = range(grid["x"], grid["x"] + grid["w"])
        assert 0 <= columns.start < columns.stop <= COLUMNS
        taken.update(itertools.product(columns, range(grid["y"], grid["y"] + grid["h"])))
        assert item["type"] != "row" or (grid["w"], grid["h"]) == (COLUMNS, 1)
    assert set(taken.values()) == {1}


def test_the_overview_comes_first() -> None:
    rows = [item["title"] for item in BOARD["panels"] if item["type"] == "row"]
    assert BOARD["panels"][0]["title"] == rows[0] == "Overview"
    assert len(rows) == 7


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel['title']}-{panel['type']}")
def test_a_panel_is_whole(panel: dict[str, Any]) -> None:
    assert panel["type"] in KINDS
    assert panel["datasource"] == DATA_SOURCE
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["targets"]
    refs = [item["refId"] for item in panel["targets"]]
    assert refs == [chr(ord("A") + number) for number in range(len(refs))]
    for item in panel["targets"]:
        assert item["datasource"] == DATA_SOURCE
        assert item["range"] is not item["instant"]
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults.get("unit", "none") in UNITS
    assert defaults["thresholds"]["steps"][0]["value"] is None


@pytest.mark.parametrize(
    "panel", [item for item in PANELS if item["type"] == "table"], ids=lambda item: item["title"]
)
def test_a_table_shows_what_it_asks_for(panel: dict[str, Any]) -> None:
    """Each query is a column, and what is said of a column is said of one that is shown."""
    _, organize = panel["transformations"]
    options = organize["options"]
    asked = [item["refId"] for item in panel["targets"]]
    values = {f"Value #{ref}" for ref in asked} if len(asked) > 1 else {"Value"}
    shown = options["renameByName"]
    assert values <= shown.keys() | options["excludeByName"].keys()
    assert all(item["format"] == "table" and item["instant"] for item in panel["targets"])
    assert {item["matcher"]["options"] for item in panel["fieldConfig"]["overrides"]} <= set(shown.values())
    assert panel["options"]["sortBy"][0]["displayName"] in shown.values()


def test_a_legend_names_labels_that_there_are() -> None:
    """Of those that the expression keeps; one that sums everything up has words instead."""
    for panel in PANELS:
        for item in panel["targets"]:
            kept = {
                label for group in re.findall(r"by \(([^)]+)\)", item["expr"]) for label in group.split(", ")
            }
            named = set(re.findall(r"{{(\w+)}}", item["legendFormat"]))
            assert named <= (kept or {"instance"}), item["expr"]


def test_every_query_is_of_the_chosen_hosts() -> None:
    """Each selector has the variable, and a rate is over an interval that Grafana fits to the scrapes, or a long one."""
    for name, expression in monitoring.expressions(BOARD).items():
        selectors = re.findall(r"\b(?:balancer|process)_\w+(\{[^}]*\})?", expression)
        assert name == "variable instance" or all('instance=~"$instance"' in item for item in selectors), name
        ranges = set(re.findall(r"\[([^\]]+)\]", expression))
        assert ranges <= {"$__rate_interval", "$__range", "15m"}, name


def test_the_variables_are_used_and_there() -> None:
    found = monitoring.variables(BOARD)
    assert list(found) == ["datasource", "instance", "namespace", "service"]
    assert (found["datasource"]["type"], found["datasource"]["query"]) == ("datasource", "prometheus")
    everything = " ".join(monitoring.expressions(BOARD).values())
    assert all(f"${name}" in everything for name in found if name != "datasource")
    for expression in (
        *monitoring.expressions(BOARD).values(),
        *monitoring.annotation_queries(BOARD).values(),
    ):
        assert "$" not in monitoring.substituted(expression, VALUES)


def test_it_can_be_imported_and_recognized() -> None:
    """An id belongs to one Grafana, a uid to the dashboard."""
    assert (BOARD["id"], BOARD["uid"], BOARD["schemaVersion"] >= 41) == (None, "balancer", True)


def test_the_timer_writes_for_node_exporter() -> None:
    text = (MONITORING / "balancer-metrics.service").read_text()
    (command,) = re.findall(r"^ExecStart=/usr/local/bin/balancer (.+)$", text, re.M)
    assert command == "metrics --textfile ${TEXTFILES}/balancer.prom"
    (directory,) = re.findall(r"^Environment=TEXTFILES=(.+)$", text, re.M)
    assert f"ReadWritePaths=-{directory}\n" in text
    assert (MONITORING / "balancer-metrics.timer").is_file()


def test_the_timers_unit_exposes_little() -> None:
    """systemd's own score goes from 0 (nothing) to 10 (everything); balancer.service is held to the same."""
    unit = str(MONITORING / "balancer-metrics.service")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=40", "--no-pager", unit]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout
    assert set(setting(unit, "CapabilityBoundingSet")) < set(
        setting("balancer.service", "CapabilityBoundingSet")
    )


def test_the_readme_names_options_that_there_are() -> None:
    """As options and as variables: BALANCER_ and the option."""
    text = (MONITORING / "README.md").read_text()
    for command, option in re.findall(r"balancer (\w+) (--[a-z-]+)", text):
        assert option in CliRunner().invoke(main, [command, "--help"]).output
    for name in re.findall(r"BALANCER_([A-Z_]+)", text):
        option = f"--{name.lower().replace('_', '-')}"
        assert option in CliRunner().invoke(main, ["watch", "--help"]).output
