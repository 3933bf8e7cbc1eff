"""A real systemd that runs the units of the samples, in namespaces of its own.

It is a manager for one user, root: it knows the same settings of a unit and enforces them in the same way, but
takes over no machine. What it mounts, starts and pins goes with its namespaces.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness import names
from harness.balancer import COMMAND
from harness.patience import until
from harness.place import Place
from harness.units import UNITS

# /srv is the home, as units see no /tmp of others. The two trees of cgroups are those of a hybrid host.
_BOOT = """
set -e
for where in /run /srv /etc/default; do mount -t tmpfs tmpfs $where; done
mount -t bpf bpf /sys/fs/bpf
mkdir -p /run/systemd/system /run/user
for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ ! -e $root/cgroup.procs ] || { mkdir -p $root/$NAME; echo $$ >$root/$NAME/cgroup.procs; }
done
export HOME=/srv XDG_RUNTIME_DIR=/run/user SYSTEMD_UNIT_PATH=$DIRECTORY/units SYSTEMD_PAGER= SYSTEMD_COLORS=0
/lib/systemd/systemd --user --log-target=null >$DIRECTORY/manager 2>&1 &
set +e
while IFS= read -r line; do
    eval "$line" >$DIRECTORY/output 2>&1 </dev/null
    echo "$?"
done
"""
_TARGETS = ("default", "basic", "sysinit", "shutdown", "exit", "timers")


class Systemd:
    """The manager, and a shell beside it."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self._process = process
        self._directory = directory

    def run(self, command: str) -> tuple[int, str]:
        """One line for the shell: its exit code and output."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline()
        return int(code or -1), (self._directory / "output").read_text()

    def ctl(self, *words: str) -> tuple[int, str]:
        return self.run(f"systemctl --user {' '.join(words)}")

    def show(self, unit: str, name: str) -> str:
        """The value of one property."""
        return self.ctl("show", f"--property={name}", "--value", unit)[1].strip()

    def wait(self) -> None:
        until(
            lambda: self.ctl("is-system-running")[1].strip() in ("running", "degraded"),
            lambda: f"systemd does not start: {(self._directory / 'manager').read_text()}",
        )


# Settings that hide a place where the tree under test may itself lie.
_HIDES = {"PrivateTmp": ("/tmp", "/var/tmp"), "ProtectHome": ("/home", "/root", "/run/user")}


def _visible(line: str) -> bool:
    """False for a setting that would hide the command itself: only there the unit does without it."""
    name = line.partition("=")[0]
    return not any(COMMAND.is_relative_to(place) for place in _HIDES.get(name, ()))


def _install(units: Path) -> None:
    units.mkdir()
    for path in UNITS.glob("*.[st]*"):
        text = path.read_text().replace("/usr/local/bin/balancer", str(COMMAND))
        text = text.replace("/etc/balancer/", "/etc/default/")  # a directory that every host has
        (units / path.name).write_text("".join(filter(_visible, text.splitlines(keepends=True))))
    for name in _TARGETS:
        (units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")


@contextmanager
def systemd(netns: str, directory: Path, settings: Mapping[str, str]) -> Iterator[Systemd]:
    """`settings` become /etc/default/balancer, and edge.env beside it. `directory` is for the manager's files."""
    _install(directory / "units")
    name = names.fresh("systemd")
    shell = ["sh", "-c", f"NAME={name} DIRECTORY={directory}\n{_BOOT}"]
    unshare = [
        "unshare",
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    pipe = subprocess.PIPE
    command = Place(netns=netns).command([*unshare, *shell])
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            manager = Systemd(process, directory)
            manager.wait()
            for key, value in settings.items():
                manager.run(f"echo {key}={value} | tee -a /etc/default/balancer /etc/default/edge.env")
            yield manager
        finally:
            process.kill()
            process.wait()
            _remove_cgroups(name)


def _remove_cgroups(name: str) -> None:
    """Those of the manager and its units; their processes went with the namespace."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
        top = Path(root, name)
        found = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
        for path in (*found, *([top] if top.exists() else [])):
            _remove(path)


def _remove(path: Path) -> None:
    """The kernel takes a moment to forget the processes that have just ended."""
    for attempt in range(100):
        try:
            path.rmdir()
        except OSError:
            if attempt == 99:
                raise
            time.sleep(0.02)
        else:
            return
