"""Odd shoppers, carts, prices and times, from each kind of store into each CRM, and out again by every command."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from odd_records import ODD, Spoil, address, captured, shopify_node, woo_order
from test_odd_answers import through
from world import World

from connector.address import contact
from connector.cli import main
from connector.engine import view
from connector.model import ConsentState
from crm.sandbox import activecampaign, klaviyo, mailchimp, omnisend

GOOD, ANN, ANN2 = "good@example.com", "ann@example.com", "ann2@example.com"
FIELDS = {"FNAME": "{{ first_name }}", "CART": "{{ product_name }}", "TOTAL": "{{ total_formatted }}"}
MODULES = {"klaviyo": klaviyo, "mailchimp": mailchimp, "activecampaign": activecampaign, "omnisend": omnisend}
HARMLESS = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*")
SOURCES: dict[str, tuple[str, Spoil]] = {
    "unpaid orders": ("woo", woo_order),
    "companion plugin": ("woo", captured),
    "abandoned checkouts": ("shop", shopify_node),
}


class Many:
    """A world with an account of every kind of CRM."""

    def __init__(self, folder: Path, url: str, clock: Clock, source: str) -> None:
        self.crms = {name: module.serve(clock=clock) for name, module in MODULES.items()}
        accounts = [
            {
                "id": name,
                **crm.options(),
                "subscribe": "eligible",
                "fields": {**crm.options().get("fields", {}), **FIELDS},
            }
            for name, crm in self.crms.items()
        ]
        (folder / "winback.yaml").write_text("public_url: https://winback.example\n")
        woo = {"plugin": True, "version": "10.9.0"} if source == "companion plugin" else {}
        self.world = World(folder, url, clock, woo=woo, crms=accounts)

    def enrolled(self, crm: str) -> set[str]:
        """Who is in an account."""
        return {effect.email for effect in self.crms[crm].effects if effect.what == "enrolled"}

    def close(self) -> None:
        """Stops everything."""
        self.world.close()
        for crm in self.crms.values():
            crm.server.close()


def spoil_all(data: Any, spoil: Spoil) -> None:
    """Makes each record odd that is one of an odd shopper's."""
    for record in records_in(data):
        text = json.dumps(record)
        for number, odd in enumerate(ODD):
            if f'"{address(odd, number)}"' in text:
                spoil(record, odd)


def records_in(data: Any) -> list[dict[str, Any]]:
    """The checkouts in an answer of any of the stores."""
    if isinstance(data, list):
        return [one for one in data if isinstance(one, dict) and "line_items" in one and "billing" in one]
    found = ((data.get("data") or {}).get("abandonedCheckouts") or {}) if isinstance(data, dict) else {}
    rows = data.get("checkouts", []) if isinstance(data, dict) else []
    return [*(found.get("nodes") or []), *(edge["node"] for edge in found.get("edges") or []), *rows]


@pytest.fixture
def many(tmp_path: Path, request: pytest.FixtureRequest, clock: Clock, source: str, database: str) -> Iterator[Many]:
    made = Many(tmp_path, request.getfixturevalue(database), clock, source)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("source", "database"),
    list(zip(SOURCES, ("sqlite_url", "sqlite_url", "postgres_database_url"), strict=True)),
)
def test_every_record_gets_where_it_belongs(
    many: Many, source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, spoil = SOURCES[source]
    acme, sandbox = many.world, getattr(many.world, name)
    through(sandbox.server, lambda data: spoil_all(data, spoil))
    for number, odd in enumerate(ODD):
        sandbox.abandon(address(odd, number), consent=ConsentState.OPTED_IN)
    sandbox.abandon(GOOD, consent=ConsentState.OPTED_IN)
    first, then = acme.after(minutes=45), acme.after(minutes=2)  # an account that asks for a moment gets it
    assert not first.errors | then.errors
    for crm in many.crms:
        judge(crm, many.enrolled(crm))
    told = [finding.message for polled in first.polled.values() for finding in polled.findings]
    assert sum("read" in message for message in told) >= 5
    assert [re.sub(r"[^\d,.]", "", text) for text in formatted(many)] == ["1,500", "12.345"]
    sandbox.buy(email=GOOD)
    acme.clock.advance(timedelta(minutes=5))
    assert not acme.sync().errors
    assert GOOD in {effect.email for effect in many.crms["klaviyo"].effects if effect.what == "withdrawn"}
    monkeypatch.setenv("WINBACK_DATABASE_URL", acme.url)
    shown_by_every_command(acme, capsys)


def judge(crm: str, enrolled: set[str]) -> None:
    """Everybody who should be in the CRM is, and nobody who should not."""
    found = {email.lower() for email in enrolled}
    for number, odd in enumerate(ODD):
        email = contact(odd.email or address(odd, number))
        if odd.enrolled is not None:
            there = email is not None and email.address.lower() in found
            assert there == odd.enrolled, f"{crm}: {odd.what}"
    assert GOOD in found
    assert not any("bcc" in email or "eve@" in email or "," in email for email in found)


def formatted(many: Many) -> list[str]:
    """How the CRM was told prices in currencies without a hundredth: yen, then dinars."""
    fields = many.crms["klaviyo"].fields
    return [fields(address(odd, n))["TOTAL"] for n, odd in enumerate(ODD) if odd.currency in ("JPY", "KWD")]


def test_a_cart_of_10000_lines_has_a_link_that_every_program_takes(tmp_path: Path, clock: Clock) -> None:
    acme = World(tmp_path, f"sqlite:///{tmp_path}/acme.db", clock)

    def fill(data: Any) -> None:
        for order in records_in(data):
            (line,) = order["line_items"]
            order["line_items"] = [{**line, "product_id": n, "total": str(n)} for n in range(1, 10_001)]

    through(acme.woo.server, fill)
    acme.woo.abandon(ANN)
    acme.woo.place_order(acme.woo.abandon(ANN2))
    assert not acme.after(minutes=45).errors
    draft, placed = (view.leads(acme.ctx, acme.client, email=email)[0]["checkout_url"] for email in (ANN, ANN2))
    assert draft.startswith(f"{acme.woo.server.url}/checkout-link/?products=10000:1,9999:1,")
    assert 1900 < len(draft) <= 2000
    assert "/order-pay/" in placed, "the page of a placed order has all of it"
    assert acme.effects() == [ANN, ANN2]
    acme.close()


def shown_by_every_command(acme: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that looks: it ends well, and shows what shoppers typed as nothing but text."""
    rows = json.loads(said(acme, capsys, "leads", "list", "--json"))
    assert len(rows) > len(ODD) / 2
    exported = list(csv.DictReader(io.StringIO(said(acme, capsys, "leads", "export"))))
    assert [row["email"] for row in exported] == [row["email"] or "" for row in rows]
    assert not any(value.startswith(("=", "+", "-", "@")) for row in exported for value in row.values())
    assert {row["total"] for row in exported} >= {"1500", "12.345", "'-5.00"}
    for email in sorted({row["email"] for row in rows} - {None})[::5]:
        assert email in said(acme, capsys, "explain", email)
    for command in (("leads",), ("deliveries", "--all"), ("report", "--since", "400d"), ("report", "--by", "product")):
        text = said(acme, capsys, *command)
        assert HARMLESS.fullmatch(text), command
        json.loads(said(acme, capsys, *command, "--json"))


def said(acme: World, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """What a command prints."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([*args, "-c", str(acme.folder / "acme.yaml")])
    captured = capsys.readouterr()
    assert (end.value.code or 0, captured.err) == (0, ""), args
    return captured.out
