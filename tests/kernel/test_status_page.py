"""The status page: a real agent over real maps, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from harness import pool
from harness.agent import Watch
from harness.browser import chromium, inside, requested, scheme, screen
from harness.client import Way
from harness.host import Host, lone_host
from harness.objects import (
    endpoint,
    endpoint_slice,
    local_redirect,
    plain,
    pod,
    port,
    service,
    to_service,
)
from harness.status_page import StatusPage
from harness.status_page_made_up import KEPT, made_up
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from balancer.observe.app import App
from balancer.observe.listen import parse_listen
from balancer.observe.server import serving

ADDRESS = "127.0.0.1:9464"
WEB, DNS, IDLE, ODD = (pool.vip(number)[0] for number in (1, 2, 3, 4))
BAIT = "<img src=x onerror=pwned=1>"
HOSTILE_FILE = f"<{BAIT}<"
LOCAL = {"app": "cache"}


def write_manifests(host: Host) -> None:
    """A NodePort service, a redirect with a fallback, one that refuses, and files that mean harm."""
    made = host.balancer
    ends = [endpoint(pool.ONE, node="node1"), endpoint(pool.TWO, node="node2")]
    web = service("web", port(80, "http", node_port=30080), ips=(WEB,), namespace="shop", kind="NodePort")
    made.write(
        [web, endpoint_slice("web", ends, port(8080, "http"), namespace="shop")],
        plain("dns", DNS, [pool.THREE]),
        [service("idle", port(80), ips=(IDLE,))],
        [
            pod("web-abc12", "node1", pool.ONE, namespace="shop"),
            pod("cache-1", "node1", pool.FOUR, labels=LOCAL),
        ],
        [
            local_redirect(
                "cache", to_service("dns"), port(8080, "tcp"), port(8080, "udp", protocol="UDP"), labels=LOCAL
            )
        ],
    )
    folder = made.manifests / HOSTILE_FILE
    folder.mkdir(exist_ok=True)
    (folder / "script>.yaml").write_text(
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {BAIT}\nspec: {{}}\n"
    )
    odd = endpoint_slice("odd", [endpoint(pool.ONE)], port(8080, "a"))
    made.add(f"{BAIT}.yaml", service("odd", port(80, "a"), ips=(ODD,)), odd)


@pytest.fixture(scope="module")
def host(kernel_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with lone_host(tmp_path_factory.mktemp("page"), addresses=pool.HOST_ADDRESSES) as made:
        pool.start(made)
        write_manifests(made)
        yield made


@pytest.fixture(scope="module")
def agent(host: Host) -> Iterator[Watch]:
    with Watch(host, "--http-listen", ADDRESS) as made:
        made.wait("start")
        yield made


@pytest.fixture(scope="module")
def page(host: Host, agent: Watch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StatusPage]:
    """The page in one browser for all tests, which shares the host's loopback."""
    with inside(host.netns), chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield StatusPage(driver, f"http://{ADDRESS}")


@pytest.fixture
def wide(page: StatusPage) -> StatusPage:
    """On a desk, in the light."""
    screen(page.driver, 1200, 900)
    scheme(page.driver, "light")
    page.open()
    return page


@pytest.fixture
def listed(page: StatusPage) -> StatusPage:
    """With the list of services in sight, loaded anew only where it is not there."""
    if not page.driver.current_url.startswith(page.url):
        screen(page.driver, 1200, 900)
        page.open()
    page.go("#services")
    return page


def gets(frontend: dict[str, Any]) -> str:
    """As the page says what connections get."""
    if frontend["action"] != "forward":
        return {"refuse": "refused", "unreachable": "unreachable"}[frontend["action"]]
    number = len(frontend["backends"])
    return f"{number} backend{'' if number == 1 else 's'}"


def test_the_list_is_what_get_frontends_says(host: Host, wide: StatusPage) -> None:
    host.client.tally(WEB, 80, count=7)
    told = {
        (item["kind"], item["port_name"], gets(item), str(item["forwarded"]), str(item["rejected"])): item
        for item in host.balancer.json("get", "frontends")["frontends"]
    }
    assert len(told) >= 5
    count = next(item["forwarded"] for item in told.values() if item["address"] == WEB)
    assert count >= 7
    wide.until(lambda: wide.row(f"{WEB}:80/TCP")["forwarded"] == str(count), "the connections are not shown")
    for (kind, name, outcome, forwarded, rejected), item in told.items():
        where = f"{item['address']}:{item['port']}/{item['protocol']}"
        row = wide.row(
            f"[{item['address']}]{where[len(item['address']) :]}" if ":" in item["address"] else where
        )
        assert kind in row["where"]
        assert name in row["where"]
        assert row["gets"].startswith(outcome)
        assert (row["forwarded"], row["rejected"]) == (forwarded, rejected)


def test_every_frontend_is_in_the_list(host: Host, wide: StatusPage) -> None:
    assert len(wide.rows()) == len(host.balancer.json("get", "frontends")["frontends"])


def test_header_and_problems(host: Host, wide: StatusPage) -> None:
    status = host.balancer.json("status")
    header = wide.text("header")
    assert "in effect" in header
    assert status["build_id"] in header
    assert "Last pass converged" in " ".join(header.split())
    for problem in status["problems"][:3]:
        assert f"{problem['file']}:{problem['line']}:{problem['column']}" in wide.text("#problems .place")
        assert problem["message"] in wide.text("#problems article")


def test_a_problem_shows_its_line_with_a_caret_below(wide: StatusPage) -> None:
    shown = wide.text("#problems pre").splitlines()
    line = next(index for index, text in enumerate(shown) if BAIT in text)
    assert shown[line + 1].index("^") == shown[line].index(BAIT)


@pytest.mark.parametrize(
    ("words", "services"),
    [
        ("objects.yaml shop", {"Service shop/web"}),
        (WEB, {"Service shop/web"}),
        ("web-abc12", {"Service shop/web", "Service default/odd"}),
        ("node2", {"Service shop/web"}),
        ("objects.yaml dns", {"Service default/dns"}),
        ("LocalRedirectPolicy", {"Service default/dns"}),
        ("NODEPORT 30080", {"Service shop/web"}),
        ("refuse", {"Service default/idle"}),
        ("nobody has this", set()),
    ],
)
def test_search(listed: StatusPage, words: str, services: set[str]) -> None:
    listed.search(words)
    listed.until(lambda: {row["service"] for row in listed.rows()} == services, f"{words}: not {services}")


def test_search_counts_in_every_view(wide: StatusPage) -> None:
    wide.search("cache")
    wide.until(lambda: "Services 1\n" in wide.text("#views") + "\n", "not counted")
    assert {"Backends 1", "Policies 1"} <= set(wide.text("#views a").splitlines())


def test_the_path_of_a_service_is_a_link(wide: StatusPage) -> None:
    wide.open("#service/shop/web")
    wide.until(lambda: wide.text("svg.path text") != "", "no picture")
    picture = wide.text("svg.path text")
    assert f"{WEB}:80/TCP" in picture
    assert "any node address:30080/TCP" in picture
    assert "shop/web" in picture
    for end, node in ((pool.ONE, "node1"), (pool.TWO, "node2")):
        assert f"{end}:8080" in picture
        assert f"node {node}" in picture
    assert "shop/web-abc12" in picture
    assert f"{pool.TWO}:8080 on node2" in wide.text("svg.path desc")


def test_the_picture_of_a_redirect_has_its_fallback(wide: StatusPage) -> None:
    wide.open("#service/default/dns")
    wide.until(lambda: wide.text("svg.path .fallback text") != "", "no fallback")
    assert "cache" in wide.text("svg.path .decides text")
    assert f"{pool.FOUR}:8080" in wide.text("svg.path .end text")
    assert f"{pool.THREE}:8080" in wide.text("svg.path .fallback text")
    assert "default/dns" in wide.text("svg.path .fallback text")
    assert "LocalRedirectPolicy cache: decides" in wide.text("#detail ol")


def test_the_picture_of_a_service_without_backends(wide: StatusPage) -> None:
    wide.open("#service/default/idle")
    wide.until(lambda: "ECONNREFUSED" in wide.text("svg.path .refuses"), "not said")


def test_a_service_that_is_not_there(wide: StatusPage) -> None:
    wide.open("#service/default/none")
    wide.until(lambda: "not in force on this host" in wide.text("#detail"), "not said")


def test_a_phone_needs_no_sideways_scrolling(wide: StatusPage) -> None:
    screen(wide.driver, 320, 640, mobile=True)
    wide.open("#service/shop/web")
    for name in ("service/default/dns", "services", "backends", "policies", "kernel"):
        size = "return [document.documentElement.scrollWidth, innerWidth]"
        assert wide.run(size) == [320, 320], f"before {name}"
        wide.go(f"#{name}")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_has_enough_contrast(wide: StatusPage, colours: str) -> None:
    """WCAG 2, success criterion 1.4.3: at least 4.5 to 1."""
    scheme(wide.driver, colours)
    for name in ("policies", "kernel", "backends", "service/default/dns", "services"):
        wide.go(f"#{name}")
        found = wide.contrasts()
        assert len(found) > 20
        assert [pair for pair in found if pair[0] < 4.5] == [], name


def test_dark_is_dark(wide: StatusPage) -> None:
    scheme(wide.driver, "dark")
    assert wide.run("return getComputedStyle(document.body).backgroundColor") == "rgb(14, 18, 23)"


def test_the_keyboard_is_enough(wide: StatusPage) -> None:
    body = wide.driver.find_element(By.TAG_NAME, "body")
    body.send_keys("/")
    focused = "return document.activeElement.id || document.activeElement.dataset.key"
    assert wide.run(focused) == "search"
    wide.driver.switch_to.active_element.send_keys("idle")
    wide.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert wide.run("return document.getElementById('search').value") == ""
    for _ in range(12):
        wide.driver.switch_to.active_element.send_keys(Keys.TAB)
        if str(wide.run(focused)).startswith("Service "):
            break
    wide.driver.switch_to.active_element.send_keys(Keys.ENTER)
    wide.until(lambda: wide.run(focused) == "detail-title", "the focus did not follow")
    wide.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wide.until(lambda: wide.run("return document.getElementById('detail').hidden"), "Esc did not close it")


def test_a_screen_reader_finds_its_way(wide: StatusPage) -> None:
    wide.open("#service/shop/web")
    for landmark in ("header", "main", "nav[aria-label]", "[role=search]", "footer", "[role=status]", "h1"):
        assert len(wide.driver.find_elements(By.CSS_SELECTOR, landmark)) == 1, landmark
    assert wide.run("return document.documentElement.lang") == "en"
    ids = wide.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    unnamed = "return [...document.querySelectorAll('input, select')].filter(e => !e.labels.length).length"
    assert wide.run(unnamed) == 0
    labelled = wide.run(
        "return [...document.querySelectorAll('[aria-labelledby]')].flatMap(e => e.getAttribute('aria-labelledby').split(' '))"
    )
    assert set(labelled) <= set(ids)


def test_hostile_names_are_text(wide: StatusPage) -> None:
    for name in ("", "#service/default/odd", "#backends", f"#service/{BAIT}", f"#object/{BAIT}/"):
        wide.open(name)
        assert wide.run("return document.images.length") == 0
        assert wide.run("return typeof pwned") == "undefined"
        assert wide.run("return document.scripts.length") == 1
    assert BAIT in wide.text("#problems")
    assert f"{HOSTILE_FILE}/script>.yaml" in wide.text("#problems")
    assert f"{BAIT}.yaml:" in wide.text("#services")


def test_a_server_that_tells_only_markup_changes_nothing(page: StatusPage) -> None:
    """Names are checked before they get here; the page does not rely on it."""
    state = made_up(3)
    markup = f"</script>{BAIT}<b>"

    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key in KEPT else spoil(item) for key, item in value.items()}
        if isinstance(value, list):
            return [spoil(item) for item in value]
        return markup if isinstance(value, str) else value

    with serving(parse_listen(":0"), App(page=lambda: spoil(state))) as url:
        other = StatusPage(page.driver, url)
        for name in ("", "#backends", "#policies", "#kernel", f"#object/{quote(markup)}"):
            other.open(name)
            assert other.run("return [document.images.length, document.scripts.length]") == [0, 1]
            assert other.run("return typeof pwned") == "undefined"
            assert other.run("return document.querySelectorAll('b, script script').length") == 0
            assert markup in other.text("main")


def test_ten_thousand_services(page: StatusPage) -> None:
    """Only so many rows exist at a time, and one is found among all of them."""
    big = made_up(10000)
    with serving(parse_listen(":0"), App(page=lambda: big)) as url:
        other = StatusPage(page.driver, url)
        screen(page.driver, 1200, 900)
        other.open()
        assert "10,000 services" in other.text("#list-count")
        assert other.run("return document.querySelectorAll('#services tbody').length") == 100
        other.run("document.getElementById('more').click()")
        assert other.run("return document.querySelectorAll('#services tbody').length") == 200
        assert other.run("return document.querySelectorAll('*').length") < 6000
        other.run(
            "const field = document.getElementById('search');"
            "field.value = 'pod-9876'; field.dispatchEvent(new Event('input'))"
        )
        assert [row["service"] for row in other.rows()] == ["Service ns-6/service-9876"]


def test_even_markup_that_got_in_would_not_run(wide: StatusPage) -> None:
    """The Content-Security-Policy is a second line behind the page's own care."""
    wide.run("document.body.insertAdjacentHTML('beforeend', arguments[0])", BAIT)
    wide.run(
        "const s = document.createElement('script'); s.textContent = 'pwned = 2'; document.body.append(s)"
    )
    assert wide.run("return typeof pwned") == "undefined"
    blocked = "return fetch('http://127.0.0.2:9464/').then(() => 'went out', () => 'blocked')"
    assert wide.run(blocked) == "blocked"


def test_nothing_is_asked_of_another_host(wide: StatusPage) -> None:
    for name in ("", "#kernel", "#service/shop/web"):
        wide.open(name)
    wide.driver.get_log("browser")
    sent = requested(wide.driver)
    assert len(sent) >= 2
    assert [url for url in sent if not url.startswith((f"http://{ADDRESS}/", "data:image/svg+xml"))] == []


def test_counts_move_and_nothing_else_does(host: Host, wide: StatusPage) -> None:
    wide.open("#service/shop/web")
    wide.search("e")
    wide.run("document.querySelector('#services tbody:last-child a').focus(); scrollTo(0, 180)")
    before = wide.run("return [scrollY, document.activeElement.dataset.key]")
    count = int(wide.row(f"{WEB}:80/TCP")["forwarded"])
    host.client.tally(WEB, 80, count=11)
    wide.until(lambda: wide.row(f"{WEB}:80/TCP")["forwarded"] == str(count + 11), "the count did not move")
    assert wide.text("svg.path .address text").count(f"{count + 11} forwarded") == 1
    storm = host.client.storm(Way.TCP, WEB, 80, pause=0.02)
    wide.until(lambda: wide.driver.find_elements(By.CSS_SELECTOR, "svg.path .busy") != [], "nothing is busy")
    assert set(storm.calm()) <= {"one", "two"}
    host.balancer.add("more.yaml", service("extra", port(81), ips=(WEB,)))
    wide.until(lambda: f"{WEB}:81/TCP" in wide.names(), "the new service did not come")
    assert wide.run("return [scrollY, document.activeElement.dataset.key]") == before
    assert wide.run("return document.getElementById('search').value") == "e"
    assert wide.text("#detail-title").startswith("shop/web")
    (host.balancer.manifests / "more.yaml").unlink()
    wide.until(lambda: f"{WEB}:81/TCP" not in wide.names(), "the service did not go")


def test_a_file_that_breaks_is_shown_at_once(host: Host, wide: StatusPage) -> None:
    host.balancer.add("later.yaml", service("later", port(82), ips=(WEB,)))
    wide.until(lambda: f"{WEB}:82/TCP" in wide.names(), "the new service did not come")
    path = host.balancer.manifests / "later.yaml"
    good = path.read_text()
    path.write_text(good.replace("port: 82", "port: x82"))
    wide.until(lambda: "later.yaml has errors" in wide.text("#problems"), "the stale file is not shown")
    assert "x82" in wide.text("#problems pre")
    assert f"{WEB}:82/TCP" in wide.names()
    path.unlink()
    wide.until(lambda: "later.yaml" not in wide.text("#problems"), "the problem did not go")


def test_nothing_was_refused_or_failed(wide: StatusPage) -> None:
    """A page under its own Content-Security-Policy, with whatever it draws."""
    wide.driver.get_log("browser")
    for name in ("services", "backends", "policies", "kernel", "service/default/dns"):
        wide.open(f"#{name}")
    assert [entry["message"] for entry in wide.driver.get_log("browser")] == []


def test_the_page_says_when_the_agent_is_gone(
    host: Host, tmp_path: Path, page: StatusPage, agent: Watch
) -> None:
    """A second agent on the same maps comes and goes; what was known stays on the screen."""
    other = StatusPage(page.driver, "http://127.0.0.1:9465")
    with ExitStack() as stack:
        second = stack.enter_context(Watch(host, "--http-listen", "127.0.0.1:9465"))
        second.wait("start")
        other.open()
        assert "does not answer" not in other.text("#banner")
        second.crash()
    other.until(lambda: "The agent does not answer since" in other.text("#banner"), "it is not said")
    assert "Services stay in force" in other.text("#banner")
    assert "last seen: in effect" in other.text("#effect")
    assert f"{WEB}:80/TCP" in other.names()
    with Watch(host, "--http-listen", "127.0.0.1:9465") as third:
        third.wait("start")
        other.until(lambda: other.text("#banner") == "", "it is back, and that is not seen")
