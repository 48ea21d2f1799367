"""A CRM in trouble: the commands say so for as long as it lasts, also of the leads that wait for it, and no longer."""

from __future__ import annotations

from typing import Any

import pytest
from cli_case import ANN, Owner

from connector.sandbox import Fault, Reply, Request

WRONG = "pk_" + "0" * 34


@pytest.fixture
def good(owner: Owner) -> list[dict[str, Any]]:
    """The right key; the file has a wrong one, and Ann's checkout is due."""
    owner.write(stores=[{"id": "woo", **owner.woo.options()}])
    right: list[dict[str, Any]] = owner.config["crms"]
    owner.write(crms=[{**right[0], "api_key": WRONG}])
    return right


def test_a_lead_that_waits_for_it_says_so(owner: Owner, good: list[dict[str, Any]]) -> None:
    owner.leave(ANN)
    assert owner.winback("sync").code == 1
    story = owner.winback("explain", ANN, "--json").json
    assert (story["state"], story["rule"]) == ("waiting", "")
    assert story["reason"].startswith("mail: Klaviyo")
    (step,) = story["leads"][0]["steps"]
    assert step["error"] == story["reason"]
    (lead,) = owner.winback("leads", "list", "--json").json
    assert lead["reason"] == story["reason"]
    owner.write(crms=good)
    assert owner.winback("sync").code == 0
    story = owner.winback("explain", ANN, "--json").json
    assert (story["state"], story["reason"], story["leads"][0]["steps"][0]["error"]) == (
        "enrolled",
        "step 1 delivered",
        "",
    )


def test_one_that_waits_for_a_crm_that_left_the_file_says_so_too(owner: Owner, good: list[dict[str, Any]]) -> None:
    owner.leave(ANN)
    owner.winback("sync")
    owner.write(crms=[])
    assert "paused: mail is not in the configuration any more" in owner.winback("explain", ANN).out


def test_a_later_step_shows_it_once_it_is_due(owner: Owner, good: list[dict[str, Any]]) -> None:
    owner.write(crms=good, sequence=[{"after": "30m"}, {"after": "24h"}])
    owner.leave(ANN)
    assert owner.winback("sync").code == 0
    owner.write(crms=[{**good[0], "api_key": WRONG}])
    owner.winback("sync")
    steps = owner.winback("explain", ANN, "--json").json["leads"][0]["steps"]
    assert [step["error"] for step in steps] == ["", ""]


def test_it_ends_with_the_next_pass_also_where_nothing_is_due(owner: Owner, good: list[dict[str, Any]]) -> None:
    checkout = owner.leave(ANN)
    assert owner.winback("sync").code == 1
    owner.woo.buy(checkout_id=checkout)
    assert owner.winback("sync").code == 1, "it is asked again, and still has the wrong key"
    assert "! acme/mail: " in owner.winback("leads").out
    owner.write(crms=good)
    assert owner.winback("sync").code == 0
    assert "!" not in owner.winback("leads").out
    assert "nothing is waiting" in owner.winback("deliveries").out


def test_a_refusal_is_the_answer_of_an_account_that_works(owner: Owner, good: list[dict[str, Any]]) -> None:
    owner.leave(ANN)
    owner.winback("sync")

    def refuse(request: Request) -> Fault | None:
        is_write = request.method in ("POST", "PATCH") and ANN in request.body.decode()
        return Fault(Reply(400, {"errors": [{"detail": "not so"}]})) if is_write else None

    owner.klaviyo.server.fault = refuse
    owner.write(crms=good)
    owner.winback("sync")
    (row,) = owner.winback("deliveries", "list", "--json").json
    assert row["state"] == "failed"
    assert "!" not in owner.winback("leads").out
