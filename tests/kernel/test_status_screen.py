"""The first lines of status, for a host that is fine and for one that is not."""

from __future__ import annotations

from harness import pool
from harness.host import Host
from harness.objects import both, endpoint, endpoint_slice, plain, service
from harness.patience import until
from harness.watching import watching

VIP = pool.vip(1)[0]


def test_a_host_that_is_fine(host: Host) -> None:
    """One screen, whose first word is the verdict."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    lines = host.balancer.run("status").stdout.splitlines()
    assert lines[0] == "working"
    assert lines[1] == "next       nothing to do"
    assert lines[2].startswith("last pass  converged ")
    assert len(lines) < 24


def test_a_hook_that_is_detached(host: Host) -> None:
    """Says which one and the very command, and that command is the way out."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    (host.balancer.bpffs / "links" / "connect4").unlink()
    lines = host.balancer.run("status", code=6).stdout.splitlines()
    assert lines[0] == "not effective: 1 hook is not attached (connect4): no link is pinned"
    assert lines[1] == f"next       balancer apply {host.balancer.manifests}"
    host.balancer.run(*lines[1].split()[2:])
    assert host.balancer.run("status").stdout.splitlines()[0] == "working"


def test_a_stale_file_and_endpoints_told_from_its_last_good_content(host: Host) -> None:
    """Since when, and what to look at; explain tells from what is in force, not from what is on disk."""
    late = endpoint(pool.TWO, ready=False)
    slices = endpoint_slice("web", [endpoint(pool.ONE), late], *both(pool.PORT))
    host.balancer.write(service("web", *both(80), ips=(VIP,)), slices)
    with watching(host, host.balancer.manifests) as agent:
        file = host.balancer.put("objects.yaml", "kind: [")
        agent.until_logged("objects.yaml")
        until(lambda: host.balancer.json("status")["stale_files"], "no file is stale")
        lines = host.balancer.run("status").stdout.splitlines()
        assert lines[0] == "working with 1 stale file and 1 error"
        assert lines[1] == f"next       balancer validate {file}"
        assert any("last good content in force since " in line for line in lines)
        told = host.balancer.json("explain", f"{VIP}:80")
    assert (told["sources"], told["differences"]) == ("last_good", [])
    assert [(item["address"], item["words"]) for item in told["unused"]] == [(pool.TWO, "not ready")]
    assert any("is stale" in note for note in told["notes"])
