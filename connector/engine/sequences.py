"""The sequences that leads started with: a lead keeps its own when the owner edits the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Select, func, literal_column, select, update

from connector import tables
from connector.config import Step
from connector.db import table
from connector.engine.context import Client, Context

CHECKOUTS = table(tables.Checkout)
LEADS = table(tables.Lead)
SEQUENCES = table(tables.KeptSequence)

Steps = tuple[Step, ...]
_STEPS: TypeAdapter[Steps] = TypeAdapter(Steps)


def write_steps(steps: Steps) -> str:
    """The steps as JSON, the same for the same steps. What is at its default is left out, so that a later version's
    new keys change nothing."""
    values = [step.model_dump(mode="json", exclude_defaults=True) for step in steps]
    return json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=256)
def read_steps(text: str) -> Steps:
    """The steps that were written."""
    return _STEPS.validate_json(text)


def sequence_id(client: Client) -> str:
    """Of the sequence that the configuration has now."""
    return _digest(write_steps(client.config.sequence))


def _digest(steps: str) -> str:
    return hashlib.sha256(steps.encode()).hexdigest()[:16]


def keep(ctx: Context, connection: Connection, client: Client) -> str:
    """Stores the sequence that the configuration has now, and returns its id."""
    steps = write_steps(client.config.sequence)
    row = {"client": client.id, "id": _digest(steps), "steps": steps}
    ctx.db.insert_new(connection, tables.KeptSequence, [row])
    return row["id"]


def load(connection: Connection, client: Client, ids: Iterable[str]) -> Mapping[str, Steps]:
    """The sequences with these ids. Under "" (and an id that is not known) it is that of the configuration."""
    found = dict.fromkeys({"", *ids}, client.config.sequence)
    if wanted := set(found) - {"", sequence_id(client)}:
        query = select(SEQUENCES.c.id, SEQUENCES.c.steps).where(SEQUENCES.c.client == client.id)
        for id_, steps in connection.execute(query.where(SEQUENCES.c.id.in_(wanted))):
            found[id_] = read_steps(steps)
    return found


def distances(connection: Connection, client: Client) -> list[timedelta]:
    """How late each step may be at most, counted from the shopper's last activity, in any sequence in use."""
    query = select(SEQUENCES.c.steps).where(SEQUENCES.c.client == client.id)
    used = [client.config.sequence, *map(read_steps, connection.execute(query).scalars())]
    longest = zip_longest(*([step.after for step in steps] for steps in used), fillvalue=timedelta(0))
    return [max(after) for after in longest]


def settle_in(ctx: Context) -> None:
    """Gives leads of a version that kept no sequence the one of the configuration."""
    with ctx.db.write() as connection:
        for client in ctx.clients.values():
            older = (LEADS.c.client == client.id, LEADS.c.sequence == "")
            if connection.execute(select(LEADS.c.id).where(*older).limit(1)).first() is not None:
                connection.execute(update(LEADS).where(*older).values(sequence=keep(ctx, connection, client)))


def purge(connection: Connection, client: Client) -> None:
    """Deletes the sequences that no lead and no corrected address goes on with."""
    kept = select(LEADS.c.id).where(LEADS.c.client == client.id, LEADS.c.sequence == SEQUENCES.c.id)
    carry = (CHECKOUTS.c.carry_sequence != literal_column("''"), CHECKOUTS.c.carry_sequence == SEQUENCES.c.id)
    carried = select(CHECKOUTS.c.id).where(CHECKOUTS.c.client == client.id, *carry)
    old = (SEQUENCES.c.client == client.id, ~kept.exists(), ~carried.exists())
    connection.execute(SEQUENCES.delete().where(*old))


def on_others(client: str, current: str) -> Select[Any]:
    """The query that counts the leads with steps before them, of another sequence than the current one."""
    deliveries = table(tables.Delivery)
    waiting = select(deliveries.c.id).where(
        deliveries.c.client == LEADS.c.client,
        deliveries.c.shopper == LEADS.c.shopper,
        deliveries.c.generation == LEADS.c.generation,
        deliveries.c.kind == "enrol",
        deliveries.c.state.in_(("pending", "sending")),
    )
    others = (LEADS.c.client == client, LEADS.c.sequence.not_in(("", current)))
    return select(func.count()).select_from(LEADS).where(*others, waiting.exists())
