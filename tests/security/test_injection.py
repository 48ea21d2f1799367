"""What a shopper types goes through the real program, from both stores into every CRM, and stays text all the way."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from hostile import NUMBER, by_shopper, records, rewriting
from processes import LateClock, Site, client, due_store

from connector.sandbox import Request
from crm.sandbox import activecampaign, klaviyo, mailchimp, omnisend
from platforms.sandbox import shopify

MakeSite = Callable[[dict[str, Any]], Site]
TYPED = [
    "*|UNSUB|*", "{{ person.email }}", "{{7*7}}", "{% raw %}x{% endraw %}", "%UNSUBSCRIBELINK%", "[[contact.email]]",
    "<script>alert(1)</script>", "Ann'; DROP TABLE leads; --", '" OR ""="', "=HYPERLINK(1)", "\x1b[31mred\x9b2J",
    'Ann\r\n{"level": "error", "message": "forged"}', "${7*7}", "__import__('os')", "\u202egnp.exe",
    "Win at evil.example",
]  # fmt: skip
# Valid addresses, all of them: RFC 5321 allows these letters.
ADDRESSES = [
    "{{7*7}}@acme.example", "*|unsub|*@acme.example", "%email%@acme.example", "x'or'1'='1@acme.example",
    "=1+1@acme.example", "${x}@acme.example", "a/./b@acme.example", "a?b=c&d#e@acme.example",
]  # fmt: skip
SYNTAX = re.compile(r"\*\||\|\*|\{\{|\}\}|\{%|%\}|\[\[|\]\]|%[A-Z]|\$\{|<script|evil\.example")
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
NAMES = ("first_name", "last_name", "firstName", "lastName")


def names_in(body: Any) -> list[str]:
    """Every name of a shopper in what a CRM was sent, and every value of the field that holds one."""
    keys = {"first_name", "last_name", "firstname", "lastname", "fname", "name_field", "variant", "value"}
    found = []
    for key, value in body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ():
        if isinstance(value, str) and str(key).lower() in keys and not value.startswith(("Mug ", "http")):
            found.append(value)
        found += names_in(value)
    return found


def variants(body: Any, _: Request) -> None:
    """The variant of shopper 0 is the first text, and so on: an engraving that they typed."""
    for record in records(body):
        number = NUMBER.search(json.dumps(record))
        for item in record.get("lineItems", {}).get("nodes", []) if number else []:
            item["variantTitle"] = TYPED[int(number[1]) % len(TYPED)] if number else ""


def test_what_shoppers_type_stays_text(site: MakeSite) -> None:
    clock = LateClock()
    woo, shop = due_store(clock, len(TYPED)), shopify.serve(clock=clock)
    with clock.ago(minutes=40):
        for number, typed in enumerate(TYPED):
            shop.abandon(f"shopper{number}@shop.example", title=f"Mug {typed}")
        for address in ADDRESSES:
            woo.abandon(address)
    for store in (woo, shop):
        rewriting(store.server, by_shopper(NAMES, TYPED))
    rewriting(shop.server, variants)
    crms: dict[str, Any] = {
        "automation": activecampaign.serve(), "bulk": klaviyo.serve(), "journey": mailchimp.serve(path="journey"),
        "flow": omnisend.serve(),
    }  # fmt: skip
    config = client({"woo": woo, "shop": shop}, crms)
    for crm in config["crms"]:
        crm["fields"] = {
            **crm.get("fields", {}),
            "NAME_FIELD": "{{ first_name | default('x') }}",
            "VARIANT": "{{ variant }}",
        }
    acme = site(config)
    synced = acme.run("sync")
    assert synced.code == 0, synced

    everyone = {f"shopper{n}@{at}" for n in range(len(TYPED)) for at in ("example.com", "shop.example")}
    refused = {(row["crm"], row["email"]) for row in acme.json("deliveries", "list") if row["state"] == "failed"}
    assert {email for _, email in refused} < set(ADDRESSES), "some CRMs take fewer letters, and say so"
    for name, crm in crms.items():
        enrolled = {effect.email for effect in crm.effects}
        assert enrolled | {email for of, email in refused if of == name} == everyone | set(ADDRESSES), name
        sent = [one.request for one in crm.server.journal if one.request.method != "GET"]
        names = [text for request in sent for text in names_in(request.json() or {})]
        assert [text for text in names if SYNTAX.search(text) or CONTROL.search(text)] == [], name
        assert "Ann'; DROP TABLE leads; --" in names, "the rest of it is kept"
        bodies = "".join(request.body.decode() for request in sent)
        assert "49@" not in bodies
        assert name != "bulk" or "Mug {{7*7}}" in bodies, "what the store itself calls its products is the store's"

    said = [synced]
    for words in (
        ["leads"],
        ["leads", "export"],
        ["leads", "--json"],
        ["explain", ADDRESSES[3]],
        ["deliveries", "--all"],
    ):
        said.append(acme.run(*words))
        assert said[-1].code == 0, said[-1]
    for ended in said:
        assert not CONTROL.search(ended.out), ended.out
        assert not CONTROL.search(ended.err), ended.err
        assert not [line for line in ended.err.splitlines() if "forged" in str(json.loads(line).get("message"))]
    cells = [cell for row in csv.reader(io.StringIO(said[2].out)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "'=1+1@acme.example" in cells
    assert {row["email"] for row in json.loads(said[3].out)} == everyone | set(ADDRESSES), "no table was dropped"
    for each in (woo, shop, *crms.values()):
        each.server.close()
