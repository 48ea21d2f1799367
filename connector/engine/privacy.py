"""What a store asks for in the name of the law: that a shopper is erased, or told what is kept of them."""

from __future__ import annotations

import hashlib
import re

from sqlalchemy import Connection, select, update

from connector import tables
from connector.db import table
from connector.engine import hand
from connector.engine.context import Client, Context, log
from connector.engine.facts import ERASED_BY_STORE
from connector.hooks import Asks, Hint

CHECKOUTS = table(tables.Checkout)
ORDERS = table(tables.Order)
SUPPRESSIONS = table(tables.Suppression)
MOST_SAID = 10_000


def heed(ctx: Context, client: Client, store: str, hint: Hint, said: set[bytes]) -> None:
    """Erases a shopper at once; whatever else is asked for is the owner's to do, so it is an alert.

    The same request may come again: it changes nothing then, and is not told again: `said` holds keyed hashes of those
    that were. No address is said.
    """
    subject = f"{client.id}/{store}"
    if hint.asks is Asks.ERASURE and not hint.other_store:
        erased = _erase(ctx, client, store, hint)
        with ctx.db.read() as connection:
            left = hand.not_told(connection, client) if erased else ""
        if left:
            ctx.alert(subject, f"the store asked to erase a shopper{_number(hint)}. {left}")
        log.info("%s: the store asked to erase a shopper: %s", subject, "done" if erased else "nothing more to do")
        return
    what = "\x1f".join((subject, hint.asks, hint.email, hint.customer_id, hint.number, hint.other_store))
    key = hashlib.blake2b(what.encode("utf-8", "replace"), key=ctx.db.hash_key[:64]).digest()
    if key in said:
        return
    if len(said) >= MOST_SAID:
        said.clear()
    said.add(key)
    ctx.alert(subject, _words(hint))


def _words(hint: Hint) -> str:
    number = _number(hint)
    if hint.other_store:
        return (
            f"a privacy request{number} about another store, {_plain(hint.other_store)}, was sent to the address of "
            "this one, and nothing was done about it. Give each store an app of its own"
        )
    if hint.asks is Asks.ACCOUNT:
        return (
            f"a shopper asks what is kept of them{number}. The store's admin says who; answer with what "
            "`winback leads show` and `winback explain` tell of that address"
        )
    return (
        "the app was removed from the store, which now asks to erase what is kept of its shoppers. Take the store out "
        "of the file. `winback forget` erases a shopper at once; the others end by themselves after keep_for"
    )


def _number(hint: Hint) -> str:
    return f" (request {hint.number})" if hint.number else ""


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "?", text)[:100]


def _erase(ctx: Context, client: Client, store: str, hint: Hint) -> int:
    """How many addresses were erased, here and in the CRMs, that were not erased at a store's request before."""
    now, erased = ctx.clock(), 0
    with ctx.db.write() as connection:
        for shopper, address in _known_as(ctx, connection, client.id, store, hint).items():
            here = (SUPPRESSIONS.c.client == client.id, SUPPRESSIONS.c.value == shopper)
            if connection.execute(select(SUPPRESSIONS.c.why).where(*here)).scalar() == ERASED_BY_STORE:
                continue
            hand.erase(ctx, connection, client, shopper, now, address=address, crms=True, why=ERASED_BY_STORE)
            erased += 1
        if hint.customer_id:  # what they left without any address
            for rows in (CHECKOUTS, ORDERS):
                theirs = (rows.c.client == client.id, rows.c.store == store, rows.c.customer_id == hint.customer_id)
                connection.execute(update(rows).where(*theirs, rows.c.shopper == "").values(customer_id="", token=""))
    if erased:
        ctx.db.compact()
    return erased


def _known_as(ctx: Context, connection: Connection, client: str, store: str, hint: Hint) -> dict[str, str]:
    """Every shopper that is meant, with the address as far as it is known: the one named, and the customer's others."""
    found: dict[str, str] = {}
    if hint.customer_id:
        here = (CHECKOUTS.c.client == client, CHECKOUTS.c.store == store, CHECKOUTS.c.customer_id == hint.customer_id)
        query = select(CHECKOUTS.c.shopper, CHECKOUTS.c.email).where(*here, CHECKOUTS.c.shopper != "")
        for row in connection.execute(query):
            found[row.shopper] = found.get(row.shopper) or row.email or ""
    shopper, named = ctx.shopper(client, hint.email)
    if named is not None:
        found[shopper] = named.address
    return found
