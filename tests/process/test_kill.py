"""kill -9 at any moment: no lead is lost, and nothing happens to a shopper twice."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from processes import PATIENCE, LateClock, Process, Site, Trap, client, due_store, moments
from sqlalchemy import select

from connector import tables
from connector.db import Database, table
from connector.engine.deliver import WORKERS
from crm.sandbox import activecampaign, klaviyo, mailchimp

MakeSite = Callable[[dict[str, Any]], Site]
LONG = os.environ.get("LONG_TESTS") == "1"  # docs/reliability.md
SHOPPERS, KILLS = (1000, 200) if LONG else (60, 3)
PAGES, PAGE_KILLS = (60, 30) if LONG else (6, 3)
REQUESTS = 100  # at most, between two kills


@pytest.fixture
def crms() -> Iterator[dict[str, Any]]:
    """One account for each way in which a shopper can be enrolled."""
    made: dict[str, Any] = {
        "bulk": klaviyo.serve(keep_journal=False),
        "list": klaviyo.serve(by_list=True, keep_journal=False),
        "automation": activecampaign.serve(),
        "tag": mailchimp.serve(path="tag"),
        "event": mailchimp.serve(path="event"),
        "cart": mailchimp.serve(path="native_cart"),
        "journey": mailchimp.serve(path="journey"),
    }
    yield made
    for each in made.values():
        each.server.close()


def killed(trap: Trap, process: Process, requests: int, pause: float) -> bool:
    """Whether the trap caught it before it was done."""
    trap.set(process, requests, pause)
    return process.end(PATIENCE * 10 if LONG else PATIENCE).code == -9


def test_every_due_shopper_is_enrolled_once_however_often_the_process_is_killed(
    site: MakeSite, crms: dict[str, Any]
) -> None:
    store = due_store(LateClock(), SHOPPERS)
    acme = site(client({"woo": store}, crms))
    trap = Trap([crm.server for crm in crms.values()])
    kills = 0
    for turn, moment in enumerate(moments(acme.url[:8], KILLS, REQUESTS)):
        kills += killed(trap, acme.start("run" if turn % 2 else "sync"), *moment)
    last = acme.run("sync", patience=PATIENCE * (10 if LONG else 1))
    assert kills == KILLS, "the work was done before the last kill: raise SHOPPERS"
    assert last.code == 0, last.err
    everyone = {f"shopper{n}@example.com" for n in range(SHOPPERS)}
    repeated = {}
    for id_, crm in crms.items():
        times = Counter(effect.email for effect in crm.effects if effect.what == "enrolled")
        assert set(times) == everyone, id_
        repeated[id_] = {email: count for email, count in times.items() if count > 1}
    journeys = sum(count - 1 for count in repeated.pop("journey").values())
    assert not any(repeated.values()), repeated
    assert journeys <= kills * WORKERS  # what was on its way when the process died, and no more
    store.server.close()


class Reader:
    """Looks into the database as often as it can, at one consistent state each time: any of them may be the last."""

    def __init__(self, url: str, placed: dict[str, datetime]) -> None:
        database = Database(url).open()
        self._database, self._placed = database, placed
        self._engine = database.engine.execution_options(
            isolation_level="SERIALIZABLE" if database.is_sqlite else "REPEATABLE READ"
        )
        self._done = threading.Event()
        self.counts: set[int] = set()
        self.passed: list[set[str]] = []  # what the cursor had passed, though it was not stored
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._database.close()

    def _run(self) -> None:
        while not self._done.wait(0.002):
            stored, cursor = self.look()
            reached = max(map(datetime.fromisoformat, json.loads(cursor).values())) if cursor else None
            missing = {id_ for id_, at in self._placed.items() if reached and at < reached - timedelta(seconds=1)}
            self.counts.add(len(stored))
            if missing - stored:
                self.passed.append(missing - stored)

    def look(self) -> tuple[set[str], str | None]:
        """The ids of the stored checkouts, and the store's cursor."""
        checkouts, stores = table(tables.Checkout), table(tables.Store)
        with self._engine.connect() as connection:
            if self._database.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            ids = set(connection.execute(select(checkouts.c.id)).scalars())
            return ids, connection.execute(select(stores.c.checkouts_cursor)).scalar()


def test_a_cursor_never_moves_past_what_is_not_stored(site: MakeSite) -> None:
    count = PAGES * 100
    clock, crm = LateClock(), klaviyo.serve(keep_journal=False)
    store = due_store(clock, 0)
    with clock.ago(minutes=40):
        now = clock()
        ids = store.seed(count, [f"shopper{n}@example.com" for n in range(count)], over=timedelta(hours=10))
    placed = {id_: now - timedelta(hours=10) * (count - 1 - n) / (count - 1) for n, id_ in enumerate(ids)}
    acme = site(client({"woo": store}, {"mail": crm}))
    trap = Trap([store.server])
    with Reader(acme.url, placed) as reader:
        for moment in moments(acme.url[:8], PAGE_KILLS, PAGES):
            killed(trap, acme.start("sync"), *moment)
        assert acme.run("sync", patience=PATIENCE * (10 if LONG else 1)).code == 0
        assert reader.look()[0] == set(ids)
    assert not reader.passed
    assert reader.counts - {0, count}, "nobody looked while pages were being stored"
    times = Counter(effect.email for effect in crm.effects)
    assert len(times) == count
    assert set(times.values()) == {1}
    for each in (store, crm):
        each.server.close()
