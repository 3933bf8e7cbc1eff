"""The canary: `status` calls itself effective only where a process in a child cgroup was really answered."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import cgroups, pool
from harness.balancer import COMMAND
from harness.client import Client
from harness.foreign import Style, forbidding
from harness.host import Host
from harness.objects import plain, port, service
from harness.patience import until

from balancer.kernel import libbpf
from balancer.kernel.hooks import Hook
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Pins
from balancer.plan.entries import CGROUP_FLAGS, CGROUP_ID, INDEX, SETTING, MapName, Setting

VIP, VIP6 = pool.vip(1)


def _status(host: Host, code: int = 0) -> tuple[str, str]:
    """The effect, and what is said about the canary."""
    shown: dict[str, Any] = host.balancer.json("status", code=code)
    return shown["effect"], f"{shown['canary']['result']}: {shown['canary']['note']}"


def _cgroups(host: Host) -> set[Path]:
    return {path for path in host.cgroup.rglob("*") if path.is_dir()}


def test_a_process_in_a_child_cgroup_is_answered(host: Host) -> None:
    """Both families' programs are tried, whichever families the services have."""
    said = "worked: connect4 and connect6 answered a process in a child cgroup"
    for addresses in ((VIP,), (VIP, VIP6)):
        host.balancer.apply(service("web", port(80), ips=addresses))
        assert _status(host) == ("effective", said)


def test_nothing_is_left_and_nothing_leaves(host: Host) -> None:
    """No cgroup stays, and not one packet is sent, whether the connection is answered or not."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    before, packets = _cgroups(host), _packets(host)
    _status(host)
    with _opted_out(host):
        _status(host, code=6)
    assert (_cgroups(host), _packets(host)) == (before, packets)


def _packets(host: Host) -> str:
    """What the interfaces of the host's namespace have sent and received."""
    command = ["ip", "-n", host.netns, "-s", "link"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def _opted_out(host: Host) -> Iterator[None]:
    """All of the served cgroup is left untranslated: every hook is attached and none does anything."""
    live = Pins(host.balancer.bpffs).live()
    assert live is not None
    key = CGROUP_ID.pack(host.cgroup.stat().st_ino)
    with PinnedMaps(live.maps) as store:
        store.update(MapName.CGROUPS, [(key, CGROUP_FLAGS.pack(1))])
        store.update(MapName.SETTINGS, [(INDEX.pack(Setting.CGROUP_LEVELS), SETTING.pack(1 << 1))])
        try:
            yield
        finally:
            store.update(MapName.SETTINGS, [(INDEX.pack(Setting.CGROUP_LEVELS), SETTING.pack(0))])
            store.delete(MapName.CGROUPS, [key])


def test_attached_but_without_effect(host: Host, client: Client) -> None:
    """Eight hooks are in place and the canary is not answered: that is not effective, and status says why."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    with _opted_out(host):
        assert client.tcp(VIP, 80) == "ENETUNREACH"
        shown = host.balancer.json("status", code=6)
        assert all(hook["attached"] for hook in shown["attachments"])
        assert (shown["effect"], shown["canary"]["result"]) == ("ineffective", "failed")
        assert "our programs never saw it" in shown["canary"]["note"]
        checks = {check["name"]: check for check in host.balancer.json("doctor", code=6)["checks"]}
        assert checks["canary"]["level"] == "fail"
    assert _status(host)[0] == "effective"


def test_without_a_cluster_ip_it_is_unverified(host: Host) -> None:
    """Load balancer addresses leave other ports alone, so that a connection to one would be no proof."""
    host.balancer.apply(service("web", port(80), ips=()))
    assert _status(host) == ("unverified", "unverified: there is no cluster IP to try it with")


def test_where_no_child_cgroup_can_be_made_it_is_unverified(host: Host) -> None:
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    limit = host.cgroup / "cgroup.max.descendants"
    limit.write_text("0")
    try:
        effect, said = _status(host)
    finally:
        limit.write_text("max")
    assert effect == "unverified"
    assert f"no process could be put into a child of {host.cgroup}" in said


def test_a_program_of_others_that_forbids_everything_below_it(host: Host) -> None:
    """An exclusive program in a child cgroup does not hide ours, and the canary is no part of that child."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    child = cgroups.child(host.cgroup, "theirs")
    with forbidding(child, port=1, style=Style.EXCLUSIVE):
        assert _status(host)[0] == "effective"
        inner = host.balancer.run("status", "--cgroup", str(child), code=6)
    assert inner.stdout.startswith(
        "not effective: no hook is attached: the link is attached to another cgroup"
    )


def _in_a_container(host: Host, mount: Path, *arguments: str) -> dict[str, Any]:
    """A command's JSON where the only cgroup2 mount shows a part of the hierarchy as if it were all of it."""
    script = f'umount -l {cgroups.mount_point()} && mount -t cgroup2 none "$0" && exec "$@"'
    inside = ["unshare", "--cgroup", "--mount", "--propagation", "private", "sh", "-c", script, str(mount)]
    instance = host.balancer
    options = ["--bpffs", str(instance.bpffs), "--state", str(instance.state), "-o", "json"]
    command = host.place("container").command([*inside, str(COMMAND), *arguments, *options])
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    shown: dict[str, Any] = json.loads(ended.stdout)
    return shown


def test_a_part_that_looks_like_the_root_is_told_from_it(host: Host, tmp_path: Path) -> None:
    """A container's cgroup namespace: what is served there is not the host, and status and doctor say so."""
    host.balancer.write(plain("web", VIP, (pool.ONE,)))
    _in_a_container(host, tmp_path, "apply", "--allow-mass-delete", str(host.balancer.manifests))
    shown = _in_a_container(host, tmp_path, "status")
    assert shown["effect"] == "effective"
    assert [problem["file"] for problem in shown["problems"]] == [str(tmp_path)]
    assert "other processes of the host are not served" in shown["problems"][0]["message"]
    checks = {check["name"]: check for check in _in_a_container(host, tmp_path, "doctor")["checks"]}
    assert (checks["cgroup2"]["level"], "not the root" in checks["cgroup2"]["found"]) == ("warn", True)


def test_the_leftover_of_a_killed_status_is_removed(host: Host) -> None:
    """By the next one, once it is so old that no running command can be its owner."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    old = cgroups.child(host.cgroup, "balancer-canary-old")
    _status(host)
    assert old.exists()
    os.utime(old, (0, 0))
    assert time.time() - old.stat().st_mtime > 60
    _status(host)
    assert not old.exists()


def test_links_of_a_cgroup_that_was_made_anew(host: Host, kernel_ready: None) -> None:
    """The links die with their cgroup; the next pass puts them on its successor, with all records kept."""
    place = host.place("slice").cgroup
    assert place is not None
    host.balancer.write(plain("web", VIP, (pool.ONE,)))
    apply = ["apply", "--cgroup", str(place), str(host.balancer.manifests)]
    host.balancer.run(*apply)
    before = {hook: link.id for hook, link in Pins(host.balancer.bpffs).linked().items()}
    cgroups.remove(place)
    _wait_until_dead(host)
    place.mkdir()
    with Client(host.place("slice/app")) as reborn:
        assert reborn.tcp(VIP, 80) == "ENETUNREACH"
        shown = host.balancer.run("status", "--cgroup", str(place), code=6).stdout
        assert "the cgroup of the link is gone" in shown
        host.balancer.run(*apply)
        assert reborn.tcp(VIP, 80) == "one"
        assert host.balancer.run("status", "--cgroup", str(place)).stdout.startswith("working\n")
    after = {hook: link.id for hook, link in Pins(host.balancer.bpffs).linked().items()}
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_the_link_of_a_killed_attach_is_removed(host: Host, client: Client) -> None:
    """Killed between pinning a new link and putting it in place of the old one: the next pass drops it."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    links = Pins(host.balancer.bpffs).links
    (links / "connect4").rename(links / "connect4_new")
    assert client.tcp(VIP, 80) == "one"
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    assert sorted(path.name for path in links.iterdir()) == sorted(Hook)
    assert client.tcp(VIP, 80) == "one"


def _wait_until_dead(host: Host) -> None:
    """The kernel takes links off a removed cgroup in its own time."""
    until(lambda: not any(link.cgroup_id for link in _links(host)), "links stay", pause=0.01)


def _links(host: Host) -> list[libbpf.LinkInfo]:
    return list(Pins(host.balancer.bpffs).linked().values())
