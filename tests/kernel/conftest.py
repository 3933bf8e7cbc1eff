"""One host for each test module: loaded once, and each test applies what it needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host, lone_host
from harness.talk import Talk, every


@pytest.fixture(scope="module")
def host(kernel_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with loopback alone, with the servers of the pool running."""
    with lone_host(tmp_path_factory.mktemp("host"), addresses=pool.HOST_ADDRESSES) as made:
        pool.start(made)
        yield made


@pytest.fixture(scope="module")
def client(host: Host) -> Client:
    """A process of the host, in its cgroup."""
    return host.client


@pytest.fixture(params=list(every()), ids=str)
def talk(request: pytest.FixtureRequest) -> Talk:
    """Each sort of socket in turn."""
    return request.param  # type: ignore[no-any-return]
