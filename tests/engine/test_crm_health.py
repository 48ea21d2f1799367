"""An account in trouble is asked again at its time, also when nothing is due for it."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import select
from world import World

from connector import tables
from connector.db import table
from connector.engine.daemon import Daemon
from connector.engine.view import troubles
from connector.sandbox import Fault, Reply

ANN = "ann@example.com"
CRMS = table(tables.Crm)


def failures(acme: World) -> int:
    with acme.ctx.db.read() as connection:
        return int(connection.execute(select(CRMS.c.failures)).scalar_one())


def test_the_daemon_notices_that_it_is_well(acme: World) -> None:
    acme.crm.server.fault = lambda _: Fault(Reply(403, {}))
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    assert len(troubles(acme.ctx)) == 1
    assert len(acme.alerts) == 1
    daemon = Daemon(acme.ctx, tick=0.05)
    daemon.start()
    try:
        asked = failures(acme)
        end = time.monotonic() + 20
        while failures(acme) == asked and time.monotonic() < end:
            time.sleep(0.05)
        acme.crm.server.fault = None
        acme.clock.advance(timedelta(minutes=16))
        while failures(acme) and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        daemon.stop()
    assert troubles(acme.ctx) == []
    assert len(acme.alerts) == 1, "and it was told once"


def test_it_is_left_alone_until_then(acme: World) -> None:
    acme.crm.server.fault = lambda _: Fault(Reply(403, {}))
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    asked = len(acme.crm.server.journal)
    acme.after(minutes=5)
    acme.after(minutes=5)
    assert len(acme.crm.server.journal) == asked
