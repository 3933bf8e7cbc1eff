"""Where the kernel does not let directories be watched, they are listed."""

from __future__ import annotations

import errno
import logging
import os

import pytest
from watch_parts import Ticker

from balancer.manifests import notices
from balancer.manifests.watch import SECOND_TRY_SECONDS, Watcher


@pytest.fixture
def log(caplog):
    """What the watcher logs."""
    caplog.set_level(logging.INFO, "balancer.watch")
    logging.getLogger("balancer").propagate = True
    return caplog


@pytest.fixture
def full(monkeypatch):
    """An errno that every new watch fails with while it is set."""
    errors: list[int] = []
    add = notices.INotify.add_watch

    def add_watch(self, path, mask):
        if errors:
            raise OSError(errors[0], os.strerror(errors[0]))
        return add(self, path, mask)

    monkeypatch.setattr(notices.INotify, "add_watch", add_watch)
    return errors


@pytest.mark.parametrize("when", ["start", "later"])
def test_too_many_watches_fall_back_to_listing_and_back(tmp_path, bell, log, full, when):
    clock = Ticker()
    full += [errno.ENOSPC] if when == "start" else []
    watcher = bell.watcher = Watcher([tmp_path], bell, clock=clock)
    watcher.start()
    (tmp_path / "deep").mkdir()
    assert bell.rung()
    full[:] = [errno.ENOSPC]
    watcher.refresh()
    (tmp_path / "deep" / "a.yaml").write_text("a")
    assert bell.rung()
    assert [record.levelname for record in log.records] == ["WARNING"]
    assert "max_user_watches" in log.text
    full.clear()
    clock.now = SECOND_TRY_SECONDS
    watcher.refresh()
    assert "by events again" in log.text
    bell.settle()
    (tmp_path / "deep" / "a.yaml").write_text("b")
    assert bell.rung()
    watcher.stop()


def test_no_inotify_instance_falls_back_too(tmp_path, watch, bell, log, monkeypatch):
    def none_left():
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(notices, "INotify", none_left)
    watch(tmp_path)
    (tmp_path / "a.yaml").write_text("a")
    assert bell.rung()
    assert "max_user_instances" in log.text
