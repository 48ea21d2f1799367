"""How a CRM account is, by what it answers: in trouble until it has answered well again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select, update

from connector import tables
from connector.db import table
from connector.engine.accounts import Accounts
from connector.engine.context import Context
from connector.engine.prepare import Job
from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Receipt

CRMS = table(tables.Crm)
Result = tuple[Job, "Receipt | WinbackError | None"]  # None where it was taken back before it was sent
LONGEST_ACCOUNT_PAUSE = timedelta(minutes=15)
CONFIG_PAUSE = timedelta(minutes=15)


def health(ctx: Context, client: str, crm: str) -> Row[Any] | None:
    """The account's row."""
    with ctx.db.read() as connection:
        return connection.execute(select(CRMS).where(CRMS.c.client == client, CRMS.c.id == crm)).first()


def failed(ctx: Context, accounts: Accounts, client: str, crm: str, error: WinbackError) -> None:
    """The account itself cannot be used: its deliveries wait, untouched."""
    here = (CRMS.c.client == client, CRMS.c.id == crm)
    now = ctx.clock()
    with ctx.db.write() as connection:
        row = connection.execute(select(CRMS).where(*here)).one()
        paused = isinstance(error, ConfigError)
        asked = error.retry_after if isinstance(error, TransientError) else None
        growing = timedelta(seconds=2 ** min(row.failures + 1, 10))
        wait = CONFIG_PAUSE if paused else max(timedelta(seconds=asked or 0), min(growing, LONGEST_ACCOUNT_PAUSE))
        values = {"failures": row.failures + 1, "error": str(error), "paused": paused, "retry_at": now + wait}
        connection.execute(update(CRMS).where(*here).values(**values))
    if paused:
        accounts.close("crm", client, crm)
    if str(error) != row.error:
        if paused:
            ctx.alert(f"{client}/{crm}", str(error))
        else:
            ctx.trouble(f"{client}/{crm}", str(error), wait)


def is_well(ctx: Context, client: str, crm: str) -> None:
    """It has answered as it should."""
    with ctx.db.write() as connection:
        here = (CRMS.c.client == client, CRMS.c.id == crm, CRMS.c.failures > 0)
        connection.execute(update(CRMS).where(*here).values(failures=0, error="", paused=False, retry_at=None))


def troubles(results: Sequence[Result]) -> tuple[list[ConfigError | TransientError], int]:
    """The errors that are the account's, and how many deliveries merely wait, each for itself."""
    failures = [result for _, result in results if isinstance(result, (ConfigError, TransientError))]
    errors = [error for error in failures if not (isinstance(error, TransientError) and error.alone)]
    return errors, len(failures) - len(errors)


def judge(ctx: Context, accounts: Accounts, client: str, crm: str, results: Sequence[Result]) -> str:
    """After a round: a whole round in trouble is the account's trouble, which is returned; any answer is its recovery.

    A refusal is one too: of that shopper, by an account that works.
    """
    errors, waiting = troubles(results)
    answered = waiting > 0 or any(isinstance(result, (Receipt, RejectedError)) for _, result in results)
    config = next((error for error in errors if isinstance(error, ConfigError)), None)
    asked = next((error for error in errors if isinstance(error, TransientError) and error.retry_after), None)
    if config or asked or (errors and not answered):
        trouble = config or asked or errors[0]
        failed(ctx, accounts, client, crm, trouble)
        return str(trouble)
    if errors:
        share = f"{len(errors)} of {len(results)} deliveries"
        ctx.trouble(f"{client}/{crm}", f"{str(errors[0]).rstrip('.')} ({share})", None)
    if answered:
        is_well(ctx, client, crm)
    return ""
