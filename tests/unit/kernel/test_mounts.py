"""Reading the mount table."""

from __future__ import annotations

from pathlib import Path

import pytest

from balancer.errors import Exit, HostUnfit
from balancer.kernel import mounts

TABLE = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
bpf /mnt/with\\040space bpf rw 0 0
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mounts"
    path.write_text(TABLE)
    return path


def test_hybrid_host(table: Path) -> None:
    """systemd's hybrid layout: cgroup2 is not at /sys/fs/cgroup."""
    assert mounts.mount_points("cgroup2", table) == (Path("/sys/fs/cgroup/unified"),)


def test_escapes(table: Path) -> None:
    r"""proc(5): a space in a mount point is written as \\040."""
    assert mounts.mount_points("bpf", table) == (Path("/mnt/with space"),)


def test_no_cgroup2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "mount_points", lambda _kind: ())
    with pytest.raises(HostUnfit, match="no cgroup2") as caught:
        mounts.resolve_cgroup(None)
    assert caught.value.exit_code is Exit.HOST
    assert "mount -t cgroup2" in caught.value.hint


def test_a_cgroup_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostUnfit, match="does not exist"):
        mounts.resolve_cgroup(tmp_path / "gone")


def test_a_directory_that_is_no_cgroup(tmp_path: Path) -> None:
    with pytest.raises(HostUnfit, match="not inside a cgroup2 file system"):
        mounts.resolve_cgroup(tmp_path)


def test_no_bpffs(tmp_path: Path) -> None:
    with pytest.raises(HostUnfit, match="not inside a bpf file system") as caught:
        mounts.prepare_bpffs(tmp_path / "balancer")
    assert "--bpffs" in caught.value.hint
