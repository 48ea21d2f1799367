"""What an owner is told about somebody who is erased, suppressed or enrolled by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cli_case import Owner

from connector.model import ConsentState
from connector.sandbox import Fault, Reply

EVE = "eve@example.com"


def erases_at_once(owner: Owner) -> None:
    """The CRM is one that takes in at once what it is sent, so that it need not be waited for."""
    owner.write(crms=[{"id": "mail", **owner.activecampaign.options(), "tags": ["abandoned-cart"]}])


def stored(owner: Owner) -> bytes:
    """Everything in the files of the database."""
    return b"".join(file.read_bytes() for file in (owner.folder / "data").glob("winback.db*"))


def test_forget_reaches_a_client_whose_file_is_gone(owner: Owner) -> None:
    owner.other_client("zeta")
    owner.leave(EVE, hours=0)
    owner.winback("sync", path=".")
    assert EVE.encode() in stored(owner)
    (owner.folder / "acme.yaml").unlink()
    said = owner.winback("forget", EVE, path=".")
    assert (said.code, [line.partition(":")[0] for line in said.out.splitlines()]) == (0, ["acme", "zeta"])
    assert EVE.encode() not in stored(owner)
    assert owner.winback("forget", EVE, "--client", "acme", path=".").code == 0


def test_forget_says_where_an_address_is_kept_for_a_crm_that_left(owner: Owner) -> None:
    owner.leave(EVE)
    owner.winback("sync")
    owner.other_client("zeta")
    (owner.folder / "acme.yaml").unlink()
    said = owner.winback("forget", EVE, path=".").out
    assert "kept, at most for keep_for, till mail can be told to let the shopper go" in said
    owner.write()
    owner.winback("sync")
    assert EVE.encode() not in stored(owner)


def test_nothing_is_left_in_the_files_once_the_crm_was_told(owner: Owner) -> None:
    erases_at_once(owner)
    owner.leave(EVE)
    owner.winback("sync")
    owner.winback("forget", EVE, "--crms")
    assert EVE.encode() in stored(owner), "the CRM is still to be told"
    owner.winback("sync")
    assert EVE.encode() not in stored(owner)


@pytest.mark.parametrize(("consent", "said"), [(ConsentState.UNSUBSCRIBED, "no_consent so far (R9: ")])
def test_enrol_promises_nothing_that_another_rule_forbids(owner: Owner, consent: ConsentState, said: str) -> None:
    owner.ahead = -timedelta(hours=1)
    owner.woo.abandon(EVE, consent=consent)
    owner.ahead = timedelta(0)
    owner.winback("sync")
    told = owner.winback("leads", "enrol", EVE).out
    assert said in told
    assert "will be enrolled" not in told


def test_enrol_says_that_it_begins_anew(owner: Owner) -> None:
    owner.leave(EVE)
    owner.winback("sync")
    assert "was enrolled already, and goes through its steps once more" in owner.winback("leads", "enrol", EVE).out


@pytest.mark.parametrize("by", ["hand", "file"])
def test_explain_knows_a_suppressed_domain(owner: Owner, by: str) -> None:
    if by == "hand":
        owner.winback("suppress", "@corp.example")
    else:
        owner.write(leads={"exclude": ["@corp.example"]})
    said = owner.winback("explain", "Joe@Corp.example")
    assert (said.code, said.out.splitlines()[0].count("suppressed (R10)")) == (0, 1)
    assert owner.winback("explain", "joe@other.example").code == 1


@pytest.mark.parametrize(
    ("words", "rule"),
    [(("leads", "delete"), ""), (("suppress",), "R10"), (("forget",), "")],
    ids=lambda each: str(each),
)
def test_the_story_names_the_rule_by_which_somebody_was_taken_out(
    owner: Owner, words: tuple[str, ...], rule: str
) -> None:
    owner.leave(EVE)
    owner.winback("sync")
    owner.winback(*words, EVE)
    owner.winback("sync")
    events = owner.winback("explain", EVE, "--json").json["events"]
    assert [event["rule"] for event in events if event["what"] == "taken out of mail"] == [rule]


def test_a_purchase_is_r7(owner: Owner) -> None:
    checkout = owner.leave(EVE)
    owner.winback("sync")
    owner.woo.buy(checkout_id=checkout)
    owner.winback("sync")
    assert "R7   taken out of mail" in owner.winback("explain", EVE).out


def test_an_erasure_that_a_crm_refuses_stays_to_be_seen(owner: Owner) -> None:
    erases_at_once(owner)
    owner.leave(EVE)
    owner.winback("sync")
    owner.winback("forget", EVE, "--crms")
    owner.activecampaign.server.fault = lambda _: Fault(Reply(500, {}))
    owner.winback("sync")
    assert EVE.encode() in stored(owner)
    owner.activecampaign.server.fault = None
    owner.winback("sync")
    assert EVE.encode() not in stored(owner)


def test_an_address_that_was_corrected_is_not_called_suppressed(owner: Owner) -> None:
    checkout = owner.leave(EVE)
    owner.winback("sync")
    owner.woo.touch(checkout, email="eva@example.com")
    owner.winback("sync")
    said = owner.winback("explain", EVE).out
    assert said.startswith(f"{EVE} in acme: no lead: no checkout has this address any more\n")
    assert owner.winback("explain", EVE, "--json").json["state"] is None
