"""get, status, explain, doctor and detach: the same truth as text and as JSON."""

from __future__ import annotations

import pytest

from balancer.errors import NotLoaded
from balancer.explanation import AskedBy
from balancer.views import Canary, CanaryResult, Level


@pytest.mark.parametrize("what", ["frontends", "backends", "affinity", "policies"])
def test_get_json_matches_its_schema(run, facade, valid_json, what):
    value = valid_json(run("get", what, "-o", "json"), f"get-{what}")
    assert list(value) == [what]
    assert value[what]


def test_get_frontends_is_a_table_with_dashes_for_what_is_not_known(run, facade):
    lines = run("get", "frontends").stdout.splitlines()
    assert lines[1].split() == [
        *["10.96.0.10:80/TCP", "ClusterIP", "Service", "default/web", "(http)", "forward"],
        *["10.244.1.5:8080", "7", "0", "a.yaml:12"],
    ]
    assert lines[2].split() == ["[fd00::a]:80/TCP", "-", "-", "refuse", "-", "0", "3", "-"]


def test_get_affinity_says_when_a_record_ends(run, facade):
    out = run("get", "affinity").stdout
    assert "netns 4026531840" in out
    assert "in 100 s" in out
    assert "expired" in out


def test_get_without_pinned_maps_exits_6(run, facade):
    facade.failure = NotLoaded("nothing is loaded", hint="run balancer apply")
    assert run("get", "frontends", code=6).stderr.endswith("hint: run balancer apply\n")


def test_status_text_begins_with_the_verdict_and_what_is_next(run, facade):
    lines = run("status").stdout.splitlines()
    assert lines[0] == "working with 1 stale file and 1 warning"
    assert lines[1] == "next       balancer validate b.yaml"
    assert len(lines) <= 24


def test_status_all_has_everything(run, facade):
    out = run("status", "--all").stdout
    for said in (
        "build 3f2a",
        "2 of 2 attached to /sys/fs/cgroup",
        "a child was answered",
        "2024-05-01 12:00:00 UTC, in 0.500 s",
        "2 in force, 1 not: balancer get policies",
        "held by pid 7 (balancer watch)",
        "last good content in force since 2024-05-01 12:00 UTC (",
        "25.0 %",
        "odd but fine",
    ):
        assert said in out


def test_what_is_next_repeats_the_options_that_were_typed(run, facade):
    out = run("status", "--bpffs", "/sys/fs/bpf/a b", env={"BALANCER_NODE": "n7"}).stdout
    assert "balancer validate --bpffs '/sys/fs/bpf/a b' b.yaml" in out


def test_status_exits_6_when_a_hook_is_not_in_effect(run, facade):
    facade.healthy = False
    lines = run("status", code=6).stdout.splitlines()
    assert lines[0] == "not effective: 1 hook is not attached (connect6): replaced"
    assert lines[1] == "next       balancer apply /etc/balancer/manifests"
    assert lines[-1].split() == ["connect6", "NO", "-", "-", "replaced"]


@pytest.mark.parametrize(
    ("result", "effect", "code"),
    [("worked", "effective", 0), ("failed", "ineffective", 6), ("unverified", "unverified", 0)],
)
def test_status_calls_itself_effective_only_if_the_canary_worked(
    run, facade, valid_json, result, effect, code
):
    """Hooks that are attached are a promise, a canary is the proof; one that cannot be sent is no fault."""
    facade.canary = Canary(result=CanaryResult(result), note="as it went")
    value = valid_json(run("status", "-o", "json", code=code), "status")
    assert (value["effect"], value["canary"]) == (effect, {"result": result, "note": "as it went"})
    words = {"failed": "not effective: ", "unverified": "working as far as can be told"}.get(
        result, "working"
    )
    assert value["verdict"].startswith(words)
    assert "as it went" in run("status", code=code).stdout


def test_status_json_matches_its_schema(run, facade, valid_json):
    value = valid_json(run("status", "-o", "json"), "status")
    assert value["counters"] == {"forward": 12, "refuse": 1}
    assert value["policies"] == {"in_force": 2, "not_in_force": 1}
    assert value["last_pass"]["time"] == "2024-05-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("10.96.0.10:53/udp", "10.96.0.10 53 UDP"),
        ("10.96.0.10:80", "10.96.0.10 80 TCP"),
        ("[fd00::a]:443/TCP", "fd00::a 443 TCP"),
        ("[::ffff:10.96.0.10]:80", "10.96.0.10 80 TCP"),
    ],
)
def test_explain_reads_a_destination(run, facade, text, asked):
    run("explain", text)
    assert facade.calls == [f"live_resolve {asked}"]


@pytest.mark.parametrize(
    "text",
    [
        "fd00::a:443",
        "web",
        "a/b/c",
        "default/web:80/sctp",
        "10.96.0.10:0",
        "10.96.0.10:65536",
        "10.96.0.10:80/sctp",
        "web:80",
        "[]:1",
    ],
)
def test_explain_refuses_what_is_no_destination(run, facade, text):
    assert "Invalid value for 'ADDR:PORT[/PROTO]'" in run("explain", text, code=2).stderr
    assert facade.calls == []


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("default/web", "default/web  None"),
        ("default/web:http", "default/web http None"),
        ("default/dns:53/udp", "default/dns 53 UDP"),
        ("web.default.svc:80", "default/web 80 None"),
        ("web.default.svc.cluster.local", "default/web  None"),
        ("localredirectpolicy/near", "LocalRedirectPolicy near  None"),
        ("10.96.0.10", "10.96.0.10  None"),
        ("[fd00::a]", "fd00::a  None"),
    ],
)
def test_explain_takes_names_and_addresses_without_a_port(run, facade, valid_json, text, asked):
    assert run("explain", text).stdout.startswith("10.96.0.10:80/TCP: forward\n")
    assert facade.calls[0] == f"live_destinations {asked}"
    assert len(valid_json(run("explain", text, "-o", "json"), "explain")["destinations"]) == 1


@pytest.mark.parametrize(
    ("options", "asked_by"),
    [
        (["--pod", "shop/cart"], AskedBy(pod=("shop", "cart"))),
        (["--pod", "cart", "--from", "a"], AskedBy(pod=("default", "cart"))),
        (["--cgroup-of", "4711"], AskedBy(pid=4711)),
        ([], None),
    ],
)
def test_explain_is_told_who_asks(run, facade, options, asked_by):
    run("explain", "10.96.0.10:80", *options)
    assert facade.asked_by == asked_by


@pytest.mark.parametrize(
    "options", [["--pod", "a/b/c"], ["--pod", ""], ["--cgroup-of", "0"], ["--pod", "a", "--cgroup-of", "1"]]
)
def test_explain_refuses_who_cannot_ask(run, facade, options):
    run("explain", "10.96.0.10:80", *options, code=2)
    assert facade.calls == []


def test_explain_from_files_names_the_line(run, facade, valid_json):
    text = run("explain", "10.96.0.10:80", "--from", "a", "--from", "b").stdout
    assert facade.calls == ["compute a b", "file_resolve 10.96.0.10 80 TCP"]
    assert "10.96.0.10:80/TCP: forward" in text
    assert "  source    a.yaml:12" in text
    assert "  backend   10.244.1.5:8080 on n1" in text


@pytest.mark.parametrize(("options", "outcome"), [([], "pass"), (["--from", "a"], "forward")])
def test_explain_json_matches_its_schema(run, facade, valid_json, options, outcome):
    value = valid_json(run("explain", "10.96.0.10:80", *options, "-o", "json"), "explain")
    assert value["outcome"] == outcome


def test_doctor_exits_6_only_for_a_failed_check(run, facade):
    assert "with 1 limitation" in run("doctor").stdout
    facade.levels = (Level.OK, Level.FAIL)
    out = run("doctor", code=6).stdout
    assert "fail  check fail: 6.1\n      upgrade\n" in out
    assert "cannot run balancer yet: 1 check failed" in out


@pytest.mark.parametrize(("level", "code"), [(Level.OK, 0), (Level.FAIL, 6)])
def test_doctor_json_matches_its_schema(run, facade, valid_json, level, code):
    facade.levels = (level,)
    value = valid_json(run("doctor", "-o", "json", code=code), "doctor")
    assert value["fit"] is (code == 0)


def test_detach_lists_what_went(run, facade, valid_json):
    assert run("detach").stdout == "removed link connect4\nremoved map frontends\n"
    assert valid_json(run("detach", "-o", "json"), "detach")["removed"][0] == "link connect4"
