"""What a CRM refused stays visible with request, answer and remedy, holds no address, and can be tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from world import World

from connector.engine import hand, view
from connector.sandbox import Fault, Reply, Request
from crm.sandbox.klaviyo import API_KEY

ANN = "ann.example.private@example.com"


@pytest.fixture
def acme(tmp_path: Path, clock: Clock, database_url: str) -> Iterator[World]:
    """A world on either database, whose CRM says no to every enrolment."""
    made = World(tmp_path, database_url, clock)
    made.crm.server.fault = refuse
    yield made
    made.close()


def refuse(request: Request) -> Fault | None:
    """Says no, and says what it was sent, key and all."""
    if request.method != "POST" or "event" not in request.path:
        return None
    heard = f"{API_KEY} may not send {request.body.decode()[:400]}"
    return Fault(Reply(400, {"errors": [{"detail": f"The metric is archived. {heard}"}]}))


def refused(acme: World) -> dict[str, Any]:
    """The only delivery, with everything."""
    (row,) = view.deliveries(acme.ctx, acme.client)
    found = view.delivery(acme.ctx, acme.client, row["id"])
    assert found is not None
    return found


def test_a_refusal_shows_what_was_sent_and_answered_but_no_address_and_no_key(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    row = refused(acme)
    assert (row["state"], row["email"]) == ("failed", ANN)
    assert row["exchange"].startswith("POST /api/event")
    assert "HTTP 400" in row["exchange"]
    assert "The metric is archived" in row["exchange"]
    assert "mend what mail says, then `winback deliveries retry -c PATH" in row["remedy"]
    for private in (ANN, "ann.example.private", API_KEY):
        assert private not in json.dumps({**row, "email": ""})


def test_after_the_fix_it_goes_out_and_nothing_of_it_is_kept(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    number = refused(acme)["id"]
    acme.crm.server.fault = None
    assert "1 delivery put back" in hand.retry(acme.ctx, acme.client, number)
    acme.after(minutes=1)
    assert acme.effects() == [ANN]
    found = view.delivery(acme.ctx, acme.client, number)
    assert found is not None
    assert (found["state"], found["exchange"]) == ("done", "")


def test_what_was_shown_is_erased_when_the_shopper_buys(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    assert refused(acme)["exchange"]
    acme.woo.buy(email=ANN)
    acme.after(minutes=5)
    rows = view.deliveries(acme.ctx, acme.client, everything=True)
    shown = [view.delivery(acme.ctx, acme.client, row["id"]) for row in rows]
    assert [row["exchange"] for row in shown if row] == ["" for _ in rows]
    assert not acme.effects("withdrawn")  # nothing was ever put on


def test_a_key_that_is_mended_in_the_file_resumes_by_itself_but_releases_nothing_that_is_too_late(
    tmp_path: Path, clock: Clock, database_url: str
) -> None:
    acme = World(tmp_path, database_url, clock, sequence=[{"after": "45m"}, {"after": "24h", "tags": ["second"]}])
    acme.woo.abandon(ANN)
    acme.after(hours=1)
    right = acme.config["crms"][0]["api_key"]
    acme.restart(crms=[{**acme.config["crms"][0], "api_key": "pk_wrong_wrong_wrong_wrong_wrong_wro"}])
    acme.after(hours=24)  # the second step is due, and the key is wrong
    assert any("mail" in alert for alert in acme.alerts)
    acme.woo.abandon("bob@example.com")
    acme.after(hours=13)
    acme.restart(crms=[{**acme.config["crms"][0], "api_key": right}])
    acme.after(minutes=1)
    steps = {
        (row["email"], row["step"]): row["state"] for row in view.deliveries(acme.ctx, acme.client, everything=True)
    }
    assert steps[ANN, 1] == "too_late"
    assert steps["bob@example.com", 0] == "done"
    assert acme.effects() == [ANN, "bob@example.com"]
    acme.woo.buy(email=ANN)
    acme.after(minutes=5)
    assert acme.effects("withdrawn") == [ANN]
    acme.close()
