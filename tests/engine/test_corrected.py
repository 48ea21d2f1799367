"""R6: what becomes of a lead whose shopper corrects the address."""

from __future__ import annotations

from pathlib import Path

from clock import Clock
from world import world

from connector.sandbox import Fault, Reply, Request

TYPO, ANN, WORK = "ann@example.con", "ann@example.com", "ann.work@example.com"


def test_a_crm_that_refused_the_mistyped_address_has_had_no_step(
    tmp_path: Path, database_url: str, clock: Clock
) -> None:
    def refuse(request: Request) -> Fault | None:
        hit = request.method == "POST" and TYPO in request.body.decode()
        return Fault(Reply(400, {"errors": [{"detail": "Invalid email address"}]})) if hit else None

    with world(tmp_path, database_url, clock) as acme:
        acme.crm.server.fault = refuse
        one = acme.woo.abandon(TYPO)
        acme.after(hours=1)
        assert acme.states() == [("failed", "")]
        acme.woo.touch(one, email=ANN)
        for hours in (0, 1, 1):
            acme.after(hours=hours, minutes=1)
        assert acme.effects() == [ANN]
        assert acme.states() == [("enrolled", "")]


def test_corrected_twice_the_checkout_still_triggers_once(tmp_path: Path, database_url: str, clock: Clock) -> None:
    with world(tmp_path, database_url, clock, sequence=[{"after": "45m"}, {"after": "24h", "tags": ["2nd"]}]) as acme:
        one = acme.woo.abandon(TYPO)
        acme.after(hours=1)
        for email in (ANN, WORK):
            acme.woo.touch(one, email=email)
            acme.after(minutes=1)
            acme.after(hours=2)
            assert acme.effects() == [TYPO]
        acme.after(hours=22)
        assert acme.effects() == [TYPO, WORK]
