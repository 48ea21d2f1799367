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

from connector.cli.opening import engine
from connector.cli.reloading import Reload
from connector.cli.show import count
from connector.engine.context import Context, log

if TYPE_CHECKING:
    from connector.engine.daemon import Daemon
    from connector.engine.hooked import Hooks
    from connector.web import Running

LATE = 60.0  # seconds after which a loop that did not run makes the health page say so


def run_daemon(config: Path) -> int:
    """The daemon, until SIGTERM or SIGINT. SIGHUP has it read its files again."""
    from connector.engine.daemon import Daemon
    from connector.engine.hooked import Hooks

    stop = threading.Event()
    asked: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        asked.append(number)  # no more than this: a log line may be half written at this moment
        stop.set()

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is somebody to hear it; it never ends the daemon
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with engine(config) as (ctx, loaded):
        for note in loaded.notes:
            log.warning("%s", note)
        gc.freeze()  # what the imports made stays for good: the collector need not look through it again and again
        hooks = Hooks(ctx)
        reload = Reload(ctx, loaded)
        signal.signal(signal.SIGHUP, lambda number, frame: setattr(reload, "asked", True))
        daemon = Daemon(ctx, reload=reload, hints=hooks.hints)
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

    def login() -> tuple[str, str]:
        http = ctx.settings.http
        return http.username, http.password.get_secret_value() if http.password else ""

    state = web.State(
        health=health,
        registry=numbers.registry,
        resolve=resolve,
        front=lambda: links.front(ctx),
        login=login,
        signed=[hook_route.route(hooks), *inbound(ctx)],
    )
    return web.serve(web.create_app(state), ctx.settings.http.listen, password=login()[1])
