"""Puts e-mails into a CRM as templates, and never over what the owner changed there.

A template is ours as long as the CRM still calls it the version that it was after our last push.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Row, select

from connector import tables
from connector.db import table
from connector.engine.context import Context
from connector.merge import Mail, Stored, TakesTemplates

PUSHED = table(tables.PushedTemplate)


def push(ctx: Context, client: str, crm: str, adapter: TakesTemplates, mail: Mail, *, force: bool) -> str:
    """What became of it, in a few words. Raises the three errors."""
    digest = hashlib.sha256(f"{mail.html}\0{mail.text}".encode()).hexdigest()
    known = _remembered(ctx, client, crm, mail.name)
    stored = adapter.find_template(mail.name)
    if stored is not None and not force:
        if not stored.blank and (known is None or known.version != stored.version):
            return _not_ours(known)
        if known is not None and known.digest == digest and not stored.blank:
            return "unchanged"
    saved = adapter.save_template(mail, stored)
    # Read again: a CRM may show a template otherwise than in its answer to the change.
    _remember(ctx, client, crm, mail.name, adapter.find_template(mail.name) or saved, digest)
    return "made" if stored is None else "filled" if stored.blank else "updated"


def _not_ours(known: Row[Any] | None) -> str:
    if known is None:
        return "left alone: there is one of this name that Winback did not make; --force writes over it"
    return "left alone: it was changed there after the last push; --force writes over it"


def _remembered(ctx: Context, client: str, crm: str, name: str) -> Row[Any] | None:
    here = (PUSHED.c.client == client, PUSHED.c.crm == crm, PUSHED.c.name == name)
    with ctx.db.read() as connection:
        return connection.execute(select(PUSHED).where(*here)).first()


def _remember(ctx: Context, client: str, crm: str, name: str, saved: Stored, digest: str) -> None:
    row = {"client": client, "crm": crm, "name": name, "version": saved.version, "digest": digest}
    with ctx.db.write() as connection:
        ctx.db.upsert(connection, tables.PushedTemplate, [{**row, "pushed_at": ctx.clock()}])
