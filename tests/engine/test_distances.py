"""Steps keep their configured distances, whatever delays them."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from clock import START, Clock
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from world import World, world

from connector import tables
from connector.db import table
from connector.sandbox import Fault, Reply

ANN = "ann@example.com"
AFTER = (timedelta(minutes=45), timedelta(hours=24), timedelta(hours=72))
SEQUENCE = [{"after": "45m"}, {"after": "24h", "tags": ["two"]}, {"after": "72h", "tags": ["three"]}]
MINUTES = st.integers(0, 11 * 60).map(lambda minutes: timedelta(minutes=minutes))
TROUBLES = st.sampled_from(("nobody looks", "the CRM is down", "the shopper is back"))


def delivered(acme: World) -> list[Any]:
    """When each step went out."""
    deliveries = table(tables.Delivery)
    query = select(deliveries.c.done_at).where(deliveries.c.kind == "enrol", deliveries.c.state == "done")
    with acme.ctx.db.read() as connection:
        return list(connection.execute(query.order_by(deliveries.c.step)).scalars())


def trouble(acme: World, checkout: str, kind: str, lasts: timedelta) -> None:
    """Something that makes the step that is due now late by so much."""
    if kind == "the CRM is down":
        acme.crm.server.fault = lambda _: Fault(reply=Reply(500, b""))
        acme.sync()
        acme.crm.server.fault = None
    elif kind == "the shopper is back":
        acme.woo.touch(checkout, quantity=2)
        lasts = max(lasts, timedelta(minutes=30))
    acme.clock.advance(lasts)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(TROUBLES, MINUTES), min_size=3, max_size=3))
def test_when_a_step_runs_late_those_after_it_move_by_as_much(troubles: list[tuple[str, timedelta]]) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        world(Path(name), f"sqlite:///{name}/w.db", Clock(), sequence=SEQUENCE) as acme,
    ):
        checkout = acme.woo.abandon(ANN)
        acme.sync()
        due = START + AFTER[0]
        for step, (kind, lasts) in enumerate(troubles):
            acme.clock.set(due - timedelta(minutes=2))
            acme.sync()
            assert len(delivered(acme)) == step, "no step goes out early"
            acme.clock.set(due)
            trouble(acme, checkout, kind, lasts)
            for _ in range(30):
                if len(delivered(acme)) > step:
                    break
                acme.after(minutes=1)
            went = delivered(acme)
            assert len(went) == step + 1, f"step {step + 1} did not go out"
            assert went[step] >= due
            if step < 2:
                due = went[step] + AFTER[step + 1] - AFTER[step]
