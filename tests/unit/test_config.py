"""The config file: what it may say, and how a mistake in it is reported."""

from __future__ import annotations

import json
import socket
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from balancer.config import ALIASES, DEFAULT_MAP_LIMITS, SCHEMA, LogFormat, LogLevel, Settings, load_settings
from balancer.desired.types import Rules, ServiceRedirect
from balancer.errors import ConfigError, Exit
from balancer.manifests.resources import schema_dir


@pytest.fixture
def config(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_defaults_without_a_file():
    settings = load_settings()
    assert settings.bpffs == Path("/sys/fs/bpf/balancer")
    assert settings.state == Path("/var/lib/balancer/state.json")
    assert settings.cgroup is None
    assert settings.rules == Rules()
    assert settings.map_limits["frontends"] == 1_048_576


def test_the_node_defaults_to_the_variable_then_to_the_host_name(monkeypatch):
    """kubelet: a node registers under its host name in lower case."""
    monkeypatch.setenv("NODE_NAME", "node-a")
    assert Settings().node == "node-a"
    monkeypatch.delenv("NODE_NAME")
    monkeypatch.setattr(socket, "gethostname", lambda: "Edge-7")
    assert Settings().node == "edge-7"


def test_every_setting_can_be_in_the_file(config):
    path = config(
        "node: n1\ncgroup: /c\nbpffs: /b\nstate: /s\nservice_redirect: nodePort\n"
        "local_policy_applies_to_all_access: true\nexternal_ip_cidrs: [192.0.2.0/24]\n"
        "node_port_cidrs: ['fd00::/8']\nmap_limits: {frontends: 100}\ndebounce_seconds: 0.5\n"
        "resync_seconds: 30\npoll: true\nlock_timeout_seconds: 1\nredirect_qos_limit: 250\n"
        "log_format: json\nlog_level: debug\nmetrics_listen: ':9464'\nhttp_listen: '[::1]:80'\nseries_limit: 9\n"
    )
    assert load_settings(path) == Settings(
        node="n1",
        cgroup=Path("/c"),
        bpffs=Path("/b"),
        state=Path("/s"),
        rules=Rules(
            service_redirect=ServiceRedirect.NODE_PORT,
            redirect_qos_limit=250,
            local_policy_applies_to_all_access=True,
            external_ip_cidrs=(ip_network("192.0.2.0/24"),),
            node_port_cidrs=(ip_network("fd00::/8"),),
        ),
        map_limits={**DEFAULT_MAP_LIMITS, "frontends": 100},
        debounce_seconds=0.5,
        resync_seconds=30,
        poll=True,
        lock_timeout_seconds=1,
        log_format=LogFormat.JSON,
        log_level=LogLevel.DEBUG,
        metrics_listen=":9464",
        http_listen="[::1]:80",
        series_limit=9,
    )


def test_the_schema_knows_exactly_the_settings():
    properties = json.loads((schema_dir() / SCHEMA).read_text())["properties"]
    names = {item.name for item in fields(Settings)} - {"rules"} | {item.name for item in fields(Rules)}
    assert set(properties) == names | set(ALIASES)
    assert set(ALIASES.values()) <= names
    assert set(properties["map_limits"]["properties"]) == set(DEFAULT_MAP_LIMITS)


def test_the_rate_has_an_older_spelling(config):
    assert load_settings(config("redirectQosLimit: 7\n")).rules == Rules(redirect_qos_limit=7)


def test_a_whole_number_with_a_point_is_an_integer(config):
    """JSON Schema: a number without a fraction is an integer, however it is written."""
    limit = load_settings(config("redirect_qos_limit: 7.0\n")).rules.redirect_qos_limit
    assert (limit, type(limit)) == (7, int)


def test_an_override_wins_and_none_does_not_count(config):
    settings = load_settings(config("node: file\nstate: /s\n"), {"node": "option", "state": None})
    assert (settings.node, settings.state) == ("option", Path("/s"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n"])
def test_an_empty_file_changes_nothing(config, text):
    assert load_settings(config(text), {"node": "a"}) == Settings(node="a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes: a\n", ":1:1: error: $.nodes: unknown setting 'nodes', expected one of: bpffs, cgroup,"),
        ("node: a\npoll: maybe\n", ":2:1: error: $.poll: 'maybe' is not of type 'boolean'"),
        ("map_limits:\n  frontend: 100\n", ":2:3: error: $.map_limits.frontend: unknown setting 'frontend'"),
        ("map_limits:\n  slots: many\n", ":2:3: error: $.map_limits.slots: 'many' is not of type 'integer'"),
        (
            "external_ip_cidrs:\n  - 10.0.0.0/8\n  - 10.0.0.1/8\n",
            ":3:5: error: $.external_ip_cidrs[1]: not a CIDR:",
        ),
        ("service_redirect: pod\n", ":1:1: error: $.service_redirect: 'pod' is not one of"),
        ("- node: a\n", ":1:1: error: [{'node': 'a'}] is not of type 'object'"),
        ("node: a\nnode: b\n", ":2:1: error: found duplicate key"),
        ("node: [a\n", ":2:1: error: expected"),
        ("node: !!python/object:os.system a\n", ":1:7: error: could not determine a constructor"),
        ("state: relative.json\n", ":1:1: error: $.state: 'relative.json' does not match"),
        (
            "poll: true\nredirect_qos_limit: -1\n",
            ":2:1: error: $.redirect_qos_limit: -1 is less than the minimum of 0",
        ),
        ("redirectQosLimit: many\n", ":1:1: error: $.redirectQosLimit: 'many' is not of type 'integer'"),
        (
            "redirect_qos_limit: 5\nredirectQosLimit: 5\n",
            ":2:1: error: $.redirectQosLimit: the same setting as 'redirect_qos_limit', expected only one",
        ),
        ("1: a\n", ":1:1: error: $['1']: unknown setting '1'"),
    ],
)
def test_each_mistake_is_named_with_its_place(config, text, said):
    path = config(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert f"{path}{said}" in str(caught.value)
    assert caught.value.exit_code is Exit.USAGE


def test_all_mistakes_are_listed_in_the_order_of_the_file(config):
    with pytest.raises(ConfigError, match="3 errors in the config file") as caught:
        load_settings(config("zebra: 1\npoll: 7\napple: 1\n"))
    assert [line.split(":")[4] for line in str(caught.value).splitlines() if "config.yaml" in line] == [
        " $.zebra",
        " $.poll",
        " $.apple",
    ]


def test_a_caret_stands_under_the_place(config):
    with pytest.raises(ConfigError) as caught:
        load_settings(config("map_limits:\n  slot: 1\n"))
    assert "\n  slot: 1\n  ^" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"node: \xff\n", "is not UTF-8"), (b"#" * ((1 << 20) + 1), "is larger than"), (b"a: b\x00", "not")],
)
def test_a_file_that_is_no_text_is_refused(config, content, said):
    with pytest.raises(ConfigError, match=said):
        load_settings(config(content))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the config file .*: No such file"):
        load_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize("value", ["9464", "127.0.0.1", "::1:9464", "[::1]", "a:b", "127.0.0.1:123456"])
def test_an_address_to_listen_at_needs_a_port(config, value):
    with pytest.raises(ConfigError, match=r"\$\.http_listen: .* does not match"):
        load_settings(config(f"http_listen: '{value}'\n"))
