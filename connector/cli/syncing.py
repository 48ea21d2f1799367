"""`winback sync`: one pass, and a dry one."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from connector.cli.opening import engine, read_configuration
from connector.cli.show import Column, as_table, count, say
from connector.cli.stopping import StoppedError, until_stopped
from connector.database_url import sqlite_url
from connector.engine.context import Context, log
from connector.rules import State
from connector.scratch import temporary

if TYPE_CHECKING:
    from connector.engine.sync import Report

DUE_COLUMNS = (
    Column("client", "client"),
    Column("store", "store"),
    Column("email", "e-mail"),
    Column("crm", "CRM"),
    Column("step", "step", keep=True),
    Column("due_at", "due since (UTC)", keep=True),
)


class Told:
    """What goes wrong in a pass, once: an alert as it comes, the rest at its end, when nobody tries again."""

    def __init__(self, ctx: Context) -> None:
        self._alerts: set[tuple[str, str]] = set()
        ctx.alert, ctx.trouble = self._alert, self._trouble

    def _alert(self, subject: str, message: str) -> None:
        self._alerts.add((subject, message))
        log.error("%s: %s", subject, message)

    def _trouble(self, subject: str, message: str, wait: timedelta | None) -> None:
        """The report of the pass names it."""

    def end(self, report: Report) -> int:
        """Names what failed. 1 where something did."""
        for name, error in report.errors.items():
            if not any(name == subject and said.startswith(error) for subject, said in self._alerts):
                log.error("%s: %s", name, error)
        if report.errors:
            log.warning("what failed was left as it is: the next pass tries it again")
        return 1 if report.errors else 0


def run_sync(config: Path, *, dry_run: bool) -> int:
    """One pass. 0 all well, 1 a store or CRM failed (named on stderr); 130 or 143 where a signal has ended it."""
    try:
        return _dry_run(config) if dry_run else _pass(config)
    except StoppedError as stopped:
        os._exit(stopped.code)  # as in run_daemon: a thread that waits for a dead server must not hold the terminal


def _pass(config: Path) -> int:
    from connector.engine.accounts import Accounts
    from connector.engine.deliver import recover
    from connector.engine.setup import apply_configuration
    from connector.engine.sync import sync

    with engine(config) as (ctx, _):
        gc.freeze()  # as in run_daemon
        ctx.db.lock()
        recover(ctx)
        apply_configuration(ctx)
        told = Told(ctx)
        report = until_stopped(lambda stop: sync(ctx, Accounts(ctx), sleep=stop.wait, stopping=stop))
    read = sum(polled.checkouts for polled in report.polled.values())
    did = [
        count(read, "new or changed checkout"),
        count(report.leads, "new lead"),
        count(report.delivered, "delivery made", "deliveries made"),
    ]
    if report.refused:
        did.append(f"{report.refused} not made (see `winback deliveries`)")
    say(", ".join(did))
    return told.end(report)


def _dry_run(config: Path) -> int:
    """The same pass on a copy of the database, without deliveries: lists who would be enrolled."""
    from connector.copying import copy_into
    from connector.engine.accounts import Accounts
    from connector.engine.setup import apply_configuration
    from connector.engine.sync import sync
    from connector.engine.view import counts, would_enrol

    loaded = read_configuration(config)
    with temporary() as folder:
        copy = sqlite_url(folder / "copy.db")
        copy_into(loaded.settings.database_url.get_secret_value(), copy)
        with engine(config, database_url=copy) as (ctx, _):
            apply_configuration(ctx)
            told = Told(ctx)
            report = until_stopped(lambda stop: sync(ctx, Accounts(ctx), deliver=False, stopping=stop))
            rows = [row for client in ctx.clients.values() for row in would_enrol(ctx, client)]
            states, _ = counts(ctx)
    as_table(rows, DUE_COLUMNS, "nobody would be enrolled now")
    say(_summary(states))
    return told.end(report)


def _summary(states: Mapping[tuple[str, str, str], int]) -> str:
    by_state: Counter[str] = Counter()
    for (_, _, state), number in states.items():
        by_state[state] += number
    listed = ", ".join(f"{by_state[state]} {state}" for state in State if by_state[state])
    return f"checkouts with an address: {listed or 'none'}; nothing was sent"
