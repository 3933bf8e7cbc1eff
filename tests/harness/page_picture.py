"""Draws docs/status-page.png: the real page, of a real agent, on real connections to the services of samples/cluster.

    PYTHONPATH=tests .venv/bin/python -m harness.page_picture [DIRECTORY]

Needs root and Chromium, like the tests; takes about half a minute.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from harness.agent import Watch
from harness.browser import chromium, inside, screen
from harness.host import lone_host
from harness.objects import plain
from harness.png import shrink
from harness.top_picture import NODE, ROOT, apply, serve, traffic

ADDRESS = "127.0.0.1:9464"
SIZE = (1200, 1720)
SECONDS = 12
SHOWN = "service/kube-system/kube-dns"
PODS = ("0d61b937-1e7f-4c97-8440-9adcce7ebdcb", "5a1d")
"""Pods of the node whose cgroups are looked for, by UID."""


def main(directory: Path) -> None:
    """Sets the stage, breaks a file under a running agent, takes the picture."""
    path = directory.resolve() / "status-page.png"  # `apply` goes elsewhere
    path.parent.mkdir(exist_ok=True)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="balancer-page-")))
        host = stack.enter_context(lone_host(place, node=NODE))
        for pod in PODS:
            host.place(f"kubepods.slice/kubepods-pod{pod.replace('-', '_')}.slice")
        frontends = apply(host)
        host.balancer.manifests = Path("manifests")  # files are named as in the folder
        serve(host, frontends)
        stack.enter_context(traffic(host, frontends))
        host.balancer.add("reports.yaml", *plain("reports", "10.96.40.77", ["10.244.1.77"], namespace="shop"))
        agent = stack.enter_context(Watch(host, "--http-listen", ADDRESS))
        agent.wait("start")
        break_file(host.balancer.manifests / "reports.yaml")
        stack.enter_context(inside(host.netns))
        driver = stack.enter_context(chromium(place / "profile"))
        draw(driver, path)


def break_file(path: Path) -> None:
    """A slip of the keyboard."""
    path.write_text(path.read_text().replace("port: 80\n", "port: 80a\n", 1))


def draw(driver: Chrome, path: Path) -> None:
    """The page once rates are known."""
    screen(driver, *SIZE)
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    driver.get(f"http://{ADDRESS}/#{SHOWN}")
    time.sleep(SECONDS)
    Select(driver.find_element(By.ID, "order")).select_by_value("busy")
    driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    assert driver.find_elements(By.CSS_SELECTOR, "svg.path .fallback"), "the redirect is not in the picture"
    path.write_bytes(shrink(driver.get_screenshot_as_png()))
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
