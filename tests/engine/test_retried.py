"""`winback deliveries retry` lifts lateness for what is retried, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from clock import Clock
from pushed_world import pushed_world
from world import world

from connector.engine import hand, view
from connector.sandbox import Fault, Reply, Request

ANN = "ann@example.com"
STEPS = [{"after": "45m"}, {"after": "24h", "tags": ["second"]}]
WRONG = "pk_wrong_wrong_wrong_wrong_wrong_wro"


def test_the_step_of_tomorrow_does_not_go_out_today(tmp_path: Path, database_url: str, clock: Clock) -> None:
    keys = {"orders": "none", "i_accept": "Winback cannot see purchases of this site"}
    with pushed_world(tmp_path, database_url, clock, keys=keys, sequence=STEPS) as acme:
        acme.site.abandon(ANN)
        acme.after(hours=1)
        assert acme.effects() == [ANN]
        (waiting,) = view.deliveries(acme.ctx, acme.client)
        assert hand.retry(acme.ctx, acme.client) == "0 deliveries put back into the outbox"
        hand.retry(acme.ctx, acme.client, int(str(waiting["id"])))
        acme.after(minutes=1)
        assert acme.effects() == [ANN]
        acme.after(hours=24)  # the first one ran late
        assert acme.effects() == [ANN, ANN]


def test_what_nobody_can_be_told_of_any_more_is_left(tmp_path: Path, sqlite_url: str, clock: Clock) -> None:
    with world(tmp_path, sqlite_url, clock) as acme:
        right = acme.config["crms"]
        acme.woo.abandon(ANN)
        acme.after(hours=1)
        acme.restart(crms=[])
        acme.woo.buy(email=ANN)
        acme.after(minutes=5)
        acme.after(days=91)  # R8
        acme.restart(crms=right)
        assert hand.retry(acme.ctx, acme.client).startswith("0 deliveries put back into the outbox; 1 cannot")
        acme.after(minutes=5)
        assert [row["state"] for row in view.deliveries(acme.ctx, acme.client)] == ["failed"]


def test_a_later_step_of_the_same_lead_may_still_be_too_late(tmp_path: Path, sqlite_url: str, clock: Clock) -> None:
    def refuse(request: Request) -> Fault | None:
        hit = request.method == "POST" and "event" in request.path
        return Fault(Reply(400, {"errors": [{"detail": "odd"}]})) if hit else None

    with world(tmp_path, sqlite_url, clock, sequence=STEPS) as acme:
        acme.crm.server.fault = refuse
        acme.woo.abandon(ANN)
        acme.after(hours=1)
        acme.crm.server.fault = None
        clock.advance(timedelta(days=3))  # late by then, and lifted
        hand.retry(acme.ctx, acme.client)
        acme.after(minutes=1)
        assert acme.effects() == [ANN]
        right = acme.config["crms"][0]
        acme.restart(crms=[{**right, "api_key": WRONG}])
        acme.after(days=20)
        acme.restart(crms=[right])
        acme.after(minutes=1)
        assert acme.effects() == [ANN]
        assert [row["state"] for row in view.deliveries(acme.ctx, acme.client)] == ["too_late"]
