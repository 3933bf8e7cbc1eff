"""Settings: every knob of a run in one frozen value, and the config file that may set them.

An option wins over its environment variable (both are the command line's business and arrive here as
overrides), which wins over the config file, which wins over the default. Reading the file is the only
effect; nothing here looks at the kernel.
"""

from __future__ import annotations

import enum
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from balancer.desired.types import Rules, ServiceRedirect
from balancer.errors import ConfigError
from balancer.model.problem import Origin, Problem
from balancer.model.render import render_problem
from balancer.plan.entries import MapName

if TYPE_CHECKING:
    from ruamel.yaml.error import StreamMark
    from ruamel.yaml.nodes import Node

SCHEMA = "config.schema.json"
ALIASES: Mapping[str, str] = {"redirectQosLimit": "redirect_qos_limit"}
"""Other spellings of a setting."""
MAX_CONFIG_BYTES = 1 << 20
DEFAULT_MAP_LIMIT = 1 << 20
DEFAULT_AFFINITY_LIMIT = 1 << 17
DEFAULT_CGROUP_LIMIT = 1 << 16

DEFAULT_SERIES_LIMIT = 5000

DEFAULT_MAP_LIMITS: Mapping[str, int] = {
    MapName.ADDRESSES.value: DEFAULT_MAP_LIMIT,
    MapName.FRONTENDS.value: DEFAULT_MAP_LIMIT,
    MapName.SLOTS.value: DEFAULT_MAP_LIMIT,
    MapName.MEMBERS.value: DEFAULT_MAP_LIMIT,
    MapName.AFFINITY.value: DEFAULT_AFFINITY_LIMIT,
    MapName.COUNTERS.value: DEFAULT_MAP_LIMIT + 2,  # what has no frontend, and what had one
    MapName.CGROUPS.value: DEFAULT_CGROUP_LIMIT,
    MapName.OWNERS.value: DEFAULT_CGROUP_LIMIT,
    MapName.RATES.value: DEFAULT_MAP_LIMIT + 2,
}


class LogFormat(enum.StrEnum):
    """TEXT: a line for people. JSON: an object a line, as schemas/log.schema.json describes."""

    TEXT = "text"
    JSON = "json"


class LogLevel(enum.StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def default_node() -> str:
    """$NODE_NAME (the usual name in a DaemonSet), else the host name in lower case, as the kubelet
    registers it.
    """
    return os.environ.get("NODE_NAME") or socket.gethostname().strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`node`: the name of this host's Node object; need not exist (a host outside the cluster).

    `cgroup`: the cgroup2 directory whose processes are served; None means the cgroup2 root.
    `bpffs`: where programs, links and maps are pinned. `state`: what the last pass left behind.
    `rules`: what changes the answer for a Service. `map_limits`: the most entries each map may grow to.
    `debounce_seconds`: how long files must be quiet before `watch` reads them.
    `resync_seconds`: how often `watch` compares files and kernel, whatever changed meanwhile.
    `poll`: `watch` lists the directory every second where the file system reports no events (NFS).
    `close_stale_tcp`: TCP connections, too, are ended when their backend goes; connected UDP sockets always are.
    `lock_timeout_seconds`: how long to wait for another reconciler on the same maps.
    `log_format`, `log_level`: how and what `watch` logs.
    `metrics_listen`, `http_listen`: "ADDRESS:PORT" where `watch` answers with metrics, and with the status page;
    "" for nowhere. `series_limit`: the most series of metrics about single frontends.
    """

    node: str = field(default_factory=default_node)
    cgroup: Path | None = None
    bpffs: Path = Path("/sys/fs/bpf/balancer")
    state: Path = Path("/var/lib/balancer/state.json")
    rules: Rules = field(default_factory=Rules)
    map_limits: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_MAP_LIMITS))
    debounce_seconds: float = 0.1
    resync_seconds: float = 60.0
    poll: bool = False
    close_stale_tcp: bool = False
    lock_timeout_seconds: float = 30.0
    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel = LogLevel.INFO
    metrics_listen: str = ""
    http_listen: str = ""
    series_limit: int = DEFAULT_SERIES_LIMIT


def load_settings(config: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """Settings of the config file (None: no file) with `overrides` by field name on top; an override
    of None counts as not given. Raises ConfigError.
    """
    values: dict[str, Any] = _from_file(config) if config is not None else {}
    values.update({name: value for name, value in (overrides or {}).items() if value is not None})
    return Settings(**values)


def _from_file(path: Path) -> dict[str, Any]:
    """The fields of Settings that the file sets, converted to their types."""
    text = _read(path)
    document, root = _parse(path, text)
    if document is None:
        return {}
    _check(path, text, document, root)
    return _convert(document)


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}") from error
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError(f"the config file {path} is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the config file {path} is not UTF-8 (byte {error.start})") from error


def _parse(path: Path, text: str) -> tuple[Any, Node | None]:
    """The document as plain values, and the node tree that knows its positions."""
    from ruamel.yaml import YAML  # loaded only when there is a config file
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text), YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        message = (error.problem or error.context or "not valid YAML").strip()
        raise _config_error(path, text, [(error.problem_mark or error.context_mark, "$", message)]) from error
    except YAMLError as error:
        raise ConfigError(
            f"the config file {path} is not valid YAML: {str(error).splitlines()[0]}"
        ) from error


def _check(path: Path, text: str, document: object, root: Node | None) -> None:
    import json

    from jsonschema import Draft202012Validator

    from balancer.manifests.paths import format_path
    from balancer.manifests.resources import schema_dir

    schema = json.loads((schema_dir() / SCHEMA).read_text())
    found: list[tuple[StreamMark | None, str, str]] = []
    for error in Draft202012Validator(schema).iter_errors(document):
        for steps, message in _say(
            error.validator, error.message, list(error.absolute_path), error.instance, schema
        ):
            found.append((_mark(root, steps), format_path(tuple(steps)), message))
    if not found:
        found = [
            (_mark(root, steps), format_path(tuple(steps)), message)
            for steps, message in (*_bad_networks(document), *_given_twice(document))
        ]
    if found:
        found.sort(key=lambda item: (item[0].line, item[0].column) if item[0] else (0, 0))
        raise _config_error(path, text, found)


def _say(
    rule: object, message: str, steps: list[str | int], instance: Any, schema: Mapping[str, Any]
) -> list[tuple[list[str | int], str]]:
    """Where and how to report one schema error: an unknown key is reported at the key itself."""
    if rule != "additionalProperties":
        return [(steps, message)]
    known = schema["properties"]
    for step in steps:
        known = known[step]["properties"]
    listed = ", ".join(sorted(known))
    return [
        ([*steps, str(key)], f"unknown setting {str(key)!r}, expected one of: {listed}")
        for key in instance
        if key not in known
    ]


def _bad_networks(document: Any) -> list[tuple[list[str | int], str]]:
    found: list[tuple[list[str | int], str]] = []
    for key in ("external_ip_cidrs", "node_port_cidrs"):
        for index, value in enumerate(document.get(key, ())):
            try:
                ip_network(value)
            except ValueError as error:
                found.append(([key, index], f"not a CIDR: {error}"))
    return found


def _given_twice(document: Any) -> list[tuple[list[str | int], str]]:
    return [
        ([alias], f"the same setting as {name!r}, expected only one of them")
        for alias, name in ALIASES.items()
        if alias in document and name in document
    ]


def _mark(node: Node | None, steps: Sequence[str | int]) -> StreamMark | None:
    """The position of the deepest node of a path: of the key for a mapping's last step, else the value."""
    mark: StreamMark | None = node.start_mark if node is not None else None
    for step in steps:
        children = node.value if node is not None and isinstance(node.value, list) else []
        if isinstance(step, int):
            node = children[step] if step < len(children) else None
            mark = node.start_mark if node is not None else mark
            continue
        pair = next((pair for pair in children if str(pair[0].value) == step), None)
        node = pair[1] if pair else None
        mark = pair[0].start_mark if pair else mark
    return mark


def _config_error(path: Path, text: str, found: Sequence[tuple[StreamMark | None, str, str]]) -> ConfigError:
    """Every place that is wrong, with its line and a caret under it."""
    problems = [_problem(path, text.splitlines(), *place) for place in found]
    return ConfigError(
        f"{len(found)} error{'s' if len(found) != 1 else ''} in the config file\n"
        + "\n".join(map(render_problem, problems)),
        hint="the settings and their meaning are in schemas/config.schema.json",
    )


def _problem(path: Path, lines: Sequence[str], mark: StreamMark | None, where: str, message: str) -> Problem:
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    return Problem(
        origin=Origin(file=str(path), line=line + 1, column=column + 1),
        message=message,
        path=where,
        excerpt=lines[line] if line < len(lines) else "",
    )


def _convert(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document that passed the schema, as arguments of Settings."""
    values = {ALIASES.get(key, key): value for key, value in document.items()}
    rules = {item.name: values.pop(item.name) for item in fields(Rules) if item.name in values}
    if "service_redirect" in rules:
        rules["service_redirect"] = ServiceRedirect(rules["service_redirect"])
    if "redirect_qos_limit" in rules:
        rules["redirect_qos_limit"] = int(rules["redirect_qos_limit"])  # JSON Schema: 1.0 is an integer
    for key in ("external_ip_cidrs", "node_port_cidrs"):
        if key in rules:
            rules[key] = _networks(rules[key])
    for key in ("cgroup", "bpffs", "state"):
        if key in values:
            values[key] = Path(values[key])
    if "log_format" in values:
        values["log_format"] = LogFormat(values["log_format"])
    if "log_level" in values:
        values["log_level"] = LogLevel(values["log_level"])
    if "series_limit" in values:
        values["series_limit"] = int(values["series_limit"])
    values["map_limits"] = {**DEFAULT_MAP_LIMITS, **values.get("map_limits", {})}
    values["rules"] = Rules(**rules)
    return values


def _networks(values: Sequence[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(value) for value in values)
