"""The lines that `explain` tells a store owner (R11). No address is in them: a shopper is a keyed hash."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from connector import tables
from connector.db import table

EVENTS = table(tables.Event)


def tell(
    connection: Connection,
    client: str,
    shopper: str,
    at: datetime,
    what: str,
    rule: str = "",
    store: str = "",
    checkout_id: str = "",
) -> None:
    """Adds one line to a shopper's story."""
    if shopper:
        connection.execute(insert(EVENTS), [line(client, shopper, at, what, rule, store, checkout_id)])


def line(
    client: str, shopper: str, at: datetime, what: str, rule: str = "", store: str = "", checkout_id: str = ""
) -> dict[str, object]:
    """The row of one line, for writing many at once."""
    return {
        "client": client,
        "shopper": shopper,
        "at": at,
        "what": what,
        "rule": rule,
        "store": store,
        "checkout_id": checkout_id,
    }
