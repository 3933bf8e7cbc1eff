"""The units of the samples run by a real systemd, with every restriction they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.balancer import to_yaml
from harness.host import Host, lone_host
from harness.objects import plain
from harness.patience import until
from harness.systemd import Systemd, systemd
from harness.units import capabilities

VIP = pool.vip(1)[0]
STATE = "/srv/.config/balancer/state.json"  # where this sort of manager has its StateDirectory=
# Bits of capabilities(7).
BITS = {"dac_read_search": 2, "net_admin": 12, "sys_ptrace": 19, "sys_admin": 21}


@pytest.fixture(scope="module")
def host(kernel_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with lone_host(tmp_path_factory.mktemp("host"), addresses=pool.HOST_ADDRESSES) as made:
        pool.start(made)
        yield made


@pytest.fixture(scope="module")
def manager(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systemd]:
    settings = {
        "MANIFESTS": "/srv/manifests",
        "BALANCER_CGROUP": str(host.cgroup),
        "BALANCER_STATE": STATE,
        "BALANCER_NODE": host.node,
    }
    with systemd(host.netns, tmp_path_factory.mktemp("systemd"), settings) as made:
        made.run("mkdir /srv/manifests")
        yield made


def _serve(manager: Systemd, tmp_path: Path, backend: str) -> None:
    (tmp_path / "web.yaml").write_text(to_yaml(plain("web", VIP, (backend,))))
    code, said = manager.run(
        f"cp {tmp_path}/web.yaml /srv/manifests/.new && mv /srv/manifests/.new /srv/manifests/web.yaml"
    )
    assert code == 0, said


def test_one_pass_and_no_process(host: Host, manager: Systemd, tmp_path: Path) -> None:
    _serve(manager, tmp_path, pool.ONE)
    code, said = manager.ctl("start", "balancer-apply.service")
    assert code == 0, said + manager.ctl("status", "balancer-apply.service")[1]
    assert manager.show("balancer-apply.service", "SubState") == "exited"
    assert host.client.tcp(VIP, 80) == "one"


def test_the_agent_is_ready_follows_and_stops(host: Host, manager: Systemd, tmp_path: Path) -> None:
    """Start returns when services are in force; stopping leaves them."""
    _serve(manager, tmp_path, pool.ONE)
    code, said = manager.ctl("start", "balancer.service")
    assert code == 0, said + manager.ctl("status", "balancer.service")[1]
    assert host.client.tcp(VIP, 80) == "one"
    _serve(manager, tmp_path, pool.FOUR_ADDRESSES[1])
    until(lambda: host.client.tcp(VIP, 80) == "two", "the change was not followed")
    until(lambda: "change of /srv/manifests/web.yaml" in _status(manager), lambda: _status(manager))
    assert manager.ctl("reload", "balancer.service")[0] == 0
    until(lambda: _status(manager).startswith("reload"), lambda: _status(manager))
    assert manager.ctl("stop", "balancer.service")[0] == 0
    assert manager.show("balancer.service", "Result") == "success"
    assert host.client.tcp(VIP, 80) == "two"


def test_the_agent_has_what_it_was_granted(host: Host, manager: Systemd, tmp_path: Path) -> None:
    _serve(manager, tmp_path, pool.ONE)
    assert manager.ctl("start", "balancer.service")[0] == 0
    _, status = manager.run(f"cat /proc/{manager.show('balancer.service', 'MainPID')}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == sum(1 << BITS[name] for name in capabilities("balancer.service"))
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    manager.ctl("stop", "balancer.service")


def test_a_timer_has_a_pass_to_start_again_and_again(host: Host, manager: Systemd, tmp_path: Path) -> None:
    """systemd.timer(5): a timer starts a unit only if it is not running."""
    _serve(manager, tmp_path, pool.FOUR_ADDRESSES[1])
    for _ in range(2):
        code, said = manager.ctl("start", "balancer-apply@edge.service")
        assert (code, manager.show("balancer-apply@edge.service", "ActiveState")) == (0, "inactive"), said
    assert host.client.tcp(VIP, 80) == "two"
    assert manager.ctl("start", "balancer-apply@edge.timer")[0] == 0
    assert manager.show("balancer-apply@edge.timer", "Unit") == "balancer-apply@edge.service"
    assert manager.show("balancer-apply@edge.timer", "SubState") in ("waiting", "running")


def _status(manager: Systemd) -> str:
    """What the agent says of itself."""
    return manager.show("balancer.service", "StatusText")
