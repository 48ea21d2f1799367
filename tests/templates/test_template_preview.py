"""The preview page: a shopper's data in it can do nothing, and it shows what the e-mails say."""

from __future__ import annotations

import html
import re
import stat
import subprocess
from pathlib import Path

import pytest
from cli_case import ANN, Owner
from templates_case import VALUES, Page, templates

from connector.templates import EMAILS, load
from connector.templates.preview import inert, page

ATTACKS = [
    "*|UNSUB|*",
    "*|IF:FNAME|*x*|END:IF|*",
    "{{ person.email }}",
    "{% unsubscribe_link %}",
    "%UNSUBSCRIBELINK%",
    "%IF $EMAIL != ''%x%/IF%",
    "[[contact.email]]",
    "[% if contact.email %]x[% endif %]",
    "${7*7}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</iframe><script>alert(1)</script>",
    "</title></style><script>alert(1)</script>",
    "&#60;script&#62;",
]
SYNTAX = re.compile(r"\*\||\|\*|\{\{|\}\}|\{%|%\}|\[\[|\]\]|\[%|%\]|%[A-Z/$]|\$\{")


def framed(source: str) -> list[str]:
    """The e-mails in the page's frames, as a browser hands them to its parser again."""
    return [str(attrs["srcdoc"]) for attrs in Page(source).all("iframe")]


def without_styles(source: str) -> str:
    return re.sub(r"<style>.*?</style>", "", source, flags=re.DOTALL)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_shopper_types_is_inert(attack: str) -> None:
    values = {name: attack for name in VALUES if not name.endswith("_url")}
    links = {name: f"https://shop.example/{attack}" for name in VALUES if name.endswith("_url")}
    source = page(templates(), {**values, **links}, attack)
    harmless = page(templates(), {**VALUES}, "x")
    # The same elements with the same attributes as for an honest shopper, in the page and in every frame.
    assert [(tag, sorted(attrs)) for tag, attrs in Page(source).tags] == [
        (tag, sorted(attrs)) for tag, attrs in Page(harmless).tags
    ]
    for one, other in zip(framed(source), framed(harmless), strict=True):
        assert [tag for tag, _ in Page(one).tags] == [tag for tag, _ in Page(other).tags]
        assert not SYNTAX.search(without_styles(one)), "a CRM would read this as its own"
        assert html.unescape(attack) in "".join(Page(one).seen) or attack in "".join(Page(one).seen)
    assert not SYNTAX.search(without_styles(source))


def test_it_is_shown_as_it_was_typed() -> None:
    name = '<b>"Mug" & *|CO|* {{ x }}</b>'
    assert html.unescape(inert(name)) == name
    (frame,) = framed(page([load("reminder", "en")], {**VALUES, "product_name": name}, "x"))
    assert name in "".join(Page(frame).seen)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,<script>1</script>", "JaVaScRiPt:x", "//evil"])
def test_links_that_are_no_web_addresses_are_left_out(url: str) -> None:
    (frame,) = framed(page([load("reminder", "en")], {**VALUES, "checkout_url": url, "image_url": url}, "x"))
    assert {attrs["href"] for attrs in Page(frame).all("a")} == {"", "#"}
    assert {attrs["src"] for attrs in Page(frame).all("img")} == {""}


def test_the_page_forbids_scripts_and_closes_its_frames() -> None:
    found = Page(page(templates(), VALUES, "x"))
    (policy,) = (attrs["content"] for attrs in found.all("meta") if attrs.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'; img-src https: http:;")
    assert "script" not in str(policy)
    assert len(found.all("iframe")) == 20
    assert all(attrs["sandbox"] is None or attrs["sandbox"] == "" for attrs in found.all("iframe"))
    assert "script" not in {tag for tag, _ in found.tags}


def test_a_sample_cart(owner: Owner) -> None:
    said = owner.winback("templates", "preview")
    assert (said.code, said.err) == (0, "")
    assert said.out == "written to winback-preview.html: open it in a browser\n"
    file = owner.folder / "winback-preview.html"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert all(f"Winback {email.replace('-', ' ')} (en), English" in text for email in EMAILS)
    assert "Enamel trail mug is still in your cart" in text
    assert not (owner.folder / "data").exists(), "no database is made for a look"
    assert owner.winback("templates", "preview", "--lang", "de", "--template", "value", "--force").code == 0
    text = html.unescape(html.unescape(file.read_text()))
    assert "49,00\xa0€" in text
    assert "Winback value (de)" in text
    assert "Winback reminder" not in text


def test_a_real_shoppers_cart(owner: Owner) -> None:
    owner.leave(title="Tasse *|UNSUB|* & {{ mehr }}")
    assert owner.winback("sync").code == 0
    said = owner.winback("templates", "preview", "--email", ANN, "-o", "ann.html")
    assert (said.code, said.out) == (0, "written to ann.html: open it in a browser\n")
    source = (owner.folder / "ann.html").read_text()
    assert ANN in html.unescape(source)
    assert "Tasse *|UNSUB|* & {{ mehr }}" in html.unescape(html.unescape(html.unescape(source)))
    assert not SYNTAX.search(without_styles(source))


def test_what_cannot_be_shown_is_said_in_a_line(owner: Owner) -> None:
    assert (
        "no cart of nobody@example.com is kept"
        in owner.winback("templates", "preview", "--email", "nobody@example.com").err
    )
    assert "x is no e-mail address" in owner.winback("templates", "preview", "--email", "x").err
    (owner.folder / "notes.html").write_text("<p>my notes</p>")
    said = owner.winback("templates", "preview", "-o", "notes.html")
    there = "is there already; name another file with -o, or add --force to replace it"
    assert said.refused() == f"notes.html {there}"
    assert (owner.folder / "notes.html").read_text() == "<p>my notes</p>"
    assert "cannot be written" in owner.winback("templates", "preview", "-o", "nowhere/p.html").refused()
    assert owner.winback("templates", "preview").code == 0
    assert owner.winback("templates", "preview").refused() == f"winback-preview.html {there}"


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=3000"),
)


def test_a_real_browser_shows_it_and_runs_nothing(tmp_path: Path) -> None:
    from shutil import which

    browser = next(filter(None, map(which, CHROMIUM)), None)
    if browser is None:
        pytest.skip("there is no Chromium to look with: apt-get install chromium")
    values = {**VALUES, "image_url": "", "product_name": "<script>document.title='ran'</script> mug"}
    source = page([load("incentive", "de")], values, "<img src=x onerror=\"document.title='ran'\">")
    (frame,) = framed(source)
    # The e-mail by itself, without the page's closed frame and its policy: its own escaping has to do.
    for name, text in (("page", source), ("mail", frame)):
        file = tmp_path / f"{name}.html"
        file.write_text(text, encoding="utf-8")
        profile = f"--user-data-dir={tmp_path / name}"
        run = [browser, *FLAGS, profile, "--dump-dom", file.as_uri()]
        shown = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout
        assert "<title>ran" not in shown
        assert "<title>" in shown
    assert "&lt;script&gt;" in shown
    assert "Bestellung abschließen" in shown
