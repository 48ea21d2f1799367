"""The daemon: one tick a second over the due-queue in the database; the work itself on threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select

from connector import registry, tables
from connector.db import is_out, table, words_of
from connector.engine import clocks
from connector.engine.accounts import Accounts
from connector.engine.ages import heard_lately
from connector.engine.context import Client, Context, log
from connector.engine.coupon_removal import due_removals, remove_coupons
from connector.engine.decide import decide_client
from connector.engine.deliver import WORKERS, Outbox, recover, work
from connector.engine.outbox import PENDING
from connector.engine.owed import tell
from connector.engine.poll import Polled, poll_store
from connector.engine.retention import keep_times
from connector.engine.setup import apply_configuration
from connector.engine.soon import ask
from connector.engine.ticking import Ticks

STORES = table(tables.Store)
DELIVERIES = table(tables.Delivery)
CRMS = table(tables.Crm)
POLLERS = 32
DELIVERERS = 32
REMOVE_EVERY = timedelta(seconds=15)
PURGE_EVERY = timedelta(hours=1)
GRACE = 8.0  # seconds that a stop waits for what is in flight: within 10 s all is over, when Docker would kill


class Daemon:
    """Runs until `stop`. What is in flight then is finished, or found again at the next start."""

    def __init__(
        self,
        ctx: Context,
        *,
        tick: float = 1.0,
        reload: Callable[[], dict[str, Client] | None] = lambda: None,
        polled: Callable[[Client, Polled], None] = lambda client, polled: None,
        hints: set[tuple[str, str]] | None = None,
    ) -> None:
        self.ctx = ctx
        self.accounts = Accounts(ctx)
        self.ran: dict[str, float] = {}  # when each loop last ran (time.monotonic), for the health page
        self._stopping = threading.Event()
        self._outbox = Outbox(stopping=self._stopping)
        self._reload, self._polled = reload, polled
        self._fresh: dict[str, Client] | None = None  # what was read, and is not in the database yet
        self._hints = hints if hints is not None else set()  # stores with news; other threads put them in
        self._polls = ThreadPoolExecutor(POLLERS, "poll")
        self._deliveries = ThreadPoolExecutor(DELIVERERS, "deliver")
        self._polling: dict[tuple[str, str], Future[None]] = {}
        self._delivering: dict[tuple[str, str, int], Future[None]] = {}
        self._removing: dict[tuple[str, str], Future[None]] = {}
        self._seen: datetime | None = None  # what the clock showed at the last turn
        self._removed_at: datetime | None = None
        self._purged_at: datetime | None = None
        self._unheard = False  # the stores had not said lately how late it is
        self._told: set[str] = set()  # the CRMs that are gone and owed something, as was alerted
        self._standby = False  # the lock was lost, and another process has it
        self._database_out = False
        self._unwritten = threading.Event()  # the database was out when results were to be written down
        self._ticks = Ticks(self._turn, tick)

    def start(self) -> None:
        """Takes the database's lock, recovers what a killed process left, and begins to tick."""
        self.ctx.db.lock()
        found = recover(self.ctx)
        if found:
            log.info("%d deliveries were under way when the last process ended; they are looked at again", found)
        apply_configuration(self.ctx)
        self._ticks.start()

    def stop(self) -> bool:
        """Takes no new work, and waits up to 8 s for what is in flight. True where all of it finished."""
        end = time.monotonic() + GRACE
        self._stopping.set()
        last_turn = threading.Thread(target=self._ticks.stop, daemon=True)
        last_turn.start()
        last_turn.join(GRACE)  # a turn may wait for a database that does not answer
        futures = [*self._polling.values(), *self._delivering.values(), *self._removing.values()]
        self._polls.shutdown(wait=False, cancel_futures=True)
        self._deliveries.shutdown(wait=False, cancel_futures=True)
        futures = [future for future in futures if not future.cancelled()]  # `wait` would never see those end
        _, unfinished = wait(futures, timeout=max(0.0, end - time.monotonic()))
        return not unfinished and not last_turn.is_alive()

    def _turn(self) -> None:
        try:
            if not self._is_ours():
                return
            self._watch_clock()
            self._reconfigure()
            self._take_hints()
            self._start_polls()
            self._start_deliveries()
            self._start_removals()
            self._keep_house()
            self.ran["tick"] = time.monotonic()
        except Exception as error:
            self._failed("the tick", error)

    def _is_ours(self) -> bool:
        """Whether this process still is the only one that works. Without its lock it stands by."""
        ours = self.ctx.db.keeps_lock()
        if self._database_out:
            self.ctx.db.try_write()  # or else SQLite's outage would be told, and the stores be asked, at every turn
            self._database_out = False
            log.info("the database answers again")
        if ours == self._standby:
            self._standby, self._seen = not ours, None  # the other one may have had another clock
            log.error(
                "this winback works again"
                if ours
                else "another winback has taken over the database; this one waits until that one ends"
            )
        if ours and self._unwritten.is_set():
            self._unwritten.clear()
            recover(self.ctx, self._outbox)
        return ours

    def _failed(self, what: str, error: Exception) -> None:
        """Trouble with the database is said once, in a line, and passes; anything else is a mistake of ours."""
        if not is_out(error):
            log.error("%s failed", what, exc_info=error)
        elif not self._database_out:
            self._database_out = True
            words = words_of(error)
            log.error("the database %s does not answer: %s. Winback goes on when it does", self.ctx.db.name, words)

    def _watch_clock(self) -> None:
        """Nothing waits for a time that was reached already, before the clock was set back."""
        if clocks.notice(self.ctx, self._seen):
            self._removed_at = self._purged_at = None
        self._seen = self.ctx.clock()

    def _reconfigure(self) -> None:
        read = self._reload()
        self._fresh = self._fresh if read is None else read
        if self._fresh is None:
            return
        self.ctx.clients = self._fresh
        apply_configuration(self.ctx)  # raises while the database takes no writes: then at the next turn
        log.info("the configuration was read again, of %s", ", ".join(sorted(self._fresh)))
        self._fresh = None
        tell(self.ctx, self._told)

    def _take_hints(self) -> None:
        for store in list(self._hints):
            ask(self.ctx, *store)
            self._hints.discard(store)  # not before it is written down; one that came meanwhile asks for the same poll

    def _start_polls(self) -> None:
        now = self.ctx.clock()
        due = or_(STORES.c.next_poll_at.is_(None), STORES.c.next_poll_at <= now)
        with self.ctx.db.read() as connection:
            query = select(STORES.c.client, STORES.c.id).where(STORES.c.gone.is_(False), due)
            stores = connection.execute(query.order_by(STORES.c.next_poll_at)).all()
        for client_id, store in stores:
            client = self.ctx.clients.get(client_id)
            running = self._polling.get((client_id, store))
            if client is not None and (running is None or running.done()):
                self._polling[client_id, store] = self._polls.submit(self._poll, client, store)

    def _poll(self, client: Client, store: str) -> None:
        if self._stopping.is_set():
            return
        try:
            polled = poll_store(self.ctx, self.accounts, client, store)
            decide_client(self.ctx, client, self.ctx.clock())
            self.ran["poll"] = time.monotonic()
            self._polled(client, polled)
        except Exception as error:
            self._failed(f"{client.id}/{store}: the poll", error)

    def _start_deliveries(self) -> None:
        now = self.ctx.clock()
        with self.ctx.db.read() as connection:
            query = (
                select(DELIVERIES.c.client, DELIVERIES.c.crm, func.count())
                .where(PENDING, DELIVERIES.c.next_at <= now)
                .group_by(DELIVERIES.c.client, DELIVERIES.c.crm)
            )
            due = {(client, crm): count for client, crm, count in connection.execute(query)}
            waits_no_more = or_(CRMS.c.retry_at.is_(None), CRMS.c.retry_at <= now)
            ill = select(CRMS.c.client, CRMS.c.id).where(CRMS.c.failures > 0, CRMS.c.gone.is_(False), waits_no_more)
            asked = dict.fromkeys(connection.execute(ill), 0)
        for (client_id, crm), count in (asked | due).items():
            client = self.ctx.clients.get(client_id)
            options = client.crm(crm) if client else None
            if client is None or options is None:
                continue
            adapter = registry.CRMS[options.adapter]
            wanted = min(WORKERS, adapter.rate.connections, 1 + count // 10) if adapter.batch == 1 else 1
            for place in range(wanted):
                running = self._delivering.get((client_id, crm, place))
                if running is None or running.done():
                    future = self._deliveries.submit(self._deliver, client, crm)
                    self._delivering[client_id, crm, place] = future

    def _deliver(self, client: Client, crm: str) -> None:
        try:
            while not (self._stopping.is_set() or self._standby):
                if not work(self.ctx, self.accounts, self._outbox, client, crm).more:
                    break
            self.ran["deliver"] = time.monotonic()
        except Exception as error:
            self._unwritten.set()
            self._failed(f"{client.id}/{crm}: the deliveries", error)

    def _start_removals(self) -> None:
        """Of coupons that nobody used. Rarely looked for: they expire by themselves."""
        now = self.ctx.clock()
        if self._removed_at is not None and now - self._removed_at < REMOVE_EVERY:
            return
        self._removed_at = now
        for client, store in due_removals(self.ctx):
            running = self._removing.get((client.id, store))
            if running is None or running.done():
                self._removing[client.id, store] = self._polls.submit(self._remove, client, store)

    def _remove(self, client: Client, store: str) -> None:
        try:
            if not (self._stopping.is_set() or self._standby):
                remove_coupons(self.ctx, self.accounts, client, store)
        except Exception as error:
            self._failed(f"{client.id}/{store}: deleting unused coupons", error)

    def _keep_house(self) -> None:
        now = self.ctx.clock()
        is_time = self._purged_at is None or now - self._purged_at >= PURGE_EVERY
        if not (is_time or self._unheard):
            return
        with self.ctx.db.read() as connection:
            heard = heard_lately(connection, now)
        if not (is_time or heard):
            return
        self._purged_at, self._unheard = now, not heard  # after a long time off, ages are known when stores were read
        keep_times(self.ctx, now)
        self.ctx.db.compact()
        tell(self.ctx, self._told)
