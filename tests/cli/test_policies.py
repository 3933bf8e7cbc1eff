"""get policies, and explain's chain of priorities: the same truth as text and as JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from balancer.desired.types import Action, Source
from balancer.errors import NotLoaded
from balancer.views import Use
from cli.fakes import LIVE, WARNING, link, loaded_of

SERVICE = "Service default/web"
REDIRECT = link(Use.USED, Source.LOCAL_REDIRECT, "LocalRedirectPolicy dns")
BALANCING = link(Use.FALLBACK, Source.BALANCING, "BalancingPolicy far")
LAST = link(Use.UNUSED, Source.SERVICE, SERVICE, port_name="http", backends=None)


def test_get_policies_says_where_they_apply_and_why_not(run, facade):
    lines = run("get", "policies").stdout.splitlines()
    assert lines[1].split() == [
        *["LocalRedirectPolicy", "dns", "Service", "default/web", "yes", "10.96.0.10:80/TCP"],
        *["10.244.1.5:8080", "9", "2", "1", "-", "b.yaml:4"],
    ]
    assert lines[2].split() == [
        *["BalancingPolicy", "far", "-", "no", "-", "-", "9", "2", "1", "no", "such", "service", "c.yaml:1"]
    ]


def test_get_policies_from_files_has_no_counts(run, facade, valid_json):
    value = valid_json(run("get", "policies", "--from", "a", "--from", "b", "-o", "json"), "get-policies")
    assert facade.calls == ["compute a b", "file_policies"]
    assert [item["forwarded"] for item in value["policies"]] == [None, None]
    row = run("get", "policies", "--from", "a").stdout.splitlines()[1].split()
    assert row[-5:] == ["-", "-", "-", "-", "b.yaml:4"]


def test_get_policies_from_files_says_that_there_are_problems(run, facade):
    facade.loaded = loaded_of(WARNING)
    assert "0 errors, 1 warning in these files" in run("get", "policies", "--from", "a").stderr


def test_get_policies_without_programs_exits_6(run, facade):
    facade.failure = NotLoaded("nothing is loaded", hint="run balancer apply")
    assert "nothing is loaded" in run("get", "policies", code=6).stderr


def test_explain_lists_the_priorities_from_the_one_that_decides_down(run, facade, valid_json):
    facade.frontend = replace(LIVE, source=Source.LOCAL_REDIRECT, rate=100, fell_back=2, rate_limited=1)
    facade.chain = (REDIRECT, BALANCING, LAST)
    lines = run("explain", "10.96.0.10:80", "--from", "a").stdout.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("  chain"))
    assert [line.strip() for line in lines[start : start + 6]] == [
        "chain     1. localRedirect: LocalRedirectPolicy dns (a.yaml:1): forward to 10.244.1.5:8080",
        "used: connections up to 100/s but those of its own backends",
        "2. balancing: BalancingPolicy far (a.yaml:1): forward to 10.244.1.5:8080",
        "fallback: connections of the redirect's own backends and those above 100/s",
        "3. service: Service default/web (http) (a.yaml:1): forward",
        "unused: no connections, as long as what is above decides",
    ]
    assert "  counted   7 forwarded, 0 rejected; 2 of its own backends, 1 above the rate" in lines


def test_a_redirect_without_a_next_priority_refuses_its_own_backends(run, facade):
    facade.frontend = replace(LIVE, source=Source.LOCAL_REDIRECT)
    facade.chain = (REDIRECT,)
    out = run("explain", "10.96.0.10:80", "--from", "a").stdout
    assert "used: all connections but those of its own backends\n" in out
    assert "fallback: connections of the redirect's own backends: refuse\n" in out


def test_a_balancing_policy_takes_all_connections(run, facade):
    facade.chain = (replace(BALANCING, use=Use.USED), replace(LAST, action=Action.REFUSE, backends=()))
    out = run("explain", "10.96.0.10:80", "--from", "a").stdout
    assert "used: all connections\n" in out
    assert "2. service: Service default/web (http) (a.yaml:1): refuse\n" in out


@pytest.mark.parametrize("chain", [(), (replace(LAST, use=Use.USED),)])
def test_no_chain_is_shown_where_no_policy_has_a_part(run, facade, chain):
    facade.chain = chain
    assert "chain" not in run("explain", "10.96.0.10:80", "--from", "a").stdout


def test_the_chain_as_json_matches_its_schema(run, facade, valid_json):
    facade.chain = (REDIRECT, BALANCING, LAST)
    value = valid_json(run("explain", "10.96.0.10:80", "--from", "a", "-o", "json"), "explain")
    assert [(item["use"], item["source"]) for item in value["chain"]] == [
        ("used", "localRedirect"),
        ("fallback", "balancing"),
        ("unused", "service"),
    ]
    assert value["chain"][2]["backends"] is None
