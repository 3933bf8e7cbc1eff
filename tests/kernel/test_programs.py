"""Loading, reusing, replacing and repairing programs: the life of a generation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import endpoint_slice, plain, port, service
from harness.patience import until

from balancer.kernel import compiler, dataplane
from balancer.kernel.pins import Pins
from balancer.plan.sizes import DEFAULT_SIZES

VIP = pool.vip(1)[0]


def _pins(host: Host) -> Pins:
    return Pins(host.balancer.bpffs)


def _frontends_size(host: Host) -> int:
    live = _pins(host).live()
    assert live is not None
    return live.sizes()["frontends"]


def _many(count: int) -> list[dict[str, object]]:
    """Services that fill the frontends map; none has an endpoint."""
    return [
        service(f"s{number}", port(80), ips=(f"10.100.{number // 250}.{number % 250 + 1}",))
        for number in range(count)
    ]


def test_unchanged_apply_keeps_the_programs_and_starts_no_compiler(host: Host) -> None:
    """A matching build id is used as it is: neither BCC nor LLVM is even imported."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    before = _pins(host).live().program_ids()  # type: ignore[union-attr]
    code = (
        "import sys; from balancer.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'bcc' not in sys.modules"
    )
    options = ["--cgroup", host.cgroup, "--bpffs", host.balancer.bpffs, "--state", host.balancer.state]
    command = [sys.executable, "-c", code, "apply", *map(str, options), "--node", "node1"]
    command = ["nsenter", f"--net=/run/netns/{host.netns}", *command, str(host.balancer.manifests)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    assert _pins(host).live().program_ids() == before  # type: ignore[union-attr]


def test_maps_grow_and_nothing_is_lost(host: Host, client: Client) -> None:
    """A state that does not fit is put into larger maps beside the old ones; counts and choices move too."""
    sticky = [
        service("sticky", port(80), ips=(VIP,), affinity=600),
        endpoint_slice("sticky", pool.FOUR_ADDRESSES, port(8080)),
    ]
    host.balancer.apply(sticky)
    chosen = client.tcp(VIP, 80)
    assert _frontends_size(host) == DEFAULT_SIZES["frontends"]
    host.balancer.apply(sticky, _many(DEFAULT_SIZES["frontends"] + 1))
    assert _frontends_size(host) > DEFAULT_SIZES["frontends"]
    assert len(_pins(host).generations()) == 1
    assert client.tally(VIP, 80, count=20) == {chosen: 20}
    found = {item["address"]: item for item in host.balancer.json("get", "frontends")["frontends"]}
    assert found[VIP]["forwarded"] == 21


def test_growth_does_not_interrupt(host: Host, client: Client) -> None:
    """Clients connect without pause while a new generation replaces the live one: none fails."""
    host.balancer.run("detach")
    host.balancer.apply(plain("web", VIP, pool.FOUR_ADDRESSES))
    storm = client.storm(Way.TCP, VIP, 80)
    host.balancer.apply(plain("web", VIP, pool.FOUR_ADDRESSES), _many(DEFAULT_SIZES["frontends"] + 1))
    outcomes = storm.calm()
    assert sum(outcomes.values()) > 100
    assert set(outcomes) <= set(pool.NAMES), outcomes


def test_a_limit_refuses_before_anything_is_written(host: Host, client: Client) -> None:
    host.balancer.run("detach")
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    host.balancer.config.write_text("map_limits: {frontends: 100}\n")
    try:
        result = host.balancer.apply(_many(101), code=1)
    finally:
        host.balancer.config.unlink()
    assert "map frontends needs 101 entries, the limit is 100" in result.stderr
    assert client.tcp(VIP, 80) == "one"


def test_leftovers_of_a_killed_load_are_swept(host: Host) -> None:
    """A generation that never went live is removed by the next pass."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    sizes = {**DEFAULT_SIZES, "affinity": 128}
    left = dataplane.load(_pins(host), sizes, host.balancer.cgroup)
    assert left in _pins(host).generations()
    host.balancer.apply(plain("web", VIP, (pool.TWO,)))
    assert left not in _pins(host).generations()


def test_a_lost_link_is_put_back(host: Host, client: Client) -> None:
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    (_pins(host).links / "connect4").unlink()
    # The kernel lets go of a link some time after its last pin.
    until(lambda: client.tcp(VIP, 80) == "ENETUNREACH", "the program is still attached")
    shown = host.balancer.json("status", code=6)
    assert [item["hook"] for item in shown["attachments"] if not item["attached"]] == ["connect4"]
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    assert client.tcp(VIP, 80) == "one"


def test_lost_pins_are_put_back(host: Host, client: Client) -> None:
    """Maps and programs whose pins somebody removed are in use all the same: the very same ones are pinned again."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    live = _pins(host).live()
    assert live is not None
    maps, programs = _map_ids(live.maps), live.program_ids()
    for lost in (
        live.maps / "slots",
        live.maps / "peers",
        live.programs / "connect4",
        live.programs / "recvmsg6",
    ):
        lost.unlink()
    host.balancer.run("apply", str(host.balancer.manifests))
    assert (_map_ids(live.maps), live.program_ids()) == (maps, programs)
    host.balancer.apply(plain("web", VIP, (pool.TWO,)))
    assert client.tcp(VIP, 80) == "two"


def test_what_is_lost_with_its_link_is_said(host: Host, client: Client) -> None:
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    live = _pins(host).live()
    assert live is not None
    (live.programs / "recvmsg6").unlink()
    (_pins(host).links / "recvmsg6").unlink()
    result = host.balancer.run("apply", str(host.balancer.manifests), code=6)
    assert f"a part of the live programs is gone from {live.directory}" in result.stderr
    assert "balancer detach" in result.stderr
    host.balancer.run("detach")
    host.balancer.run("apply", str(host.balancer.manifests))
    assert client.tcp(VIP, 80) == "one"


def test_another_cgroup_takes_over(host: Host, client: Client) -> None:
    """Links that are attached elsewhere are replaced, none is left behind."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    place = host.place("elsewhere").cgroup
    assert place is not None
    host.balancer.run("apply", "--cgroup", str(place), str(host.balancer.manifests))
    assert client.tcp(VIP, 80) == "ENETUNREACH"
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    assert client.tcp(VIP, 80) == "one"


def test_maps_of_another_layout_are_not_taken_over(host: Host, client: Client) -> None:
    """Maps are shared with the next generation only where type, key, value and size are the same."""
    host.balancer.run("detach")
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    before = _pins(host).live()
    assert before is not None
    sizes = {**DEFAULT_SIZES, "slots": 2 * DEFAULT_SIZES["slots"]}
    after = dataplane.load(_pins(host), sizes, host.balancer.cgroup)
    old, new = _map_ids(before.maps), _map_ids(after.maps)
    kept = {name for name in old if old[name] == new[name]}
    assert kept == {"affinity", "peers", "udp_sockets", "udp_rejected"}
    assert client.tcp(VIP, 80) == "one"


def _map_ids(directory: Path) -> dict[str, int]:
    found = {}
    for path in directory.iterdir():
        shown = subprocess.run(
            ["bpftool", "-j", "map", "show", "pinned", str(path)], capture_output=True, check=True
        )
        found[path.name] = json.loads(shown.stdout)["id"]
    return found


def test_bcc_needs_no_kernel_headers() -> None:
    """No /lib/modules and no kernel tree: the small tree in bpf/include is all that BCC gets."""
    compiler.import_bcc()
    tree = Path(os.environ["BCC_KERNEL_SOURCE"])
    assert tree.name == "bpf"
    assert sorted(path.name for path in (tree / "include").rglob("*.h")) == [
        "bpf.h",
        "if_packet.h",
        "kconfig.h",
        "log2.h",
        "page.h",
    ]
