"""Real requests with curl and dig, and what is expected of each."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from backends import QUESTION
from stage import Stage

WEB = ("web-1", "web-2", "web-3")
STICKY = ("sticky-1", "sticky-2", "sticky-3")
HTTP_REQUESTS, DNS_REQUESTS = 60, 30
_REASON = re.compile(r"connect (?:fail for|to) \S+.*?: ([A-Z][a-z ]+)$", re.MULTILINE)
_NO_PROXY = {"no_proxy": "*", "NO_PROXY": "*"}


def _run(stage: Stage, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A client in the stage's cgroup, talking to nobody but the addresses it is given."""
    inside, environment = stage.inside("clients", command), {**os.environ, **_NO_PROXY}
    return subprocess.run(inside, env=environment, capture_output=True, text=True, check=False, timeout=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Requests to one address. `command` is run `times` times, and each line it prints names who answered.

    Every name of `expected` must answer and nobody else; with `sticky`, exactly one of them.
    """

    what: str
    command: Sequence[str]
    expected: Sequence[str]
    times: int = 1
    sticky: bool = False

    @property
    def shown(self) -> str:
        """The command as one would type it."""
        return (f"{self.times} x " if self.times > 1 else "") + shlex.join(self.command)

    def run(self, stage: Stage) -> Counter[str]:
        """How often each answered; what the command says on standard error counts as an answer too."""
        tally: Counter[str] = Counter()
        for _ in range(self.times):
            result = _run(stage, self.command)
            tally.update(line.strip('"') for line in (result.stdout + result.stderr).splitlines())
        return tally

    def holds(self, tally: Counter[str]) -> bool:
        names = set(tally)
        return len(names) == 1 and names < set(self.expected) if self.sticky else names == set(self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One request that must fail, with curl's exit code and the words of the errno."""

    what: str
    url: str
    words: str
    code: int = 7

    @property
    def command(self) -> list[str]:
        return ["curl", "-sSv", "--max-time", "5", self.url]

    def run(self, stage: Stage) -> tuple[int, str]:
        """The exit code, and the errno in words as curl tells it."""
        result = _run(stage, self.command)
        reason = _REASON.search(result.stderr)
        return result.returncode, reason[1] if reason else result.stderr.strip()

    def holds(self, code: int, line: str) -> bool:
        return (code, line) == (self.code, self.words)


def _curl(what: str, where: str, expected: Sequence[str], *, sticky: bool = False) -> Probe:
    """Sixty requests of one curl, each a connection of its own because the servers speak HTTP/1.0."""
    url = f"http://{where}/?[1-{HTTP_REQUESTS}]"
    return Probe(what=what, command=["curl", "-sS", url], expected=expected, sticky=sticky)


def _dig(what: str, option: str) -> Probe:
    command = ["dig", "@10.96.0.10", QUESTION, "TXT", "+short", "+tries=1", "+time=3", option]
    return Probe(what=what, command=command, expected=("dns-1", "dns-2"), times=DNS_REQUESTS)


PROBES = (
    _curl("web: ClusterIP", "10.96.10.1", WEB),
    _curl("web: LoadBalancer IP", "198.51.100.10", WEB),
    _curl("web: external IP", "203.0.113.10", WEB),
    _curl("web: node port on loopback", "127.0.0.1:30080", WEB),
    _curl("web: node port on the node's IP", "192.0.2.1:30080", WEB),
    _curl("web6: ClusterIP, IPv6", "[fd00:10:96::1]", ("web6-1", "web6-2")),
    _curl("sticky: ClientIP affinity", "10.96.10.2", STICKY, sticky=True),
    _dig("dns: UDP", "+notcp"),
    _dig("dns: TCP", "+tcp"),
)

FAILURES = (
    Failure(what="maintenance: no ready endpoint", url="http://10.96.10.3/", words="Connection refused"),
    Failure(what="local-only: no endpoint on this node", url="http://10.96.10.4/", words="No route to host"),
    Failure(what="web: a port it does not have", url="http://10.96.10.1:81/", words="Connection refused"),
)

GONE = Failure(what="web: after detach", url="http://10.96.10.1/", words="Network is unreachable")
