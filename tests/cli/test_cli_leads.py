"""`winback leads`, `explain`, `deliveries` and what is done by hand, on a real database."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import datetime, timedelta
from typing import Any

import pytest
from cli_case import ANN, BOB, Owner
from jsonschema import Draft202012Validator

from connector.rules import State
from connector.sandbox import Fault, Reply

TEXT, TIME = {"type": "string"}, {"type": ["string", "null"], "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
MAYBE = {"type": ["string", "null"]}
STATE = {"enum": [str(state) for state in State]}


def exactly(**properties: Any) -> dict[str, Any]:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def every(items: dict[str, Any]) -> dict[str, Any]:
    """A list of such things."""
    return {"type": "array", "items": items}


STEP = exactly(
    index={"type": "integer", "minimum": 0}, crm=TEXT, state=TEXT, due_at=TIME, done_at=TIME,
    attempts={"type": "integer", "minimum": 0}, error=TEXT,
)  # fmt: skip
LEAD = exactly(
    client=TEXT, store=TEXT, email=MAYBE, state=STATE, reason=TEXT, rule=TEXT, created_at=TIME, abandoned_at=TIME,
    updated_at=TIME, product_name=TEXT, checkout_url=MAYBE, total={"type": "string", "pattern": r"^\d+(\.\d+)?$"},
    currency={"type": "string", "pattern": "^[A-Z]{3}$"}, consent=TEXT, steps=every(STEP),
)  # fmt: skip
EXPLAIN = exactly(
    client=TEXT, email=TEXT, state={"anyOf": [STATE, {"type": "null"}]}, reason=TEXT, rule=TEXT, leads=every(LEAD),
    events=every(exactly(at=TIME, what=TEXT, rule=TEXT)),
)  # fmt: skip


def valid(document: Any, schema: dict[str, Any]) -> Any:
    """The document, if it has that shape."""
    Draft202012Validator(schema).validate(document)
    return document


@pytest.fixture
def busy(owner: Owner) -> Owner:
    """Ann was enrolled from WooCommerce, Bob is too old, Eve was enrolled from Shopify."""
    owner.leave(ANN)
    owner.leave(BOB, hours=50)
    owner.leave("eve@example.com", shop=True)
    said = owner.winback("sync")
    assert (said.code, said.out) == (0, "3 new or changed checkouts, 2 new leads, 2 deliveries made\n"), said
    return owner


def emails(owner: Owner, *args: str) -> list[str]:
    """Whom the filtered table shows."""
    said = owner.winback("leads", "list", *args, "--json")
    assert said.code == 0, said
    return sorted(lead["email"] for lead in said.json)


def test_the_table_as_json_has_the_promised_shape(busy: Owner) -> None:
    said = busy.winback("leads", "list", "--json")
    leads = valid(said.json, every(LEAD))
    assert said.err == ""
    assert [(lead["email"], lead["state"]) for lead in leads if lead["store"] == "woo"] == [
        (ANN, "enrolled"),
        (BOB, "stale"),
    ]
    assert leads == busy.winback("leads", "--json").json, "`leads` alone is `leads list`"


def test_every_filter(busy: Owner) -> None:
    assert emails(busy, "--store", "woo") == [ANN, BOB]
    assert emails(busy, "--state", "stale") == [BOB]
    assert emails(busy, "--email", " ANN@Example.com") == [ANN]
    assert emails(busy, "--since", "2h") == [ANN, "eve@example.com"]
    assert emails(busy, "--since", "2h", "--store", "shop") == ["eve@example.com"]
    assert "bob@example.com" in busy.winback("leads", "--state", "stale").out, "filters need no `list`"
    exported = busy.winback("leads", "export", "--email", ANN).out
    assert [row["email"] for row in csv.DictReader(io.StringIO(exported))] == [ANN]


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("--state", "enroled"), "there is no state enroled; did you mean enrolled?"),
        (("--state", "xyz"), "there is no state xyz; the states are: waiting, held,"),
        (("--store", "wooo"), "there is no store wooo; did you mean woo?"),
        (("--email", "ann"), "ann is no e-mail address"),
        (("--since", "7 days"), "'7 days' is not a duration; write a number and a unit, such as 90s, 30m, 24h or 7d"),
        (("--client", "acmee"), "there is no client acmee here; did you mean acme?"),
    ],
)
def test_a_wrong_filter_is_one_line(owner: Owner, args: tuple[str, ...], line: str) -> None:
    assert line in owner.winback("leads", "list", *args).refused()


def test_a_person_reads_the_table(busy: Owner) -> None:
    said = busy.winback("leads")
    head, *rows = said.out.splitlines()
    assert head.split() == ["store", "left", "(UTC)", "e-mail", "state", "rule", "why", "cart"]
    assert len(rows) == 3, "a row is a line where nobody looks"
    assert "already old when it was first seen" in next(row for row in rows if BOB in row)
    assert busy.winback("leads", "--state", "failed").out == "no leads\n"


def test_looking_makes_no_database(owner: Owner) -> None:
    said = owner.winback("leads", "--json")
    assert (said.code, said.json) == (0, [])
    assert said.err.startswith("there is no database data/winback.db yet; `winback run` makes it (the path is counted")
    assert not (owner.folder / "data").exists()
    assert owner.winback("explain", ANN).code == 1
    assert owner.winback("deliveries").out == "nothing is waiting and nothing was refused\n"
    assert not (owner.folder / "data").exists()


def test_explain_tells_the_story(busy: Owner) -> None:
    busy.ahead = timedelta(minutes=1)
    busy.woo.buy(email=ANN)
    busy.winback("sync")
    story = valid(busy.winback("explain", ANN, "--json").json, EXPLAIN)
    assert (story["state"], story["rule"]) == ("recovered", "R7")
    told = [event["what"] for event in story["events"] if not event["what"].startswith("held: ")]  # for the other store
    assert told[:2] == ["lead made", "step 1 delivered to mail"]
    assert told[-1] == "taken out of mail"
    said = busy.winback("explain", ANN)
    assert said.out.startswith(f"{ANN} in acme: recovered (R7): bought after a step: order ")
    assert busy.winback("leads", "show", ANN).out == said.out


def test_nobody_knows_that_address(busy: Owner) -> None:
    said = busy.winback("explain", "nobody@example.com")
    assert (said.code, said.out) == (1, "nobody@example.com: nothing is known of this address in acme\n")
    unknown = busy.winback("explain", "nobody@example.com", "--json")
    assert (unknown.code, valid(unknown.json, EXPLAIN)["state"]) == (1, None)
    assert busy.winback("explain", "nobody").refused() == "nobody is no e-mail address"


def test_enrol_by_hand_lifts_the_age(busy: Owner) -> None:
    said = busy.winback("leads", "enrol", BOB)
    assert (said.code, said.out.startswith("woo: checkout ")) == (0, True)
    busy.winback("sync")
    assert emails(busy, "--state", "stale") == []
    waiting = {row["email"] for row in busy.winback("deliveries", "--json").json}  # for orders read after this moment
    assert BOB in {*waiting, *emails(busy, "--state", "enrolled")}
    assert "no unfinished checkout of that address" in busy.winback("leads", "enrol", "x@example.com").refused()


def test_the_table_says_when_the_shopper_left(busy: Owner) -> None:
    """Not when that counted as abandoned, half an hour later: for who has just left that would still be to come."""
    (lead,) = busy.winback("leads", "--json", "--email", ANN).json
    left = datetime.fromisoformat(lead["abandoned_at"]) - timedelta(minutes=30)
    assert f"{left:%d %b %H:%M}  " in busy.winback("leads", "--email", ANN).out


def test_delete_of_an_address_without_a_checkout_says_so(busy: Owner) -> None:
    line = "acme: no unfinished checkout of that address is known; see `winback explain`"
    assert busy.winback("leads", "delete", "nobody@example.com").refused() == line


def test_delete_withdraws_and_keeps_the_window(busy: Owner) -> None:
    assert busy.winback("leads", "delete", ANN).out.startswith("1 checkout ended")
    busy.winback("sync")
    assert busy.klaviyo.tags(ANN) == set()
    busy.leave(ANN, hours=0.6)
    busy.winback("sync")
    assert "renewed_too_soon" in {lead["state"] for lead in busy.winback("leads", "--email", ANN, "--json").json}


def test_release_names_its_store(busy: Owner) -> None:
    assert (
        busy.winback("leads", "release").out == "0 stores released; 0 held checkouts to be decided at the next pass\n"
    )
    assert busy.winback("leads", "release", "--store", "wo").refused() == "acme has no store wo; did you mean woo?"


def test_suppress_and_lift(owner: Owner) -> None:
    assert owner.winback("suppress", ANN).out == "suppressed; it becomes no lead any more\n"
    owner.winback("suppress", " @MÜLLER.example ")
    owner.leave(ANN)
    owner.leave("eva@müller.example")
    owner.leave(BOB)
    owner.winback("sync")
    states = [lead["state"] for lead in owner.winback("leads", "--json").json]
    assert sorted(states) == ["enrolled", "suppressed", "suppressed"]
    assert owner.winback("explain", ANN).out.startswith(f"{ANN} in acme: suppressed (R10)")
    assert owner.winback("suppress", ANN, "--lift").out == "lifted\n"
    assert owner.winback("suppress", ANN, "--lift").out == "it was not suppressed\n"
    for wrong in ("@", "@acme", "acme.example"):
        assert owner.winback("suppress", wrong).refused().startswith(f"{wrong} is no ")


def an_hour_goes_by(owner: Owner) -> None:
    """In which the CRM has worked off what it was sent."""
    earlier = ", ".join(f"{name} = datetime({name}, '-61 minutes')" for name in ("attempted_at", "next_at"))
    with sqlite3.connect(owner.folder / "data/winback.db") as connection:
        connection.execute(f"update deliveries set {earlier}")


def test_forget_erases_here_and_in_the_crms(busy: Owner) -> None:
    said = busy.winback("forget", ANN, "--crms")
    assert said.out.startswith("erased here and, at the next delivery, in the CRMs")
    busy.winback("sync")
    assert "worked off" in busy.winback("deliveries").out
    an_hour_goes_by(busy)
    busy.winback("sync")
    assert busy.klaviyo.fields(ANN) == {}
    assert ANN not in busy.winback("leads", "export").out
    assert busy.winback("explain", ANN).out.startswith(f"{ANN} in acme: suppressed (R10): erased")
    stored = b"".join(path.read_bytes() for path in (busy.folder / "data").iterdir())
    assert ANN.encode() not in stored, "not in a free page either"


def test_forget_for_ever_is_asked_for_in_words(busy: Owner) -> None:
    assert "say --crms too" in busy.winback("forget", ANN, "--permanently").refused()
    assert busy.winback("forget", ANN, "--crms", "--permanently").code == 0
    busy.winback("sync")
    an_hour_goes_by(busy)
    busy.winback("sync")
    assert busy.klaviyo.status(ANN) == ""


def test_deliveries_are_listed_and_retried(owner: Owner) -> None:
    owner.klaviyo.server.fault = lambda request: (
        Fault(reply=Reply(400, {"errors": [{"title": "Invalid input.", "detail": "no"}]}))
        if "events" in request.path
        else None
    )
    owner.leave(ANN)
    owner.winback("sync")
    (refused,) = owner.winback("deliveries", "list", "--json").json
    assert (refused["crm"], refused["email"], refused["state"], refused["attempts"]) == ("mail", ANN, "failed", 1)
    assert owner.winback("deliveries").out.splitlines()[1].split()[:6] == ["1", "mail", "step", "1", ANN, "failed"]
    owner.klaviyo.server.fault = None
    assert "name one ID, or say --all" in owner.winback("deliveries", "retry").refused()
    assert "no delivery 999 waits or was refused" in owner.winback("deliveries", "retry", "999").refused()
    assert owner.winback("deliveries", "retry", str(refused["id"])).out == "1 delivery put back into the outbox\n"
    owner.winback("sync")
    assert emails(owner, "--state", "enrolled") == [ANN]
    assert owner.winback("deliveries", "--json").json == []
    assert [row["state"] for row in owner.winback("deliveries", "--all", "--json").json] == ["done"]
    assert owner.winback("deliveries", "retry", "--all").out == "0 deliveries put back into the outbox\n"


def test_what_has_ended_cannot_be_tried_again(owner: Owner) -> None:
    owner.winback("test", ANN)
    owner.klaviyo.unsubscribe(ANN)
    owner.leave(ANN)
    owner.winback("sync")
    assert emails(owner, "--state", "no_consent") == [ANN]
    (refused,) = owner.winback("deliveries", "--json").json
    said = owner.winback("deliveries", "retry", str(refused["id"]))
    assert said.out.endswith("; 1 cannot be tried again, because the lead has ended\n")


def test_adopt_knows_its_accounts(busy: Owner) -> None:
    assert busy.winback("adopt", "wooo").refused() == "acme has no store or CRM wooo; did you mean woo?"
    assert busy.winback("adopt", "woo").out == "woo: the account that answers next is adopted\n"


def test_dry_run_sends_nothing_and_keeps_nothing(owner: Owner) -> None:
    owner.leave(ANN)
    owner.leave(BOB, hours=50)
    said = owner.winback("sync", "--dry-run")
    assert said.code == 0
    assert ANN in said.out
    assert BOB not in said.out
    assert said.out.endswith("checkouts with an address: 1 waiting, 1 stale; nothing was sent\n")
    assert owner.klaviyo.effects == []
    assert not (owner.folder / "data").exists()


def test_a_pass_with_a_store_in_trouble_names_it(owner: Owner) -> None:
    owner.config["stores"][0]["consumer_secret"] = "cs_" + "0" * 40
    owner.write()
    said = owner.winback("sync")
    assert said.code == 1
    assert "acme/woo: woo: the signature" in said.err
    assert "! acme/woo: woo: the signature" in owner.winback("leads").out
    assert [json.loads(line)["level"] for line in said.err.splitlines()] == ["error", "warning"]


def test_a_purchase_in_another_browser_is_told_as_one(owner: Owner) -> None:
    owner.leave(ANN, title="Trail Mug")
    assert owner.winback("sync").code == 0
    other = owner.leave(ANN, hours=0, title="Trail Mug, again")
    assert owner.winback("sync").code == 0
    owner.ahead = timedelta(minutes=1)
    owner.woo.buy(checkout_id=other)
    assert owner.winback("sync").code == 0
    told = owner.winback("explain", ANN).out.splitlines()
    note = " (the same purchase as the recovered one's: no step was sent for this checkout)"
    (mine,) = [line for line in told if line.endswith(f"self_recovered{note}")]
    assert "Trail Mug, again" in mine
    assert sum(note in line for line in told) == 1
    assert any(line.endswith(": recovered") for line in told)


def test_several_clients_in_a_folder(busy: Owner) -> None:
    busy.other_client("beta")
    assert busy.winback("leads", "enrol", BOB, path=".").refused() == (
        "several clients are configured here; add --client with one of: acme, beta"
    )
    assert busy.winback("leads", "enrol", BOB, "--client", "acme", path=".").code == 0
    assert busy.winback("leads", path=".").out.startswith("client  store")
    assert busy.winback("explain", ANN, path=".").out.startswith(f"{ANN} in acme: enrolled")
    suppressed = busy.winback("suppress", ANN, path=".").out
    assert [line.split(":")[0] for line in suppressed.splitlines()] == ["acme", "beta"]
    assert busy.winback("explain", ANN, path=".").refused() == (
        "several clients know this address; add --client with one of: acme, beta"
    )
    assert busy.winback("explain", ANN, "--client", "beta", path=".").out.startswith(f"{ANN} in beta: suppressed")


def test_a_backup_and_back(busy: Owner) -> None:
    file = busy.folder / "winback-backup.db"
    said = busy.winback("backup", "-o", str(file))
    assert said.code == 0
    assert "Keep it as secret as the database" in said.out
    before = busy.winback("leads", "list", "--json").json
    assert "add --force" in busy.winback("restore", str(file)).refused()
    assert busy.winback("restore", str(file), "--force").code == 0
    assert busy.winback("leads", "list", "--json").json == before
    assert "is no backup of Winback" in busy.winback("restore", str(busy.folder / "acme.yaml"), "--force").refused()
    before = (busy.folder / "data/winback.db").read_bytes()
    for command in (("backup", "-o"), ("restore",)):
        refused = busy.winback(*command, "data/winback.db", "--force").refused()
        assert "data/winback.db belongs to the database itself" in refused
    assert (busy.folder / "data/winback.db").read_bytes() == before
