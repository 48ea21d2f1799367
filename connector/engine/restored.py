"""Who was erased or suppressed after a backup was made stays so when it is restored, here and in the CRMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from connector import tables
from connector.db import Database, table
from connector.engine import outbox
from connector.engine.facts import ERASURES
from connector.engine.removal import end_checkouts, erase_rows, let_go, of_domain
from connector.engine.story import tell
from connector.rules import State

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
SUPPRESSIONS = table(tables.Suppression)


@dataclass(frozen=True)
class Since:
    """What the database that is to be replaced knows: R10's rows, and what CRMs are still to be told about those."""

    suppressed: Sequence[Row[Any]]
    leaving: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, connection: Connection) -> Since:
        """From the database as it is now."""
        suppressed = connection.execute(select(SUPPRESSIONS)).all()
        those = {(row.client, row.value) for row in suppressed}
        waiting = (DELIVERIES.c.kind.in_(("withdraw", "forget")), DELIVERIES.c.state.in_(outbox.OUTSTANDING))
        rows = connection.execute(select(DELIVERIES).where(*waiting)).all()
        kept = [dict(row._mapping) for row in rows if (row.client, row.shopper) in those]
        return cls(suppressed, [_afresh(row) for row in kept])

    def keep(self, db: Database, connection: Connection, now: datetime) -> None:
        """In the same transaction in which the backup's rows took the place of those."""
        db.insert_new(connection, tables.Delivery, self.leaving)
        for row in self.suppressed:
            is_domain = row.value.startswith("@")
            for shopper in of_domain(connection, row.client, row.value) if is_domain else [row.value]:
                _take_out(db, connection, row, shopper, now)
        db.upsert(connection, tables.Suppression, [dict(row._mapping) for row in self.suppressed])


def _afresh(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"} | {"state": "pending"}


def _take_out(db: Database, connection: Connection, row: Row[Any], shopper: str, now: datetime) -> None:
    is_erasure = row.why in ERASURES
    was_lead = let_go(db, connection, row.client, shopper, "deleted" if is_erasure else "suppressed", now)
    if is_erasure:
        erase_rows(db, connection, row.client, shopper)
    elif end_checkouts(connection, row.client, shopper, State.SUPPRESSED, "R10", row.why, now) or was_lead:
        tell(connection, row.client, shopper, now, row.why, "R10")
