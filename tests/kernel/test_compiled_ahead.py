"""The compilation that goes on while manifests are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import plain

from balancer.config import Settings
from balancer.errors import HostUnfit
from balancer.kernel import compiler, dataplane, libbpf
from balancer.kernel.maps import PinnedMaps, read_setting
from balancer.kernel.pins import Pins
from balancer.passes import reconcile
from balancer.passes.reconcile import MUCH, Reconciler
from balancer.plan.entries import Setting
from balancer.plan.sizes import DEFAULT_SIZES

VIP, _ = pool.vip(1)


def test_the_rest_of_the_process_keeps_its_directory(
    kernel_ready: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BCC changes the working directory, in which another thread may be opening manifests by relative paths."""
    monkeypatch.chdir(tmp_path)
    ahead = compiler.CompiledAhead()
    seen = set()
    while not ahead._module.done():
        seen.add(os.getcwd())  # noqa: PTH109 - one system call, as often as it can be made
    ahead().cleanup()
    assert seen == {str(tmp_path)}


def test_what_cannot_be_compiled_is_said_when_it_is_asked_for(
    kernel_ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "UAPI_HEADER", Path("/nowhere/bpf.h"))
    ahead = compiler.CompiledAhead()
    with pytest.raises(HostUnfit, match="is missing"):
        ahead()


def test_it_is_compiled_in_place_where_a_thread_cannot_have_a_directory(
    kernel_ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "_CLONE_FS", -1)
    module = compiler.CompiledAhead()()
    assert compiler.map_fd(module, "frontends") >= 0
    module.cleanup()


def test_programs_compiled_ahead_serve(host: Host, client: Client) -> None:
    """A first apply of much, by a relative path: as many bytes as make it worth compiling ahead."""
    host.balancer.run("detach")
    host.balancer.write(plain("web", VIP, (pool.ONE,)))
    with (host.balancer.manifests / "padding.yaml").open("w") as padding:
        padding.write("# nothing\n" * (MUCH // 10 + 1))
    there = ("env", f"--chdir={host.balancer.manifests.parent}")
    with host.balancer.start("apply", host.balancer.manifests.name, prefix=there) as process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert client.tcp(VIP, 80) == "one"


@pytest.mark.parametrize(
    ("size", "live", "allowed", "ahead"),
    [
        (MUCH, False, True, True),
        (MUCH - 1, False, True, False),
        (MUCH, True, True, False),
        (MUCH, False, False, False),
    ],
    ids=["much", "little", "programs are live", "not allowed"],
)
def test_when_it_is_worth_it(
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    live: bool,
    allowed: bool,
    ahead: bool,
) -> None:
    """Compiling takes a processor for a second: for nothing, where the manifests prove to be wrong."""
    begun: list[str] = []
    monkeypatch.setattr(reconcile, "CompiledAhead", lambda: begun.append("compiled"))
    monkeypatch.setattr(dataplane.host, "missing_capabilities", lambda: () if allowed else ("cap_sys_admin",))
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    settings = Settings(bpffs=host.balancer.bpffs)
    if not live:
        host.balancer.run("detach")
    (tmp_path / "some.yaml").write_bytes(b"#" * size)
    Reconciler(settings).begin([tmp_path])
    assert bool(begun) is ahead


def test_the_programs_know_the_sizes_of_their_maps(host: Host) -> None:
    """They are compiled without them, and find their place in these two by them."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    live = Pins(host.balancer.bpffs).live()
    assert live is not None
    sizes = live.sizes()
    assert sizes["recent"] == sizes["frontends"] == DEFAULT_SIZES["frontends"]
    with PinnedMaps(live.maps) as store:
        assert read_setting(store, Setting.RECENT) == sizes["recent"]
        assert read_setting(store, Setting.PEERS) == sizes["peers"]


def test_maps_can_be_read_by_people(host: Host) -> None:
    """What is made here is described as what BCC makes: bpftool shows the fields by their names."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    live = Pins(host.balancer.bpffs).live()
    assert live is not None
    fd = libbpf.obj_get(live.maps / "frontends")
    try:
        assert all(libbpf.map_types(fd))
    finally:
        os.close(fd)
