"""A real browser without a screen, that downloads nothing and keeps nothing."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

DRIVER = "/usr/bin/chromedriver"
BINARY = "/usr/bin/chromium"
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@contextmanager
def chromium(profile: Path, *, width: int = 1200, height: int = 900) -> Iterator[Chrome]:
    """Chromium with a new profile in `profile`; it logs every request and every message of a page."""
    options = ChromeOptions()
    options.binary_location = BINARY
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def screen(driver: Chrome, width: int, height: int, *, mobile: bool = False) -> None:
    """Makes the page that size in CSS pixels, as a phone's where `mobile`."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def scheme(driver: Chrome, name: str) -> None:
    """`dark` or `light`, as the reader's system says."""
    features = [{"name": "prefers-color-scheme", "value": name}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def requested(driver: Chrome) -> list[str]:
    """The URL of every request that was sent since this was asked last."""
    return [
        message["params"]["request"]["url"]
        for message in _messages(driver)
        if message["method"] == "Network.requestWillBeSent"
    ]


def _messages(driver: Chrome) -> Iterator[dict[str, Any]]:
    for entry in driver.get_log("performance"):
        yield json.loads(entry["message"])["message"]


@contextmanager
def inside(netns: str) -> Iterator[None]:
    """Puts this thread into a network namespace by name: the browser that it starts, and what drives that,
    then reach what listens on the loopback of a host under test.
    """
    with Path("/proc/thread-self/ns/net").open("rb") as own, Path(f"/run/netns/{netns}").open("rb") as other:
        _enter(other.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
