"""The outcome of passes as JSON, for the state file and nothing else: no schema promises its shape."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from balancer.model.problem import Origin, Problem, Severity
from balancer.state.memo import Memo
from balancer.views import LastPass, LivePolicy, Tally


def last_pass_to_json(last: LastPass) -> dict[str, Any]:
    return {
        "time": last.time.isoformat(),
        "result": last.result,
        "seconds": last.seconds,
        "frontends": last.frontends,
        "files": last.files,
        "changes": last.changes,
        "paths": list(last.paths),
        "digest": last.digest,
    }


def last_pass_from_json(item: dict[str, Any]) -> LastPass:
    fields = {"time": datetime.fromisoformat(item["time"]), "paths": tuple(item["paths"])}
    return LastPass(**{**item, **fields})


def tally_to_json(tally: Tally) -> dict[str, Any]:
    return {
        "passes": dict(tally.passes),
        "pass_seconds": tally.pass_seconds,
        "seconds": dict(tally.seconds),
        "counts": dict(tally.counts),
        "sockets_ended": tally.sockets_ended,
        "last_success": tally.last_success and tally.last_success.isoformat(),
    }


def tally_from_json(item: dict[str, Any]) -> Tally:
    last = item["last_success"]
    return Tally(**{**item, "last_success": last and datetime.fromisoformat(last)})


def policy_to_json(policy: LivePolicy) -> dict[str, Any]:
    return {
        "kind": policy.kind,
        "name": policy.name,
        "file": policy.file,
        "applies": policy.applies,
        "reason": policy.reason,
        "target": policy.target,
        "frontends": list(policy.frontends),
        "backends": list(policy.backends),
    }


def policy_from_json(item: dict[str, Any]) -> LivePolicy:
    lists = {"frontends": tuple(item["frontends"]), "backends": tuple(item["backends"])}
    return LivePolicy(**{**item, **lists})


def problem_to_json(problem: Problem) -> dict[str, Any]:
    origin = problem.origin
    return {
        "file": origin.file,
        "line": origin.line,
        "column": origin.column,
        "object": problem.object,
        "path": problem.path,
        "severity": str(problem.severity),
        "message": problem.message,
        "excerpt": problem.excerpt,
        "excerpt_column": problem.excerpt_column,
    }


def problem_from_json(item: dict[str, Any]) -> Problem:
    return Problem(
        origin=Origin(file=item["file"], line=item["line"], column=item["column"]),
        object=item["object"],
        path=item["path"],
        severity=Severity(item["severity"]),
        message=item["message"],
        excerpt=item["excerpt"],
        excerpt_column=item["excerpt_column"],
    )


def memo_to_json(memo: Memo) -> dict[str, Any]:
    return {
        "files": memo.files,
        "basis": memo.basis,
        "maps": memo.maps,
        "names": memo.names,
        "found": [problem_to_json(problem) for problem in memo.found],
        "said": [problem_to_json(problem) for problem in memo.said],
    }


def memo_from_json(item: dict[str, Any]) -> Memo:
    problems = {name: tuple(problem_from_json(one) for one in item[name]) for name in ("found", "said")}
    return Memo(**{**item, **problems})
