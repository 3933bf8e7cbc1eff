"""What a real agent logs: lines that programs can read, one a pass, and nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import pool, schemas
from harness.agent import Watch, failed_passes
from harness.balancer import to_yaml
from harness.host import Host
from harness.objects import plain
from harness.patience import PATIENCE_SECONDS, until

WEB, DNS, BASE = (pool.vip(number)[0] for number in (1, 2, 3))
BROKEN = "kind: Service\napiVersion: v1\nmetadata: {name: web, namespace: default}\nspec: {clusterIP: 5}\n"


class Log:
    """The JSON lines of an agent, each as published, in order."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._taken = 0

    def until(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Every line not taken yet, up to the first of this event with these fields."""
        taken = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            for line in self._watch.lines[self._taken :]:
                self._taken += 1
                value = json.loads(line)
                schemas.check("log", value)
                taken.append(value)
                if value["event"] == event and fields.items() <= value.items():
                    return taken
            time.sleep(0.01)
        raise AssertionError(f"no {event} {fields} in {taken}")


def _web(*backends: str) -> str:
    return to_yaml(plain("web", WEB, backends))


@pytest.fixture
def web(host: Host) -> Iterator[Host]:
    """A host with a service in force, and another one in its directory."""
    shutil.rmtree(host.balancer.manifests)
    host.balancer.manifests.mkdir()
    host.balancer.apply(plain("base", BASE, (pool.ONE,)))
    for file in host.balancer.state.parent.glob(f"{host.balancer.state.name}*"):
        file.unlink()
    host.balancer.put("web.yaml", _web(pool.ONE))
    yield host
    host.balancer.config.unlink(missing_ok=True)


def test_one_line_a_pass_says_what_changed(web: Host) -> None:
    """From the start over a new file and a changed one to a deleted one."""
    with Watch(web, "--log-format", "json") as watch:
        log = Log(watch)
        [start] = log.until("pass")
        assert (start["cause"], start["added"]["names"], start["files_read"]) == ("start", ["default/web"], 2)
        assert (start["programs_loaded"], start["frontends"]) == (False, 4)
        assert set(start["stages"]) >= {"read", "compute", "write"}
        dns = web.balancer.put("dns.yaml", to_yaml(plain("dns", DNS, (pool.ONE,))))
        [added] = log.until("pass")
        assert (added["cause"], added["added"]["names"]) == ("change", ["default/dns"])
        assert (added["files_changed"], added["files_read"]) == ([str(dns)], 1)
        web.balancer.put("web.yaml", _web(pool.TWO))
        [changed] = log.until("pass")
        assert (changed["changed"]["names"], changed["sockets_ended"]) == (["default/web"], 0)
        dns.unlink()
        [deleted] = log.until("pass")
        assert deleted["deleted"]["names"] == ["default/dns"]
        assert deleted["seconds"] >= sum(deleted["stages"].values()) * 0.9


def test_a_problem_is_logged_when_it_comes_and_when_it_goes_and_not_between(web: Host) -> None:
    """Not at a pass without a change, and not when a line above it is added."""
    web.balancer.config.write_text("resync_seconds: 1\nlog_format: json\nlog_level: debug\n")
    with Watch(web) as watch:
        log = Log(watch)
        log.until("pass")
        file = web.balancer.put("web.yaml", BROKEN)
        seen = log.until("pass", cause="change")
        found = [line for line in seen if line["event"] == "problem"]
        assert {line["file"] for line in found} == {str(file)}
        assert found[0]["line"] == 4
        web.balancer.put("web.yaml", f"# more\n{BROKEN}")
        seen = [*log.until("pass", cause="change"), *log.until("pass"), *log.until("pass")]
        assert {line["event"] for line in seen} == {"pass"}
        assert seen[-1]["stale_files"] == 1
        assert (seen[-1]["cause"], seen[-1]["level"]) == ("timer", "debug")
        web.balancer.put("web.yaml", _web(pool.TWO))
        solved = [line for line in log.until("pass", cause="change") if line["event"] != "pass"]
        assert [line["event"] for line in solved] == ["solved"] * len(found)
        assert solved[0]["line"] == 5


def test_a_failing_pass_is_logged_once_and_when_it_is_over(web: Host) -> None:
    """The state of maps that are limited too far does not change from try to try."""
    many = [plain(f"s{number}", f"10.96.1.{number}", (pool.ONE,)) for number in range(80)]
    web.balancer.config.write_text("map_limits: {frontends: 64}\n")
    with Watch(web, "--log-format", "json") as watch:
        log = Log(watch)
        log.until("pass")
        web.balancer.put("many.yaml", to_yaml(item for each in many for item in each))
        [failed] = log.until("pass_failed")
        assert (failed["kind"], failed["level"], failed["failures"]) == ("CapacityExceeded", "error", 1)
        assert "map frontends" in failed["error"]
        assert "map_limits.frontends" in failed["hint"]
        watch.look()
        until(lambda: failed_passes(web) >= 2, "it was not tried again")
        (web.balancer.manifests / "many.yaml").unlink()
        assert [line["event"] for line in log.until("pass")] == ["pass"]
        assert log.until("recovered")[-1]["failures"] >= 2


def test_what_ends_the_agent_at_once_is_a_json_line_too(web: Host) -> None:
    """Nothing but JSON is on the stream, and the exit code is that of the error."""
    web.balancer.config.write_text("cgroup: /nowhere\n")
    with web.balancer.start("watch", "--log-format", "json", "--cgroup", "/nowhere", "missing") as process:
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    for line in said.splitlines():
        schemas.check("log", json.loads(line))
    result = web.balancer.run(
        "watch", "--log-format", "json", "--cgroup", "/nowhere", str(web.balancer.manifests), code=6
    )
    [fatal] = [json.loads(line) for line in result.stderr.splitlines()]
    schemas.check("log", fatal)
    assert (fatal["event"], "/nowhere" in fatal["message"]) == ("fatal", True)


def test_text_is_one_line_a_message(web: Host) -> None:
    """Time, level and message; the level says what is left out."""
    with Watch(web) as watch:
        line = watch.wait("start: ")
        time_of, level, message = line.split(" ", 2)
        assert time.strptime(time_of, "%Y-%m-%dT%H:%M:%SZ")
        assert (level, message.split(" in ")[0]) == ("INFO", "start: 2 added, 0 changed, 0 deleted")
        assert message.endswith(" s; added default/web; 4 frontends from 2 files, 2 read")
    with Watch(web, "--log-level", "error") as watch:
        assert web.client.tcp(WEB, 80) == "one"
        web.balancer.put("web.yaml", BROKEN)
        assert " ERROR " in watch.wait("web.yaml:")
        assert all(" ERROR " in line for line in watch.lines)


def test_in_the_journal_lines_have_a_priority_and_no_second_time(web: Host, tmp_path: Path) -> None:
    """systemd.exec(5): $JOURNAL_STREAM is device and inode of what the output is connected to."""
    read, write = os.pipe()
    found = os.fstat(write)
    os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
    try:
        script = f'exec "$@" 2>/proc/{os.getpid()}/fd/{write}'
        with web.balancer.start(
            "watch", str(web.balancer.manifests), prefix=["sh", "-c", script, "sh"]
        ) as process:
            with os.fdopen(read) as journal:
                line = journal.readline()
            process.kill()
    finally:
        del os.environ["JOURNAL_STREAM"]
        os.close(write)
    assert line.startswith("<6>INFO start: ")
