"""The real engine in a process of its own, told the time with every command, so that it can be killed for real.

Reads one JSON object a line, answers with one JSON object a line: `pass`, `configure`, `report`, `deliveries`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from clock import Clock
from sqlalchemy import func, select

from connector import tables
from connector.config import load
from connector.db import Database, table
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.deliver import recover
from connector.engine.figures import BY
from connector.engine.report import rows_of
from connector.engine.setup import apply_configuration
from connector.engine.sync import sync
from connector.http import Http, Timeouts

CHECKOUTS, DELIVERIES, COUPONS = table(tables.Checkout), table(tables.Delivery), table(tables.Coupon)
Answer = dict[str, Any]


class Engine:
    """One process of Winback over the database that the one before it left."""

    def __init__(self, config: Path, url: str, now: datetime) -> None:
        self._config, self._clock = config, Clock(now)
        loaded = load(config, {})
        self._alerts: list[str] = []
        db = Database(url).open()
        clients = {one.client: Client.of(one) for one in loaded.clients}
        http = Http(timeouts=Timeouts(10, 10, 30))
        self._ctx = Context(db, http, loaded.settings, self._clock, clients, alert=self._alerted)
        recover(self._ctx)
        apply_configuration(self._ctx)
        self._accounts = Accounts(self._ctx)
        self._commands: dict[str, Callable[[Answer], Answer]] = {
            "pass": self._pass, "configure": self._configure, "report": self._report, "deliveries": self._deliveries,
        }  # fmt: skip

    def answer(self, asked: Answer) -> Answer:
        """Does what is asked, at the time that is told."""
        self._clock.set(datetime.fromisoformat(asked["at"]))
        return self._commands[asked["do"]](asked)

    def _alerted(self, subject: str, message: str) -> None:
        self._alerts.append(f"{subject}: {message}")

    def _pass(self, _: Answer) -> Answer:
        made = sync(self._ctx, self._accounts, sleep=None)
        alerts, self._alerts = self._alerts, []
        return {"errors": made.errors, "alerts": alerts, "next": self._next()}

    def _next(self) -> str:
        """When there is something to do next, as far as the database knows."""
        now = self._clock()
        crms = [crm.id for client in self._ctx.clients.values() for crm in client.config.crms]
        pending = (DELIVERIES.c.state == "pending", DELIVERIES.c.crm.in_(crms))
        queries = [
            select(func.min(CHECKOUTS.c.decide_at)),
            select(func.min(DELIVERIES.c.next_at)).where(*pending),
            select(func.min(COUPONS.c.expires_at)).where(COUPONS.c.state == "made"),
            select(func.min(COUPONS.c.next_at)).where(COUPONS.c.state == "removing"),
        ]
        with self._ctx.db.read() as connection:
            found = [connection.execute(query).scalar() for query in queries]
        first: datetime = min((max(at, now) for at in found if at is not None), default=now + timedelta(days=1))
        return first.isoformat()

    def _configure(self, _: Answer) -> Answer:
        self._ctx.clients = {one.client: Client.of(one) for one in load(self._config, {}).clients}
        apply_configuration(self._ctx)
        return {}

    def _report(self, asked: Answer) -> Answer:
        first = date.fromisoformat(asked["first"])
        clients = self._ctx.clients.values()
        return {by: [row for one in clients for row in rows_of(self._ctx, one, first, by)] for by in BY}

    def _deliveries(self, _: Answer) -> Answer:
        with self._ctx.db.read() as connection:
            rows = connection.execute(select(DELIVERIES).where(DELIVERIES.c.kind == "enrol")).all()
        names = ("crm", "store", "checkout_id", "generation", "step", "state", "rule")
        return {
            "rows": [
                {name: getattr(row, name) for name in names}
                | {"why": row.error or row.detail, "due": row.due_at.isoformat()}
                for row in rows
            ]
        }


def main() -> None:
    """Answers until its standard input ends."""
    config, url, now = sys.argv[1:]
    engine = Engine(Path(config), url, datetime.fromisoformat(now))
    for line in sys.stdin:
        print(json.dumps(engine.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
