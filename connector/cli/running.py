"""`winback run`: the daemon."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from connector.cli.opening import clients_of, engine, hide_secrets
from connector.cli.show import count
from connector.config import Loaded, changed, reload
from connector.engine.context import Client, Context, log

if TYPE_CHECKING:
    from connector.engine.daemon import Daemon
    from connector.engine.hooked import Hooks
    from connector.web import Running

LATE = 60.0  # seconds after which a loop that did not run makes the health page say so


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
        for note in loaded.notes:
            log.warning("%s", note)
        gc.freeze()  # what the imports made stays for good: the collector need not look through it again and again
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
