"""Cgroup programs of others at the served cgroup, above it and below it: theirs keep working, and so do ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import cgroups, pool
from harness.client import Client, Way
from harness.foreign import Style, filtering, forbidding
from harness.host import Host
from harness.objects import plain

VIP = pool.vip(1)[0]


@pytest.fixture
def served(host: Host) -> Host:
    """The host with one service."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    return host


@pytest.fixture
def inside(host: Host) -> Iterator[Client]:
    """A process two levels below the served cgroup, in a part that somebody else manages."""
    with Client(host.place("theirs/app")) as made:
        yield made


@pytest.mark.parametrize("style", list(Style))
def test_a_program_below_ours(served: Host, client: Client, inside: Client, style: Style) -> None:
    """However it is attached there, both run: a link counts as BPF_F_ALLOW_MULTI, which descendants cannot
    turn off. Theirs runs first, and so sees the service's port and not the backend's.
    """
    with forbidding(served.cgroup / "theirs", port=80, style=style):
        assert (inside.tcp(VIP, 80), inside.tcp(VIP, 81)) == ("EPERM", "ECONNREFUSED")
        assert (inside.tcp(pool.ONE, pool.PORT), client.tcp(VIP, 80)) == ("one", "one")
    with forbidding(served.cgroup / "theirs", port=999, style=style):
        assert {inside.one(way, VIP, 80).outcome for way in Way} == {"one"}
        assert inside.tcp(pool.ONE, 999) == "EPERM"


@pytest.mark.parametrize("style", [Style.LINK, Style.MULTI])
def test_in_one_cgroup_programs_run_in_the_order_of_attachment(
    served: Host, client: Client, style: Style
) -> None:
    """Attached after ours, a program sees the backend's port; attached before, the service's."""
    with forbidding(served.cgroup, port=pool.PORT, style=style):
        assert client.tcp(VIP, 80) == "EPERM"
        served.balancer.run("detach")
        served.balancer.apply(plain("web", VIP, (pool.ONE,)))
        assert client.tcp(VIP, 80) == "one"


def test_a_program_above_ours_runs_after_ours(served: Host, inside: Client) -> None:
    """Serving a part of the tree, what is attached above sees what ours have made of the call."""
    part = str(served.cgroup / "theirs")
    with forbidding(served.cgroup, port=pool.PORT):
        served.balancer.run("apply", "--cgroup", part, str(served.balancer.manifests))
        assert (inside.tcp(VIP, 80), inside.tcp(VIP, 81)) == ("EPERM", "ECONNREFUSED")
    assert inside.tcp(VIP, 80) == "one"


@pytest.mark.parametrize(
    ("style", "part"),
    [(Style.EXCLUSIVE, "theirs"), (Style.OVERRIDE, "theirs/app")],
    ids=["at the cgroup", "above it"],
)
def test_a_program_that_wants_to_be_alone_is_named(
    served: Host, inside: Client, style: Style, part: str
) -> None:
    """Asked to serve a cgroup where the kernel would keep ours out, or would switch theirs off below ours:
    not one hook is moved there, and the error says which program it is and where.
    """
    theirs, there = served.cgroup / "theirs", ("--cgroup", str(served.cgroup / part))
    with forbidding(theirs, port=999, style=style) as program:
        result = served.balancer.run("apply", *there, str(served.balancer.manifests), code=6)
        assert f"program {program} at connect4 of {theirs}, attached" in result.stderr
        assert "BPF_F_ALLOW_MULTI" in result.stderr
        assert f"no room beside program {program}" in served.balancer.run("doctor", *there, code=6).stdout
        assert served.balancer.json("status")["effect"] == "effective"
        assert (inside.tcp(VIP, 80), inside.tcp(pool.ONE, 999)) == ("one", "EPERM")


def test_where_there_is_no_room_nothing_is_loaded(served: Host) -> None:
    """The first pass of an instance that cannot be attached leaves no programs or maps behind."""
    other = served.balancer.bpffs.with_name(f"{served.balancer.bpffs.name}-other")
    theirs = cgroups.child(served.cgroup, "theirs")
    place = ("--cgroup", str(theirs), "--bpffs", str(other))
    with forbidding(theirs, port=999, style=Style.EXCLUSIVE):
        served.balancer.run("apply", *place, str(served.balancer.manifests), code=6)
    assert list(other.iterdir()) == []
    other.rmdir()


@pytest.mark.parametrize("style", [Style.EXCLUSIVE, Style.MULTI])
def test_packet_filters_of_a_service_manager(served: Host, client: Client, style: Style) -> None:
    """systemd's IPAddressDeny= puts such filters on a unit's cgroup. They see packets, which are for the
    backend: its address is what has to be denied or allowed.
    """
    unit_cgroup = cgroups.child(served.cgroup, "app.service")
    with Client(served.place("app.service")) as unit, filtering(unit_cgroup, pool.ONE, style=style):
        assert unit.udp(VIP, 80) == "EPERM"
        assert (client.udp(VIP, 80), unit.udp(pool.TWO, pool.PORT)) == ("one", "two")
        served.balancer.apply(plain("web", VIP, (pool.TWO,)))
        assert {unit.one(way, VIP, 80).outcome for way in Way} == {"two"}
        assert unit.udp(pool.ONE, pool.PORT) == "EPERM"


def test_doctor_lists_the_neighbours(served: Host) -> None:
    """Those at the served cgroup and those below it; none of them is a failure."""
    child = cgroups.child(served.cgroup, "theirs")
    with forbidding(served.cgroup, port=999) as here, forbidding(child, port=9, style=Style.EXCLUSIVE) as low:
        checks = {check["name"]: check for check in served.balancer.json("doctor")["checks"]}
    assert checks["neighbours"]["level"] == "warn"
    assert f"connect4 (program {here})" in checks["neighbours"]["found"]
    assert f"connect4 (program {low} at {child})" in checks["neighbours"]["found"]
    assert checks["canary"]["level"] == "ok"
