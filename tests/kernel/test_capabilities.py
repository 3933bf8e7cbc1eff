"""The least a pass can run with: the set that the units grant is enough, and nothing in it can go.

The capabilities are taken away for real. What each one is for shows in a stale socket: one of a process of
another user, in another network namespace, whose backend has gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import pool
from harness.balancer import COMMAND
from harness.host import Host
from harness.netns import namespace
from harness.objects import plain
from harness.place import Place
from harness.units import UNITS, capabilities, confined, only

UNIT = "balancer.service"
NEEDED = capabilities(UNIT)
VIP = pool.vip(1)[0]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# The product without its own question after its capabilities.
UNASKED = "from balancer.kernel import host; host.missing_capabilities = tuple; from balancer.cli import main; main()"
RESOLVER = f"""
import socket
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.connect(("{VIP}", 80))
while input():
    try:
        asker.send(b"x")
        print(asker.recv(99).decode(), flush=True)
    except OSError as error:
        print("ended", flush=True)
"""


def _start(host: Host, prefix: list[str], command: list[str], **environment: str) -> subprocess.Popen[str]:
    instance = host.balancer
    given = {
        **os.environ,
        "BALANCER_CGROUP": str(instance.cgroup),
        "BALANCER_BPFFS": str(instance.bpffs),
        "BALANCER_STATE": str(instance.state),
        "BALANCER_NODE": instance.node,
        **environment,
    }
    whole = Place(netns=host.netns).command([*prefix, *command])
    pipe = subprocess.PIPE
    return subprocess.Popen(whole, env=given, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def _run(host: Host, prefix: list[str], *arguments: str, command: list[str] | None = None) -> tuple[int, str]:
    """Exit code and all output of one command of the product with `prefix` in front."""
    with _start(host, prefix, [*(command or [str(COMMAND)]), *arguments]) as process:
        said, _ = process.communicate(timeout=120)
    return process.returncode, said


def _serve(host: Host, backend: str) -> str:
    host.balancer.write(plain("web", VIP, (backend,)))
    return str(host.balancer.manifests)


@contextmanager
def _resolver(place: Place) -> Iterator[subprocess.Popen[str]]:
    """A process of nobody with one connected socket."""
    command = place.command([*NOBODY, "/usr/bin/python3", "-c", RESOLVER])
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.kill()


def _ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("ask\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.fixture
def asker(host: Host) -> Iterator[subprocess.Popen[str]]:
    """The resolver in a namespace of its own, with the backends on its own loopback, talking to the first."""
    with namespace("caps", addresses=pool.FOUR_ADDRESSES) as netns:
        for address in pool.FOUR_ADDRESSES[:2]:
            host.add_servers(netns).serve(address, address, pool.PORT)
        host.balancer.run("apply", "--allow-mass-delete", _serve(host, pool.ONE))
        with _resolver(host.place("caps", netns=netns)) as process:
            assert _ask(process) == pool.ONE
            yield process


def test_the_restrictions_are_real(host: Host) -> None:
    """Otherwise what follows would prove nothing."""
    prefix = confined(UNIT, host.balancer.state.parent)
    attempts = {
        "write": "open('/usr/written', 'w')",
        "mount": "import ctypes; m = ctypes.CDLL(None, use_errno=True).mount; sys.exit(m(b'', b'/', b'', 4096, None))",
        "packets": "import socket; socket.socket(socket.AF_PACKET)",
        "new code": "import mmap; mmap.mmap(-1, 4096, prot=7)",
    }
    for what, attempt in attempts.items():
        code, said = _run(host, prefix, command=[sys.executable, "-c", f"import sys; {attempt}"])
        assert code != 0, f"{what}: {said}"
    assert _run(host, prefix, command=["true"])[0] == 0


def test_every_command_under_the_units_restrictions(host: Host, tmp_path: Path) -> None:
    """From compiling to removing: capabilities, system calls, no new code, nothing writable but the state."""
    prefix = confined(UNIT, host.balancer.state.parent)
    path = _serve(host, pool.ONE)
    host.balancer.run("detach")
    for words in (
        f"apply {path}",
        f"plan --exit-code {path}",
        "status",
        "get frontends",
        f"explain {VIP}:80",
    ):
        code, said = _run(host, prefix, *words.split())
        assert (code, "warning:" in said) == (0, False), said
    assert host.client.tcp(VIP, 80) == "one"
    code, said = _run(host, prefix, "detach")
    assert (code, host.balancer.bpffs.exists()) == (0, False), said


def test_a_stale_socket_under_the_units_restrictions(host: Host, asker: subprocess.Popen[str]) -> None:
    prefix = confined(UNIT, host.balancer.state.parent)
    code, said = _run(host, prefix, "apply", "--allow-mass-delete", _serve(host, pool.FOUR_ADDRESSES[1]))
    assert (code, "1 stale socket ended" in said) == (0, True), said
    assert _ask(asker) == "ended"


def test_the_agent_under_the_units_restrictions(host: Host) -> None:
    """It follows a change and ends at SIGTERM with everything left in force."""
    path = _serve(host, pool.ONE)
    host.balancer.run("apply", "--allow-mass-delete", path)
    with _start(host, confined(UNIT, host.balancer.state.parent), [str(COMMAND), "watch", path]) as process:
        assert process.stdout is not None
        assert "in sync" in process.stdout.readline()
        host.balancer.write(plain("web", VIP, (pool.FOUR_ADDRESSES[1],)))
        assert "2 changed" in process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=120) == 0
    assert host.client.tcp(VIP, 80) == "two"


@pytest.mark.parametrize("dropped", NEEDED)
def test_without_one_of_them_it_says_so(host: Host, dropped: str) -> None:
    """Exit 6 with the name of what is missing, and nothing is done."""
    host.balancer.run("detach")
    rest = only(*(name for name in NEEDED if name != dropped))
    code, said = _run(host, rest, "apply", _serve(host, pool.ONE))
    assert (code, f"missing cap_{dropped}\n" in said) == (6, True), said
    assert f"cap_{dropped} to " in said
    code, said = _run(host, rest, "doctor")
    assert (code, f"fail  capabilities: missing cap_{dropped}\n" in said) == (6, True), said
    assert not host.balancer.bpffs.exists()


@pytest.mark.parametrize("dropped", NEEDED)
def test_without_one_of_them_it_would_not_work(
    host: Host, asker: subprocess.Popen[str], dropped: str
) -> None:
    """Why each is asked for: a pass that did not ask would leave the socket with a backend that is gone."""
    rest = only(*(name for name in NEEDED if name != dropped))
    path = _serve(host, pool.FOUR_ADDRESSES[1])
    unasked = [sys.executable, "-c", UNASKED]
    code, said = _run(host, rest, "apply", "--allow-mass-delete", path, command=unasked)
    assert (code, "ended" in said) == (0, False), said
    assert _ask(asker) == pool.ONE


def test_what_containers_have_by_default_stands_for_reading(host: Host, asker: subprocess.Popen[str]) -> None:
    """capabilities(7): CAP_DAC_OVERRIDE contains CAP_DAC_READ_SEARCH; container engines grant only the former."""
    granted = only("dac_override", *(name for name in NEEDED if name != "dac_read_search"))
    code, said = _run(host, granted, "apply", "--allow-mass-delete", _serve(host, pool.FOUR_ADDRESSES[1]))
    assert (code, _ask(asker)) == (0, "ended"), said


@pytest.mark.parametrize("unit", sorted(path.name for path in UNITS.glob("*.service")))
def test_every_unit_grants_the_same(unit: str) -> None:
    assert capabilities(unit) == ("dac_read_search", "net_admin", "sys_admin", "sys_ptrace")
