"""The status page in a browser, told as its reader sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness.browser import requested
from harness.patience import until

_ROWS = """
return [...document.querySelectorAll('#services tbody')].flatMap(body =>
  [...body.querySelectorAll('tr[data-frontend]')].map(row => ({
    service: body.dataset.service, name: row.dataset.frontend,
    where: row.cells[0].innerText, gets: row.cells[1].innerText,
    forwarded: row.cells[2].querySelector('.total').textContent,
    rejected: row.cells[3].querySelector('.total').textContent,
  })))
"""
_GO = """
const [fragment, done] = arguments;
if (location.hash === fragment) return done();
addEventListener('hashchange', () => setTimeout(done), { once: true });
location.hash = fragment;
"""
_CONTRASTS = """
const colour = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const shine = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const found = colour(getComputedStyle(element).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const seen = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('svg, .skip, option')
  && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
return seen.map(e => {
  const [a, b] = [shine(colour(getComputedStyle(e).color)), shine(behind(e))].sort((x, y) => y - x);
  return [(a + 0.05) / (b + 0.05), e.textContent.slice(0, 40)];
});
"""


class StatusPage:
    """The page at `url`, which is loaded anew by `open` and by nothing else."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, fragment: str = "") -> None:
        """Loads the page, at a view or a service, and waits until it has something to show."""
        self.driver.get("about:blank")
        requested(self.driver)
        self.driver.get(f"{self.url}/{fragment}")
        self.until(lambda: self.text("#list-title") != "", "the page shows nothing")

    def go(self, fragment: str) -> None:
        """Follows a link within the page, until it is drawn."""
        self.driver.execute_async_script(_GO, fragment)  # type: ignore[no-untyped-call]

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def text(self, selector: str) -> str:
        """What is seen of all these together."""
        return "\n".join(
            self.run(
                "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText || e.textContent)",
                selector,
            )
        )

    def rows(self) -> list[dict[str, str]]:
        """The addresses in the list of services: service, name, where, gets, forwarded, rejected."""
        found: list[dict[str, str]] = self.run(_ROWS)
        return found

    def names(self) -> set[str]:
        """The frontends that are shown."""
        return {row["name"] for row in self.rows()}

    def row(self, name: str) -> dict[str, str]:
        return next(row for row in self.rows() if row["name"] == name)

    def search(self, text: str) -> None:
        """Types into the search field, in place of what is there."""
        field = self.driver.find_element(By.ID, "search")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text)

    def contrasts(self) -> list[tuple[float, str]]:
        """The contrast of every piece of text with what is behind it (WCAG 2, 1.4.3), and the text."""
        return [(ratio, text) for ratio, text in self.run(_CONTRASTS)]

    def until(self, is_so: Callable[[], bool], complaint: str) -> None:
        """Waits for it; AssertionError if it does not come."""
        until(is_so, lambda: f"{complaint}\n{self.text('body')[:3000]}", pause=0.1)
