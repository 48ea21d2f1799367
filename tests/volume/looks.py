"""What the daemon, its pages and the commands do again and again, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from volume.shop import Shop

from connector.engine import hand, view
from connector.engine.decide import decide_client
from connector.engine.report import rows_of
from connector.engine.retention import end_unreachable, expire_leads, purge

Look = tuple[str, Callable[[], object]]


def looks(made: Shop) -> Iterator[Look]:
    """Each with its name. The order is that of a day."""
    ctx, client, now = made.ctx, made.client, made.clock()
    email = made.world.traffic.email(made.world.traffic.started - 7)
    yield "a second of the daemon, nothing due", made.tick
    yield "a pass with five minutes of news", lambda: made.go_on(timedelta(minutes=5), timedelta(minutes=5))
    yield "a pass with a day's news", lambda: made.go_on(timedelta(days=1), timedelta(days=1))
    yield "decisions, none due", lambda: decide_client(ctx, client, now)
    yield "retention: leads", lambda: expire_leads(ctx, client, now)
    yield "retention: CRMs that left", lambda: end_unreachable(ctx, client, now)
    yield "retention: all else", lambda: purge(ctx, client, now)
    yield "retention: all else, a month later", lambda: purge(ctx, client, now + timedelta(days=30))
    yield "numbers for /metrics", lambda: view.counts(ctx)
    yield "report, 30 days", lambda: list(rows_of(ctx, client, (now - timedelta(days=30)).date(), "store"))
    yield "report, a year", lambda: list(rows_of(ctx, client, (now - timedelta(days=365)).date(), "store"))
    yield "explain", lambda: view.explain(ctx, client, email)
    yield "forget", lambda: hand.forget(ctx, client, email)
    yield "deliveries list", lambda: view.deliveries(ctx, client)
    yield "leads list, one day", lambda: view.leads(ctx, client, since=now - timedelta(days=1))
    yield "leads list", lambda: view.leads(ctx, client)
