"""`winback check` and `winback test`: what an owner is told about files, keys and accounts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cli_case import ANN, Owner
from jsonschema import Draft202012Validator

TEXT, FLAG = {"type": "string"}, {"type": "boolean"}
NUMBERS = {
    "started": {"type": ["integer", "null"]},
    "contactable": {"type": "integer"},
    "rate": {"type": ["number", "null"]},
}
SOURCE = {"type": "object", "required": [*NUMBERS], "properties": NUMBERS, "additionalProperties": False}
CAPTURE = {
    "type": "object",
    "required": [*NUMBERS, "sources"],
    "properties": {**NUMBERS, "sources": {"type": "object", "additionalProperties": SOURCE}},
}
CHECK = {
    "type": "object",
    "additionalProperties": False,
    "required": ["ok", "problems", "warnings", "database", "clients", "accounts"],
    "properties": {
        "ok": FLAG,
        "problems": {"type": "array", "maxItems": 0},
        "warnings": {"type": "array"},
        "database": {
            "type": ["object", "null"],
            "required": ["name", "note", "error"],
            "additionalProperties": TEXT,
        },
        "clients": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["client", "leads_under_way", "leads_on_earlier_sequence", "advice"],
                "properties": {
                    "client": TEXT,
                    "leads_under_way": {"type": ["integer", "null"]},
                    "leads_on_earlier_sequence": {"type": ["integer", "null"]},
                    "advice": {"type": "array", "items": {"required": ["message", "subject", "level"]}},
                },
                "additionalProperties": False,
            },
        },
        "accounts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    *("client", "id", "kind", "adapter", "ok", "account", "error", "exit_condition", "capture"),
                    "findings",
                ],
                "properties": {
                    "ok": FLAG,
                    "kind": {"enum": ["store", "crm"]},
                    "capture": {"type": ["object", "null"], "additionalProperties": CAPTURE},
                    "findings": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "subject", "level"],
                            "properties": {"level": {"enum": ["info", "warning", "error"]}},
                        },
                    },
                },
            },
        },
    },
}


def dump(owner: Owner) -> list[str]:
    """The whole database as SQL."""
    connection = sqlite3.connect(owner.folder / "data/winback.db")
    lines = list(connection.iterdump())
    connection.close()
    return lines


def test_all_is_well(owner: Owner) -> None:
    owner.write(crms=[*owner.config["crms"], {"id": "mc", **owner.mailchimp.options()}])
    said = owner.winback("check")
    assert said.code == 0, said
    assert "configuration: good, 1 client\n" in said.out
    assert "acme/woo: ok, WooCommerce: Sandbox Outfitters\n" in said.out
    assert said.out.count("so that buyers leave:") == 2
    assert said.out.count("zero times since starting this flow") == 1, "the exit condition is said once"
    assert 'If/else rule "Tag is …"' in said.out
    assert not (owner.folder / "data").exists(), "check makes no database"


def test_json_is_one_document(owner: Owner) -> None:
    said = owner.winback("check", "--json")
    Draft202012Validator(CHECK).validate(said.json)
    assert (said.code, said.err, said.json["ok"]) == (0, "", True)
    assert [one["id"] for one in said.json["accounts"]] == ["woo", "shop", "mail"]
    assert said.json["database"]["note"] == "not there yet; `winback run` makes it"


def test_offline_asks_nobody(owner: Owner) -> None:
    said = owner.winback("check", "--offline")
    assert (said.code, owner.woo.server.journal, owner.klaviyo.server.journal) == (0, [], [])
    assert "no store and no CRM was asked" in said.out
    Draft202012Validator(CHECK).validate(owner.winback("check", "--offline", "--json").json)


def test_a_wrong_key_says_what_to_do(owner: Owner) -> None:
    owner.config["stores"][0]["consumer_secret"] = "cs_" + "0" * 40
    owner.config["crms"][0]["api_key"] = "pk_wrong_wrong_wrong"
    owner.write()
    said = owner.winback("check")
    assert said.code == 1
    assert "acme/woo: FAILED, WooCommerce\n  woo: the signature" in said.out
    assert "acme/mail: FAILED, Klaviyo\n" in said.out
    assert "acme/shop: ok" in said.out, "the others are still looked at"
    assert "pk_wrong" not in said.out + said.err


def test_a_store_that_is_down(owner: Owner) -> None:
    owner.config["stores"][0]["url"] = "http://127.0.0.1:9"
    owner.write()
    said = owner.winback("check", "--json")
    down = said.json["accounts"][0]
    assert (said.code, said.json["ok"], down["ok"]) == (1, False, False)
    assert down["error"].startswith("woo: no connection: Connection refused. ")
    assert "look whether the address in the file is right" in down["error"]
    assert "Traceback" not in said.out + said.err


def test_two_clients_with_the_same_store_are_named(owner: Owner) -> None:
    """Somebody copied a client's file and forgot the store: both would mail its shoppers."""
    owner.other_client("beta")
    said = owner.winback("check", path=".")
    warning = (
        "  warning: it is the same store as {}: its shoppers are followed up by each. Take it out of all but one\n"
    )
    assert warning.format("beta/beta-woo") in said.out
    assert warning.format("acme/woo") in said.out
    assert "the same store" not in owner.winback("check").out


def test_another_account_behind_the_same_id_is_found_and_nothing_is_changed(owner: Owner) -> None:
    owner.leave(ANN)
    assert owner.winback("sync").code == 0
    assert "acme: 1 lead under way\n" in owner.winback("check").out
    owner.config["crms"][0] = {"id": "mail", **owner.mailchimp.options()}
    owner.write()
    before = dump(owner)
    said = owner.winback("check")
    assert said.code == 1
    assert "acme/mail: FAILED, Mailchimp" in said.out
    assert "winback adopt -c PATH mail" in said.out
    assert dump(owner) == before
    assert owner.winback("adopt", "mail").code == 0
    assert owner.winback("check").code == 0


def test_a_database_that_cannot_be_used_is_a_failure(owner: Owner) -> None:
    (owner.folder / "data").mkdir()
    (owner.folder / "data/winback.db").write_bytes(b"this is no database, however hard one looks" * 50)
    said = owner.winback("check")
    assert said.code == 1
    assert "database data/winback.db: FAILED\n  cannot be used: file is not a database" in said.out
    assert "acme/woo: ok" in said.out


def test_bad_files_as_json(owner: Owner) -> None:
    owner.write(leeds={})
    said = owner.winback("check", "--json")
    assert said.code == 2
    assert said.json["ok"] is False
    assert [(one["file"], one["key"]) for one in said.json["problems"]] == [("acme.yaml", "leeds")]
    assert "did you mean leads?" in said.err


def test_the_sequence_goes_to_the_owner_and_is_taken_back(owner: Owner) -> None:
    owner.write(sequence=[{"after": "45m"}, {"after": "24h", "tags": ["second"]}])
    said = owner.winback("test", " Me@Acme.example ")
    assert said.code == 0, said
    assert said.out.startswith("mail: step 1: enrolled")
    assert "2 steps sent: look into your inbox" in said.out
    assert {effect.email for effect in owner.klaviyo.effects} == {"me@acme.example"}
    assert "second" in owner.klaviyo.tags("Me@acme.example")
    assert owner.winback("test", "Me@Acme.example", "--remove").out == "mail: taken out\n"
    assert owner.klaviyo.tags("Me@acme.example") == set()


def test_nothing_is_promised_to_an_owner_who_is_not_mailed(owner: Owner) -> None:
    owner.winback("test", "me@acme.example")
    owner.klaviyo.unsubscribe("me@acme.example")
    said = owner.winback("test", "me@acme.example")
    assert said.code == 1
    assert "mail: step 1: no_consent: Klaviyo will not mail this contact" in said.out
    assert "inbox" not in said.out


def test_test_needs_a_crm_and_an_address(owner: Owner) -> None:
    assert owner.winback("test", "me").refused() == "me is no e-mail address"
    owner.write(crms=[])
    assert owner.winback("test", "me@acme.example").refused() == "acme has no CRM to test; add one under crms:"


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: None, "there is no such file or folder"),
        (lambda path: path.write_bytes(b"client: \xff\xfe"), "this is not UTF-8 text; save the file as UTF-8"),
        (lambda path: path.mkdir(), "there is no client's file in this folder; put one in that ends with .yaml"),
        (lambda path: path.write_text("client: [acme"), "a [ or { is not closed, or a value inside it needs quotes"),
        (lambda path: path.write_text(""), "the file is empty; config.example.yaml shows what goes into it"),
    ],
)
def test_what_cannot_be_read_is_one_line(owner: Owner, make: object, line: str) -> None:
    make(owner.folder / "other.yaml")  # type: ignore[operator]
    said = owner.winback("check", path="other.yaml").refused()
    assert said.startswith("other.yaml")
    assert line in said


def test_a_folder_with_two_clients(owner: Owner) -> None:
    owner.other_client("beta")
    said = owner.winback("check", path=".")
    assert "configuration: good, 2 clients" in said.out
    assert "beta/beta-woo: ok" in said.out
    assert Path(owner.folder / "beta.yaml").exists()


def test_after_an_edit_it_says_how_many_leads_go_on_as_they_began(owner: Owner) -> None:
    owner.write(sequence=[{"after": "45m"}, {"after": "24h"}])
    owner.leave(hours=1)
    owner.winback("sync")
    assert "1 lead under way\n" in owner.winback("check").out
    assert owner.winback("check", "--json").json["clients"][0]["leads_on_earlier_sequence"] == 0
    owner.write(sequence=[{"after": "45m"}])
    said = owner.winback("check").out
    assert "acme: 1 lead under way\n  of them on the sequence as it was before it was edited: 1\n" in said
    assert owner.winback("check", "--json").json["clients"][0]["leads_on_earlier_sequence"] == 1


@pytest.mark.parametrize("how", [(), ("--offline",)])
def test_advice_is_given_and_is_no_failure(owner: Owner, how: tuple[str, ...]) -> None:
    assert "acme: warning:" not in owner.winback("check", *how).out
    owner.write(sequence=[{"after": "2h"}, {"after": "3h", "campaign": {"metric": "Second"}}])
    said = owner.winback("check", *how)
    assert said.code == 0
    assert "acme: warning: the first step comes 2h after the shopper left" in said.out
    assert "acme: warning: steps 1 and 2 are only 1h apart in mail" in said.out


def test_the_capture_rate_by_source_and_what_is_unknown(owner: Owner) -> None:
    owner.leave("")
    owner.leave(ANN)
    owner.leave(ANN, shop=True)
    assert owner.winback("sync").code == 0
    said = owner.winback("check")
    assert "checkouts of the last 7 days: drafts: 1 with an address of 2 started (50%)" in said.out
    unknown = "checkouts of the last 30 days: abandoned checkouts: 1 with an address, how many were started is unknown"
    assert unknown in said.out
    document = owner.winback("check", "--json").json
    Draft202012Validator(CHECK).validate(document)
    woo, shop, mail = (one["capture"] for one in document["accounts"])
    assert woo["7d"] == {
        "started": 2,
        "contactable": 1,
        "rate": 0.5,
        "sources": {"drafts": {"started": 2, "contactable": 1, "rate": 0.5}},
    }
    assert shop["30d"]["rate"] is None
    assert mail is None


def test_a_companion_that_went_is_told_and_one_that_came_back_is_not(owner: Owner) -> None:
    owner.woo.switch_plugin(True)
    assert owner.winback("sync").code == 0
    assert "with the companion plugin 1.0.0" in owner.winback("check").out
    owner.woo.switch_plugin(False)
    said = owner.winback("sync")
    assert said.code == 0
    assert said.err.count("The companion plugin is not there any more") == 1
    said = owner.winback("check")
    assert said.code == 0
    assert "  warning: The companion plugin is not there any more" in said.out
    assert "`winback woocommerce-plugin` writes the file to upload" in said.out
    owner.woo.switch_plugin(True)
    assert "this is over" in owner.winback("sync").err
    assert "not there any more" not in owner.winback("check").out


def test_a_variable_that_does_nothing_is_named(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINBACK_LISTEN", "0.0.0.0:80")
    said = owner.winback("check", "--offline")
    words = "no setting and used by no file, so it does nothing; did you mean WINBACK_HTTP__LISTEN?"
    assert said.out.splitlines()[1] == f"warning: environment: WINBACK_LISTEN: {words}"
    assert owner.winback("check", "--offline", "--json").json["warnings"] == [
        {"file": "environment", "line": 0, "key": "WINBACK_LISTEN", "message": words}
    ]
