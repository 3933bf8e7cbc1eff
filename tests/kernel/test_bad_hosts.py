"""Hosts that lack something: every command names what is missing and the way out, and exits 6.

Each host is made for real: another user, a mount namespace without cgroup2 or bpffs, a kernel that
calls itself old, an interpreter that cannot find BCC.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.balancer import COMMAND
from harness.host import Host
from harness.objects import plain

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
OLD = ["setarch", "--uname-2.6"]
VIP = pool.vip(1)[0]


def _run(host: Host, *arguments: str, prefix: list[str] | None = None, **environment: str) -> tuple[int, str]:
    """Exit code and standard error of one command on this host, or on what `prefix` makes of it."""
    instance = host.balancer
    given = {
        **os.environ,
        "BALANCER_CGROUP": str(instance.cgroup),
        "BALANCER_BPFFS": str(instance.bpffs),
        "BALANCER_STATE": str(instance.state),
        **environment,
    }
    command = [*(prefix or []), str(COMMAND), *arguments]
    result = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=120)
    return result.returncode, result.stderr + result.stdout


def _without(kind: str) -> list[str]:
    """A prefix for a mount namespace in which no file system of this kind is mounted."""
    script = f'for where in $(awk \'$3=="{kind}" {{print $2}}\' /proc/self/mounts); do umount -l "$where"; done; exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


@pytest.fixture
def manifests(host: Host) -> str:
    host.balancer.write(plain("web", VIP, (pool.ONE,)))
    return str(host.balancer.manifests)


@pytest.fixture
def readable(manifests: str) -> Iterator[str]:
    """The manifests where everybody may read them."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        shutil.copytree(manifests, f"{directory}/manifests")
        yield f"{directory}/manifests"


@pytest.mark.parametrize(
    "command", ["plan", "apply", "status", "get frontends", "explain 10.96.0.1:80", "detach"]
)
def test_without_permission(host: Host, readable: str, command: str) -> None:
    """Loaded by root, asked by somebody else: refused with a reason, nothing is disturbed."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    words = [*command.split(), *([readable] if command in ("plan", "apply") else [])]
    code, said = _run(host, *words, prefix=AS_NOBODY)
    assert (code, "run as root" in said) == (6, True), said
    assert host.client.tcp(VIP, 80) == "one"


def test_applying_the_first_time_without_permission(host: Host, readable: str) -> None:
    """Nothing is made half-way: the missing capabilities are found out first."""
    host.balancer.run("detach")
    code, said = _run(host, "apply", readable, prefix=AS_NOBODY)
    missing = "missing cap_dac_read_search, cap_net_admin, cap_sys_admin, cap_sys_ptrace"
    assert (code, missing in said) == (6, True), said


def test_from_files_nobody_needs_root(host: Host, readable: str) -> None:
    """validate, plan --from-empty and explain --from are for everybody."""
    for words in (["validate"], ["plan", "--from-empty"], ["explain", f"{VIP}:80", "--from"]):
        code, said = _run(host, *words, readable, prefix=AS_NOBODY)
        assert code == 0, said


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_without_cgroup2(host: Host, manifests: str, command: str) -> None:
    code, said = _run(host, command, manifests, prefix=_without("cgroup2"), BALANCER_CGROUP="")
    assert (code, "no cgroup2 file system is mounted" in said) == (6, True), said
    assert "mount -t cgroup2" in said


def test_with_a_cgroup_that_is_none(host: Host, manifests: str) -> None:
    code, said = _run(host, "apply", manifests, BALANCER_CGROUP="/proc")
    assert (code, "/proc is not inside a cgroup2 file system" in said) == (6, True), said


def test_without_bpffs(host: Host, manifests: str, tmp_path: Path) -> None:
    pins = str(tmp_path / "pins")
    code, said = _run(host, "apply", manifests, prefix=_without("bpf"), BALANCER_BPFFS=pins)
    assert (code, "is not inside a bpf file system" in said) == (6, True), said
    assert "mount -t bpf" in said


def test_without_bcc(host: Host, manifests: str, tmp_path: Path) -> None:
    """A missing bcc and the unrelated package of that name on PyPI are both told from the real one."""
    host.balancer.run("detach")
    (tmp_path / "bcc.py").write_text("raise ImportError('No module named bcc')\n")
    code, said = _run(host, "apply", manifests, PYTHONPATH=str(tmp_path))
    assert (code, "apt-get install python3-bpfcc" in said) == (6, True), said
    (tmp_path / "bcc.py").write_text("")
    code, said = _run(host, "apply", manifests, PYTHONPATH=str(tmp_path))
    assert (code, "not the BPF Compiler Collection" in said) == (6, True), said


def test_programs_in_place_need_no_bcc(host: Host, manifests: str, tmp_path: Path) -> None:
    """What was loaded once is used without a compiler."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    (tmp_path / "bcc.py").write_text("raise ImportError('No module named bcc')\n")
    code, said = _run(host, "apply", manifests, PYTHONPATH=str(tmp_path))
    assert code == 0, said


def test_on_an_old_kernel(host: Host, manifests: str) -> None:
    host.balancer.run("detach")
    code, said = _run(host, "apply", manifests, prefix=OLD)
    assert (code, "Linux 5.8 or newer is needed" in said) == (6, True), said


@pytest.mark.parametrize(
    ("prefix", "environment", "name"),
    [
        (OLD, {}, "kernel"),
        (AS_NOBODY, {}, "capabilities"),
        (_without("cgroup2"), {"BALANCER_CGROUP": ""}, "cgroup2"),
        (_without("bpf"), {"BALANCER_BPFFS": "/run/pins"}, "bpffs"),
        ([], {"PYTHONPATH": "."}, "bcc"),
    ],
    ids=["old kernel", "no permission", "no cgroup2", "no bpffs", "no bcc"],
)
def test_doctor_names_it(
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prefix: list[str],
    environment: dict[str, str],
    name: str,
) -> None:
    (tmp_path / "bcc.py").write_text("raise ImportError('No module named bcc')\n")
    monkeypatch.chdir(tmp_path)
    code, said = _run(host, "doctor", prefix=prefix, **environment)
    assert (code, f"fail  {name}:" in said) == (6, True), said


def test_doctor_is_content_with_a_good_host(host: Host) -> None:
    code, said = _run(host, "doctor")
    assert (code, "fail" in said) == (0, False), said


def test_nothing_loaded_is_said(host: Host) -> None:
    host.balancer.run("detach")
    for command in ("get frontends", "get backends", "get affinity", "explain 10.96.0.1:80"):
        code, said = _run(host, *command.split())
        assert (code, "balancer apply" in said) == (6, True), said
    assert _run(host, "detach")[0] == 0
