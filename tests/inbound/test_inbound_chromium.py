"""A real browser on the example's pages: an address is typed, its shopper is enrolled, buys and is let go."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pushed_world import PushedWorld, pushed_world
from sqlalchemy import select

from connector import tables
from connector.db import table
from connector.engine.capture import capture_rate
from connector.engine.daemon import Daemon

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "process"))

from processes import LateClock, until
from test_inbound_process import free_port, start_example

ANN = "ann@example.com"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: apt install chromium")
    import playwright as installed
    from playwright.sync_api import sync_playwright

    node = Path(installed.__file__).parent / "driver" / "node"
    if (tried := subprocess.run([node, "--version"], capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"Playwright does not start here (on Debian: apt install libatomic1): {tried.stderr.strip()}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Shop:
    """The example's shop, the running daemon, and a sandbox CRM. `clock` can be set back, so that time has passed."""

    def __init__(self, world: PushedWorld, clock: LateClock, url: str) -> None:
        self.world, self.clock, self.url = world, clock, url

    def known(self) -> list[str | None]:
        """The address of every checkout that was told."""
        checkouts = table(tables.Checkout)
        with self.world.ctx.db.read() as connection:
            return list(connection.execute(select(checkouts.c.email)).scalars())


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str) -> Iterator[Shop]:
    clock, port = LateClock(), free_port()
    url = f"http://127.0.0.1:{port}"
    keys = {"snippet": {"key": "pk_0123456789abcdef", "origins": [url]}}
    with pushed_world(tmp_path, sqlite_url, clock, keys=keys) as world:
        daemon = Daemon(world.ctx, tick=0.05)
        example = start_example(world.url, world.site.signing_key, port)
        assert example.stdout is not None
        assert example.stdout.readline() == f"{url}/checkout\n"
        daemon.start()
        try:
            yield Shop(world, clock, url)
        finally:
            daemon.stop()
            example.terminate()
            example.wait()


def test_typed_left_enrolled_bought_withdrawn(chromium: Any, shop: Shop) -> None:
    context = chromium.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    with shop.clock.ago(minutes=45):
        page.goto(f"{shop.url}/checkout")
        page.fill("#pieces", "2")
        page.locator("#email").press_sequentially(ANN[:6])
        page.wait_for_timeout(100)
        page.locator("#email").press_sequentially(ANN[6:])
        assert shop.known() == [], "nothing is sent while it is typed"
        page.locator("#remind").focus()
        until(lambda: shop.known() == [ANN])
        assert shop.world.leads()[0]["total"] == "98.00"
        page.goto("about:blank")
    shop.world.site.tell_orders()
    until(lambda: shop.world.effects() == [ANN])
    page.goto(f"{shop.url}/checkout")
    page.fill("#email", "ann.another@example.com")
    page.click("#buy")
    page.wait_for_url(f"{shop.url}/thanks")
    until(lambda: shop.world.effects("withdrawn") == [ANN])
    assert context.cookies() == []
    page.wait_for_function("!sessionStorage.winback")
    assert page.evaluate("localStorage.length") == 0
    assert not [one for one in asked if one.startswith("OPTIONS")], "a preflight would not outlive a page that is left"
    assert [row["state"] for row in shop.world.leads()] == ["recovered"]
    context.close()


def test_an_address_is_sent_when_the_page_is_left_at_once(chromium: Any, shop: Shop) -> None:
    page = chromium.new_page()
    page.goto(f"{shop.url}/checkout")
    page.wait_for_function("!!window.winback.update")
    page.locator("#email").press_sequentially(ANN)
    page.close(run_before_unload=False)
    until(lambda: shop.known() == [ANN])


@pytest.mark.parametrize(
    "asks",
    [
        "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})",
        "Object.defineProperty(navigator, 'doNotTrack', {value: '1'})",
        "addEventListener('load', () => document.querySelector('#remind').checked = false)",
    ],
    ids=["GPC", "DNT", "no consent"],
)
def test_who_does_not_want_it_is_let_be(chromium: Any, shop: Shop, asks: str) -> None:
    context = chromium.new_context()
    context.add_init_script(asks)
    page = context.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or "") if "key=" in request.url else None)
    page.goto(f"{shop.url}/checkout")
    page.wait_for_function("!!window.winback.update")
    page.fill("#email", ANN)
    page.locator("#pieces").focus()
    page.wait_for_timeout(2500)
    assert page.evaluate("sessionStorage.length") == 0
    page.goto("about:blank")
    assert not [body for body in sent if ANN in body]
    assert shop.known() == []
    context.close()


def test_a_corrected_address_is_the_same_checkout_and_starts_are_counted(chromium: Any, shop: Shop) -> None:
    page = chromium.new_page()
    page.goto(f"{shop.url}/checkout")
    page.wait_for_function("!!window.winback.update")
    for email in ("an@example.com", ANN):
        page.fill("#email", email)
        page.locator("#pieces").focus()
        until(lambda email=email: shop.known() == [email])  # type: ignore[misc]
    number = page.evaluate("window.winback.id")
    page.reload()
    page.wait_for_function("window.winback.id")
    assert page.evaluate("window.winback.id") == number
    page.wait_for_timeout(2500)
    since = datetime.now(UTC) - timedelta(days=1)
    page.goto(f"{shop.url}/checkout")

    def counted() -> tuple[int | None, int]:
        with shop.world.ctx.db.read() as connection:
            found = capture_rate(connection, "acme", "site", since)
        return found.started, found.contactable

    until(lambda: counted() == (1, 1), f"{counted()}")
    page.close()
