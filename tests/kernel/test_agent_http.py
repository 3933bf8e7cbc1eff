"""What a real agent serves: metrics, health that follows the kernel, and the page, at one address or two."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from harness import cgroups, pool
from harness.agent import Watch
from harness.balancer import to_yaml
from harness.host import Host
from harness.objects import plain
from harness.patience import until
from harness.place import Place
from harness.units import confined

WEB = pool.vip(1)[0]
HERE, THERE = "127.0.0.1:9464", "127.0.0.1:9465"
ONE = to_yaml(plain("web", WEB, (pool.ONE,)))


def _get(host: Host, path: str, at: str = HERE) -> tuple[int, str]:
    """Status and body as a client in the host's namespace gets them; 0 where nobody listens."""
    command = ["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", f"http://{at}{path}"]
    done = subprocess.run(Place(netns=host.netns).command(command), capture_output=True, text=True)
    body, _, code = done.stdout.rpartition("\n")
    return int(code or 0), body


def _until(host: Host, path: str, code: int, said: str = "") -> str:
    """The body of the first answer with this code and these words."""
    found = (0, "")

    def is_so() -> bool:
        nonlocal found
        found = _get(host, path)
        return found[0] == code and said in found[1]

    until(is_so, lambda: f"{path}: {found}, not {code} {said!r}", pause=0.1)
    return found[1]


@pytest.fixture
def web(host: Host) -> Iterator[Host]:
    """A host with one service, and no state of an agent before."""
    shutil.rmtree(host.balancer.manifests)
    host.balancer.manifests.mkdir()
    for file in host.balancer.state.parent.glob(f"{host.balancer.state.name}*"):
        file.unlink()
    host.balancer.put("web.yaml", ONE)
    yield host
    host.balancer.config.unlink(missing_ok=True)


def test_ready_is_said_when_services_are_in_force_and_not_before(web: Host) -> None:
    """And the answers are there while the agent still waits for its directory."""
    (web.balancer.manifests / "web.yaml").unlink()
    with Watch(web, "--metrics-listen", HERE):
        assert "waiting" in _until(web, "/readyz", 503, "waiting")
        assert _get(web, "/healthz")[0] == 503
        assert "balancer_build_info{" in _get(web, "/metrics")[1]
        web.balancer.put("web.yaml", ONE)
        _until(web, "/readyz", 200)
        _until(web, "/healthz", 200)


def test_metrics_tell_of_traffic_passes_and_the_process(web: Host) -> None:
    with Watch(web, "--metrics-listen", HERE) as watch:
        watch.wait("start: ")
        assert web.client.tcp(WEB, 80) == "one"
        time.sleep(1.1)  # answers are made once for all who ask within a second
        found = _get(web, "/metrics")[1]
        assert "balancer_decisions_total{" in found
        assert 'service="web"' in found
        assert "process_resident_memory_bytes" in found
        assert 'balancer_passes_total{result="converged"} 1.0' in found
        assert _get(web, "/")[0] == 404


def test_health_follows_a_foreign_detach_and_the_repair(web: Host) -> None:
    """What somebody else removes from the kernel shows without a pass; the next pass brings it back."""
    with Watch(web, "--metrics-listen", HERE) as watch:
        _until(web, "/healthz", 200)
        web.balancer.run("detach")
        _until(web, "/healthz", 503, "nothing is loaded")
        assert "balancer_loaded 0.0" in _get(web, "/metrics")[1]
        assert _get(web, "/readyz")[0] == 200
        watch.look()
        _until(web, "/healthz", 200)
        assert web.client.tcp(WEB, 80) == "one"


def test_health_follows_a_pass_that_fails_and_one_that_does_not(web: Host) -> None:
    """A file with an error is no failing pass: everything else is as it should be, and it is told."""
    many = [plain(f"s{number}", f"10.96.1.{number}", (pool.ONE,)) for number in range(80)]
    web.balancer.config.write_text("map_limits: {frontends: 64}\n")
    with Watch(web, "--metrics-listen", HERE) as watch:
        _until(web, "/healthz", 200)
        web.balancer.put("many.yaml", to_yaml(item for each in many for item in each))
        assert "pass failed: the desired state does not fit" in _until(web, "/healthz", 503, "map frontends")
        assert _get(web, "/readyz")[0] == 200
        (web.balancer.manifests / "many.yaml").unlink()
        _until(web, "/healthz", 200)
        web.balancer.put("web.yaml", "kind: Service\n")
        watch.wait("1 stale")
        _until(web, "/healthz", 200, "1 stale file")


def test_health_follows_a_cgroup_that_is_gone(web: Host) -> None:
    """The kernel drops the attachment with the cgroup; with another one of that name, it is made anew."""
    path = web.balancer.cgroup
    own = cgroups.child(path, "served")
    try:
        with Watch(web, "--metrics-listen", HERE, "--cgroup", str(own)) as watch:
            _until(web, "/healthz", 200)
            own.rmdir()
            _until(web, "/healthz", 503)
            own.mkdir()
            watch.look()
            _until(web, "/healthz", 200)
    finally:
        own.rmdir()


def test_two_addresses_are_two_servers_and_one_is_one(web: Host) -> None:
    """The page is not given to who only asked for metrics; where both are one address, all is there. What is
    bound to loopback is not reached from elsewhere.
    """
    with Watch(web, "--metrics-listen", HERE, "--http-listen", "[::]:9465") as watch:
        watch.wait("start: ")
        assert [_get(web, path)[0] for path in ("/", "/api/v1/state", "/metrics")] == [404, 404, 200]
        assert [_get(web, path, THERE)[0] for path in ("/", "/metrics", "/healthz")] == [200, 200, 200]
        state = json.loads(_get(web, "/api/v1/state", THERE)[1])
        assert [item["address"] for item in state["frontends"]] == [WEB, WEB]
        assert _get(web, "/readyz", f"{pool.OWN[0]}:9464")[0] == 0
        assert [_get(web, "/readyz", f"{at}:9465")[0] for at in (pool.OWN[0], f"[{pool.OWN[1]}]")] == [
            200,
            200,
        ]
    with Watch(web, "--metrics-listen", ":9464", "--http-listen", HERE) as watch:
        listening = watch.wait("status page")
        watch.wait("start: ")
        assert f"status page, metrics and health at http://{HERE}" in listening
        assert len([line for line in watch.lines if " at http://" in line]) == 1
        assert [_get(web, path)[0] for path in ("/", "/metrics", "/readyz")] == [200, 200, 200]


def test_a_port_in_use_ends_it_before_anything_is_done(web: Host) -> None:
    """Exit 6, who to ask, and the kernel as it was."""
    with Watch(web, "--metrics-listen", HERE) as watch:
        watch.wait("start: ")
        before = web.balancer.state.stat().st_mtime_ns
        path = str(web.balancer.manifests)
        said = web.balancer.run("watch", "--http-listen", HERE, path, code=6).stderr
        assert f"error: cannot listen on {HERE}: Address already in use" in said
        assert "hint: another program listens there" in said
        assert web.balancer.state.stat().st_mtime_ns == before


def test_answers_come_while_a_pass_is_held_up(web: Host) -> None:
    """Another reconciler holds the lock, for longer than anybody waits; whoever probes does not wait for it."""
    lock = ["flock", str(web.balancer.bpffs), "sh", "-c", "echo held; exec sleep 600"]
    web.balancer.config.write_text("lock_timeout_seconds: 600\n")
    with Watch(web, "--http-listen", HERE) as watch:
        _until(web, "/healthz", 200)
        with subprocess.Popen(lock, stdout=subprocess.PIPE, text=True, start_new_session=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            web.balancer.put("web.yaml", to_yaml(plain("web", WEB, (pool.TWO,))))
            time.sleep(0.5)
            codes = [_get(web, path)[0] for path in ("/healthz", "/readyz", "/metrics", "/", "/api/v1/state")]
            assert codes == [200] * 5
            assert web.client.tcp(WEB, 80) == "one"
            os.killpg(holder.pid, signal.SIGKILL)
        watch.wait("2 changed")
        assert web.client.tcp(WEB, 80) == "two"


def test_clients_that_only_hold_on_do_not_hold_up_a_pass(web: Host) -> None:
    """A hundred connections that never ask for anything."""
    script = (
        "import socket, sys\n"
        "held = [socket.create_connection(('127.0.0.1', 9464)) for _ in range(100)]\n"
        "print('held', flush=True)\ninput()\n"
    )
    command = Place(netns=web.netns).command(["/usr/bin/python3", "-c", script])
    with Watch(web, "--metrics-listen", HERE) as watch:
        _until(web, "/healthz", 200)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            web.balancer.put("web.yaml", to_yaml(plain("web", WEB, (pool.TWO,))))
            watch.wait("2 changed")
            process.kill()
        _until(web, "/healthz", 200)


def test_the_units_restrictions_are_enough(web: Host) -> None:
    """The canary of /healthz makes a process and a cgroup, with the capabilities of a pass and no more."""
    confine = confined("balancer.service", web.balancer.state.parent)
    path = str(web.balancer.manifests)
    with web.balancer.start("watch", "--http-listen", HERE, path, prefix=confine) as process:
        try:
            assert _until(web, "/healthz", 200).startswith("ok")
            assert [_get(web, path)[0] for path in ("/metrics", "/", "/api/v1/state")] == [200, 200, 200]
        finally:
            process.kill()
