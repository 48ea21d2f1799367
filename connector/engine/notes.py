"""What a store's reads say that its owner should know: said once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import TypeAdapter
from sqlalchemy import select, update

from connector import tables
from connector.db import table
from connector.engine.context import Client, Context, log
from connector.harmless import plain
from connector.model import Finding
from connector.redact import beginning

STORES = table(tables.Store)
LONGEST = 1000  # characters
_NOTES: TypeAdapter[list[Finding]] = TypeAdapter(list[Finding])


def read_notes(text: str) -> list[Finding]:
    """What is kept on a store's row."""
    return _NOTES.validate_json(text) if text else []


def note(ctx: Context, client: Client, store: str, findings: Sequence[Finding], *, finished: bool) -> None:
    """Keeps what the last poll found. One that did not finish may have missed what it found before, so that stays."""
    here = (STORES.c.client == client.id, STORES.c.id == store)
    with ctx.db.read() as connection:
        kept = connection.execute(select(STORES.c.notes).where(*here)).scalar() or ""
    before = read_notes(kept)
    found = list(map(_presentable, findings))
    now = list(dict.fromkeys(found if finished else [*before, *found]))
    text = _NOTES.dump_json(now).decode() if now else ""
    if text == kept:
        return
    with ctx.db.write() as connection:
        connection.execute(update(STORES).where(*here).values(notes=text))
    subject = f"{client.id}/{store}"
    for one in now:
        if one not in before:
            _say(ctx, subject, one)
    for one in before:
        if one not in now and one.level == "error":
            log.info("%s: this is over: %s", subject, one.message)


def _presentable(one: Finding) -> Finding:
    """It may quote what could not be read: an address, or half a character, which no database takes."""
    return replace(one, message=beginning(plain(one.message), LONGEST), subject=plain(one.subject))


def _say(ctx: Context, subject: str, one: Finding) -> None:
    if one.level == "error":
        ctx.alert(subject, one.message)
    else:
        log.log({"info": 20}.get(one.level, 30), "%s: %s", subject, one.message)
