"""The commands that need no root, from real files to their output, with nothing replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

MANIFESTS = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.10
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.1.5], nodeName: n1}, {addresses: [10.244.2.5]}]
"""
BROKEN = """\
apiVersion: v1
kind: Service
metadata: {name: bad, namespace: default}
spec:
  clusterIP: 10.96.0.11
  ports: [{port: 99999}]
"""
POLICIES = """\
apiVersion: balancing.elf.io/v1beta1
kind: LocalRedirectPolicy
metadata: {name: near}
spec:
  frontend: {serviceMatcher: {namespace: default, serviceName: web}}
  backend:
    endpointSelector: {matchLabels: {app: web}}
    toPorts: [{port: "9090", protocol: TCP, name: http}]
---
apiVersion: balancing.elf.io/v1beta1
kind: BalancingPolicy
metadata: {name: far}
spec:
  frontend: {serviceMatcher: {namespace: default, serviceName: web}}
  backend:
    addressEndpoint:
      addresses: [192.0.2.7]
      toPorts: [{port: "80", protocol: TCP, name: http}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-n1, namespace: default, labels: {app: web}}
spec: {nodeName: n1}
status: {podIP: 10.244.1.9, podIPs: [{ip: 10.244.1.9}], conditions: [{type: Ready, status: "True"}]}
"""


@pytest.fixture
def manifests(run) -> str:
    """A directory with one good file, in the working directory that `run` has made."""
    Path("dir").mkdir()
    Path("dir/web.yaml").write_text(MANIFESTS)
    return "dir"


@pytest.fixture
def policies(manifests) -> str:
    """The same directory with a policy of each kind on the service, and a pod of node n1 for one."""
    Path(manifests, "policies.yaml").write_text(POLICIES)
    return manifests


def test_plan_from_empty(run, manifests, valid_json):
    value = valid_json(run("plan", "--from-empty", manifests, "-o", "json", "--node", "n1"), "plan")
    assert value == {
        "frontends": [
            {
                "address": "10.96.0.10",
                "port": 80,
                "protocol": "TCP",
                "kind": "ClusterIP",
                "object": "Service default/web",
                "port_name": "http",
                "source": "service",
                "file": "dir/web.yaml:1",
                "action": "forward",
                "affinity_seconds": 0,
                "backends": [
                    {"address": "10.244.1.5", "port": 8080, "node": "n1", "weight": 1},
                    {"address": "10.244.2.5", "port": 8080, "node": None, "weight": 1},
                ],
                "fallback": [],
            }
        ],
        "problems": [],
    }


def test_plan_from_empty_names_what_it_leaves_out(run, manifests, valid_json):
    Path("dir/bad.yaml").write_text(BROKEN)
    value = valid_json(run("plan", "--from-empty", manifests, "-o", "json", code=3), "plan")
    assert [item["object"] for item in value["frontends"]] == ["Service default/web"]
    assert [(item["file"], item["path"]) for item in value["problems"]] == [
        ("dir/bad.yaml", "$.spec.ports[0].port")
    ]


def test_validate(run, manifests, valid_json):
    assert run("validate", manifests).stdout == "1 file: 1 Service, 1 EndpointSlice; 0 errors, 0 warnings\n"
    Path("dir/bad.yaml").write_text(BROKEN)
    out = run("validate", manifests, code=3).stdout
    assert "dir/bad.yaml:6:18: error: Service default/bad: $.spec.ports[0].port:" in out
    assert "\n  ports: [{port: 99999}]\n                 ^\n" in out
    value = valid_json(run("validate", manifests, "-o", "json", code=3), "validate")
    assert (value["files"], value["errors"]) == (2, 1)


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [("10.96.0.10:80", "forward"), ("10.96.0.10:81", "refuse"), ("192.0.2.1:80", "pass")],
)
def test_explain_from_files(run, manifests, valid_json, asked, outcome):
    value = valid_json(run("explain", asked, "--from", manifests, "-o", "json"), "explain")
    assert value["outcome"] == outcome
    assert (value["frontend"] is not None) == (outcome == "forward")


def test_explain_text_names_the_line(run, manifests):
    lines = run("explain", "10.96.0.10:80", "--from", manifests).stdout.splitlines()
    assert lines[0] == "10.96.0.10:80/TCP: forward"
    assert "  source    dir/web.yaml:1" in lines


def test_a_missing_directory_exits_3(run):
    assert "balancer: error: cannot read none" in run("validate", "none", code=3).stderr


def test_apply_of_broken_manifests_never_looks_at_the_kernel(run, manifests, valid_json):
    """Exit 3 without root: the files are judged before anything else is opened."""
    Path("dir/bad.yaml").write_text(BROKEN)
    value = valid_json(run("apply", manifests, "-o", "json", "--bpffs", "/nowhere", code=3), "apply")
    assert value["result"] == "refused"


def test_plan_from_empty_with_policies(run, policies, valid_json):
    """localRedirect goes before balancing, which goes before the service; the loser is the fallback."""
    value = valid_json(run("plan", "--from-empty", policies, "-o", "json", "--node", "n1"), "plan")
    (shown,) = value["frontends"]
    assert (shown["source"], shown["object"]) == ("localRedirect", "LocalRedirectPolicy near")
    assert shown["file"] == "dir/policies.yaml:1"
    assert [item["address"] for item in shown["backends"]] == ["10.244.1.9"]
    assert [item["address"] for item in shown["fallback"]] == ["192.0.2.7"]
    (shown,) = valid_json(run("plan", "--from-empty", policies, "-o", "json", "--node", "n2"), "plan")[
        "frontends"
    ]
    assert (shown["source"], len(shown["fallback"])) == ("balancing", 2)


def test_validate_counts_policies(run, policies):
    said = run("validate", policies).stdout.splitlines()[-1]
    assert "1 LocalRedirectPolicy, 1 BalancingPolicy; 0 errors" in said


def test_get_policies_from_files(run, policies, valid_json):
    value = valid_json(
        run("get", "policies", "--from", policies, "--node", "n1", "-o", "json"), "get-policies"
    )
    far, near = value["policies"]
    assert (near["name"], near["applies"], near["reason"]) == ("near", True, "")
    assert (near["target"], near["file"]) == ("Service default/web", "dir/policies.yaml:1")
    assert near["frontends"] == ["10.96.0.10:80/TCP"]
    assert near["backends"] == ["10.244.1.9:9090"]
    assert (far["name"], far["frontends"]) == ("far", [])
    assert "LocalRedirectPolicy near" in far["reason"]


def test_explain_from_files_shows_the_chain(run, policies, valid_json):
    value = valid_json(
        run("explain", "10.96.0.10:80", "--from", policies, "--node", "n1", "-o", "json"), "explain"
    )
    assert [(item["use"], item["object"], item["file"]) for item in value["chain"]] == [
        ("used", "LocalRedirectPolicy near", "dir/policies.yaml:1"),
        ("fallback", "BalancingPolicy far", "dir/policies.yaml:10"),
        ("unused", "Service default/web", "dir/web.yaml:1"),
    ]


def test_explain_from_files_says_why_a_policy_has_no_part(run, policies, valid_json):
    """On a host without a pod of the redirect's, the next priority answers."""
    args = ("explain", "10.96.0.10:80", "--from", policies, "--node", "n2", "-o", "json")
    value = valid_json(run(*args), "explain")
    assert [item["source"] for item in value["chain"]] == ["balancing", "service"]
    (note,) = (note for note in value["notes"] if note.startswith("LocalRedirectPolicy near"))
    assert note.startswith("LocalRedirectPolicy near (dir/policies.yaml:1) has no part in this: no ready pod")
