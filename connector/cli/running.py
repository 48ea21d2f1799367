"""`winback run` and `winback sync`."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from connector.cli.opening import clients_of, engine, hide_secrets, read_configuration
from connector.cli.show import Column, as_table, count, say
from connector.config import Loaded, changed, reload
from connector.engine.context import Client, Context, log
from connector.rules import State

if TYPE_CHECKING:
    from connector.engine.daemon import Daemon
    from connector.engine.hooked import Hooks
    from connector.engine.sync import Report
    from connector.web import Running

LATE = 60.0  # seconds after which a loop that did not run makes the health page say so
DUE_COLUMNS = (
    Column("client", "client"),
    Column("store", "store"),
    Column("email", "e-mail"),
    Column("crm", "CRM"),
    Column("step", "step", keep=True),
    Column("due_at", "due since (UTC)", keep=True),
)


def run_daemon(config: Path) -> int:
    """The daemon, until SIGTERM or SIGINT."""
    from connector.engine.daemon import Daemon
    from connector.engine.hooked import Hooks

    stop = threading.Event()
    asked: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        asked.append(number)  # no more than this: a log line may be half written at this moment
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with engine(config) as (ctx, loaded):
        gc.freeze()  # as in run_sync
        hooks = Hooks(ctx)
        daemon = Daemon(ctx, reload=Reload(loaded), hints=hooks.hints)
        daemon.start()
        web = None
        try:
            web = _serve(ctx, daemon, hooks)
            log.info("winback is running: %s, database %s", count(len(ctx.clients), "client"), ctx.db.name)
            stop.wait()
            log.info("%s: finishing what is in flight", signal.Signals(asked[0]).name)
        finally:
            finished = daemon.stop()
            if web is not None:
                web.close(timeout=0.5)
            log.info(
                "stopped" if finished else "stopped; what was still in flight is looked at again at the next start"
            )
    if not finished:
        os._exit(0)  # a thread that waits for a dead server must not hold the container: its work is in the outbox
    return 0


def _serve(ctx: Context, daemon: Daemon, hooks: Hooks) -> Running:
    """Health, metrics, short links and webhooks, on the configured address."""
    from connector import hook_route, metrics, web
    from connector.engine import links, view
    from connector.inbound.routes import routes as inbound

    numbers = metrics.Metrics()
    ctx.http.observers.append(numbers.observe)
    ctx.numbers = numbers
    started = time.monotonic()

    def health() -> dict[str, web.Loop]:
        leads, waiting = view.counts(ctx)
        numbers.leads(leads)
        numbers.waiting(waiting)
        return {"tick": web.Loop(time.monotonic() - daemon.ran.get("tick", started), LATE)}

    def resolve(token: str) -> str | None:
        url = links.resolve(ctx, token)
        numbers.clicked(url is not None)
        return url

    password = ctx.settings.http.password.get_secret_value() if ctx.settings.http.password else ""
    state = web.State(
        health=health,
        registry=numbers.registry,
        resolve=resolve,
        front=lambda: links.front(ctx),
        username=ctx.settings.http.username,
        password=password,
        signed=[hook_route.route(hooks), *inbound(ctx)],
    )
    return web.serve(web.create_app(state), ctx.settings.http.listen, password=password)


class Reload:
    """Reads the files again when they changed. A bad one is refused with its errors: its client stays as it was."""

    def __init__(self, loaded: Loaded, every: float = 2.0) -> None:
        self._known, self._every = loaded, every
        self._looked = time.monotonic()

    def __call__(self) -> dict[str, Client] | None:
        """The new clients, or None where there is nothing new."""
        if time.monotonic() - self._looked < self._every:
            return None
        self._looked = time.monotonic()
        if not changed(self._known):
            return None
        before, self._known = self._known, reload(self._known)
        hide_secrets(self._known)
        if self._known.problems:
            said = "\n".join(str(problem) for problem in self._known.problems)
            log.error("the changed configuration is refused, the old one stays in force:\n%s", said)
        return None if self._known.clients == before.clients else clients_of(self._known)


def run_sync(config: Path, *, dry_run: bool) -> int:
    """One pass. 0 all well, 1 a store or CRM failed (named on stderr)."""
    if dry_run:
        return _dry_run(config)
    from connector.engine.accounts import Accounts
    from connector.engine.deliver import recover
    from connector.engine.setup import apply_configuration
    from connector.engine.sync import sync

    with engine(config) as (ctx, _):
        gc.freeze()  # what the imports made stays for good: the collector need not look through it again and again
        ctx.db.lock()
        recover(ctx)
        apply_configuration(ctx)
        report = sync(ctx, Accounts(ctx))
    read = sum(polled.checkouts for polled in report.polled.values())
    leads = sum(polled.leads for polled in report.polled.values())
    did = [
        count(read, "new or changed checkout"),
        count(leads, "new lead"),
        count(report.delivered, "delivery made", "deliveries made"),
    ]
    if report.refused:
        did.append(f"{report.refused} not made (see `winback deliveries`)")
    say(", ".join(did))
    return _ended(report)


def _ended(report: Report) -> int:
    for name, error in report.errors.items():
        log.error("%s: %s", name, error)
    return 1 if report.errors else 0


def _dry_run(config: Path) -> int:
    """The same pass on a copy of the database, without deliveries: lists who would be enrolled."""
    from connector.copying import copy_into
    from connector.engine.accounts import Accounts
    from connector.engine.setup import apply_configuration
    from connector.engine.sync import sync
    from connector.engine.view import counts, would_enrol

    loaded = read_configuration(config)
    folder = tempfile.mkdtemp(prefix="winback-dry-run-")
    try:
        scratch = f"sqlite:///{folder}/copy.db"
        copy_into(loaded.settings.database_url.get_secret_value(), scratch)
        with engine(config, database_url=scratch) as (ctx, _):
            apply_configuration(ctx)
            report = sync(ctx, Accounts(ctx), deliver=False)
            rows = [row for client in ctx.clients.values() for row in would_enrol(ctx, client)]
            states, _ = counts(ctx)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    as_table(rows, DUE_COLUMNS, "nobody would be enrolled now")
    say(_summary(states))
    return _ended(report)


def _summary(states: Mapping[tuple[str, str, str], int]) -> str:
    by_state: Counter[str] = Counter()
    for (_, _, state), number in states.items():
        by_state[state] += number
    listed = ", ".join(f"{by_state[state]} {state}" for state in State if by_state[state])
    return f"checkouts with an address: {listed or 'none'}; nothing was sent"
