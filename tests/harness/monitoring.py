"""The monitoring sample as tests see it: every PromQL expression of its dashboard and of its alerts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harness.samples import SAMPLES

MONITORING = SAMPLES / "monitoring"
ALERTS = MONITORING / "alerts.yaml"
ALERT_TESTS = MONITORING / "alerts.test.yaml"
CONFIG = MONITORING / "prometheus.yml"
DASHBOARD = MONITORING / "dashboard.json"
Json = dict[str, Any]

_METRIC = re.compile(r"\bbalancer_\w+")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


def dashboard() -> Json:
    return json.loads(DASHBOARD.read_text())  # type: ignore[no-any-return]


def panels(board: Json) -> Iterator[Json]:
    """Every panel that draws something, also those inside of a collapsed row."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def variables(board: Json) -> dict[str, Json]:
    return {item["name"]: item for item in board["templating"]["list"]}


def expressions(board: Json) -> dict[str, str]:
    """What each query is for -> its PromQL, variables and all. A variable's query becomes the series that
    its values are taken from, by its label.
    """
    found = {
        f"{panel['title']} {item['refId']}": item["expr"]
        for panel in panels(board)
        for item in panel["targets"]
    }
    for name, item in variables(board).items():
        if item["type"] == "query":
            asked = _LABEL_VALUES.fullmatch(item["query"]["query"])
            assert asked, item["query"]
            found[f"variable {name}"] = f"group by ({asked['label']}) ({asked['series']})"
    return found


def annotation_queries(board: Json) -> dict[str, str]:
    """The queries of events that are drawn over the panels."""
    return {item["name"]: item["expr"] for item in board["annotations"]["list"] if "expr" in item}


def substituted(expression: str, values: Mapping[str, str]) -> str:
    """The expression as Grafana sends it. KeyError for a variable that nobody gives a value."""
    return _VARIABLE.sub(lambda found: values[found[1]], expression)


def rules() -> list[Json]:
    """Every recording and alerting rule."""
    return [rule for group in YAML(typ="safe").load(ALERTS)["groups"] for rule in group["rules"]]


def alerts() -> dict[str, Json]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def metrics(expression: str) -> set[str]:
    """The names of our metrics in an expression."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for name in recorded:
        expression = expression.replace(name, "")
    return set(_METRIC.findall(expression))


def eager(path: Path, directory: Path) -> Path:
    """A copy of the alerts that do not wait: what is so now fires now."""
    copy = directory / path.name
    copy.write_text(re.sub(r"^( +for:) \w+$", r"\1 0s", path.read_text(), flags=re.M))
    return copy
