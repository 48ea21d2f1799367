"""Sets the demo up: sandbox servers, a client's file, and the real daemon over SQLite in a temporary folder."""

from __future__ import annotations

import heapq
import importlib
import importlib.util
import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from connector import registry
from connector.config import load
from connector.database_url import sqlite_url
from connector.db import Database
from connector.demo.clock import Clock
from connector.demo.lines import Lines
from connector.demo.shoppers import Casting, Service, Shop, Story, Town
from connector.demo.watch import Notes, Watch
from connector.demo.witness import Doorway, Ledger
from connector.engine.context import Client, Context
from connector.engine.daemon import Daemon
from connector.http import Http
from connector.scratch import temporary

SPEED = 3 * 3600.0  # 1 s is 3 h: a week passes in a minute
SEED = 7
CLIENT = "demo"
TICK = 0.03  # real seconds; 5 simulated minutes
# A step wants a word on the orders that is at most three times as old (R4), and every request takes minutes here.
POLL_EVERY = "10m"
LONG_AGO = timedelta(days=3)  # before the daemon starts: too old for a lead (R3)
# The vendors' limits count real seconds, in which hours pass here: kept, they would make every delivery late.
REQUESTS_PER_SECOND = 500
FIELDS = {"Cart": "{{ product_name }}", "Cart total": "{{ total_formatted }}"}  # where a sandbox brings none
LOGGERS = ("apscheduler",)  # says when a tick is skipped, which on a busy machine is no news


@dataclass
class Stage:
    """The running demo."""

    clock: Clock
    lines: Lines
    town: Town
    watch: Watch
    notes: Notes
    players: Players


class Players:
    """Plays the stories, each when its time has come, on a thread of its own."""

    def __init__(self, clock: Clock, stories: Iterator[tuple[timedelta, Story]]) -> None:
        self._clock, self._stories = clock, stories
        self._order = itertools.count()
        self._due: list[tuple[datetime, int, Story]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._play, name="shoppers", daemon=True)
        self.error: Exception | None = None

    def start(self) -> None:
        """Begins, counting from now."""
        self._began = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Nothing is played any more when this returns."""
        self._stopping.set()
        self._thread.join()

    def _play(self) -> None:
        try:
            self._plan_next()
            while not self._stopping.is_set():
                at = self._due[0][0]
                wait = self._clock.real(at - self._clock())
                if wait <= 0:
                    self._go_on()
                else:
                    self._stopping.wait(min(wait, 1.0))
        except Exception as error:  # the summary says so, rather than a thread that dies in silence
            self.error = error

    def _go_on(self) -> None:
        at, place, story = heapq.heappop(self._due)
        if place == self._newest:
            self._plan_next()
        pause = next(story, None)
        if pause is not None:
            heapq.heappush(self._due, (at + pause, next(self._order), story))

    def _plan_next(self) -> None:
        """There is always one story in the queue that has not begun: the next one of the endless row."""
        after, story = next(self._stories)
        self._newest = next(self._order)
        heapq.heappush(self._due, (self._began + after, self._newest, story))


@contextmanager
def stage() -> Iterator[Stage]:
    """Everything running; stopped and removed at the end."""
    clock, lines = Clock(SPEED, datetime.now(UTC) - LONG_AGO), Lines()
    with ExitStack() as stack:
        folder = stack.enter_context(temporary())
        notes = stack.enter_context(_quiet_log(Notes(clock, lines.tell)))
        town = _build_town(stack, clock, lines)
        ctx = _open_engine(stack, folder, town)
        effects = {each.title: each.sandbox.effects for each in town.services}
        watch = Watch(ctx, CLIENT, {each.id: each.title for each in town.shops}, effects, lines.tell)
        town.know = watch.know
        casting = Casting(town, SEED)
        for shopper in casting.stale():
            shopper.leaves(why="left a cart three days ago")
        clock.jump(LONG_AGO)
        clock.run()
        daemon = Daemon(ctx, tick=TICK)
        daemon.start()
        stack.callback(daemon.stop)
        players = Players(clock, casting.stories())
        players.start()
        stack.callback(players.stop)
        yield Stage(clock, lines, town, watch, notes, players)


def sandboxes(package: str, names: Iterator[str] | list[str], clock: Clock) -> Iterator[tuple[str, Any]]:
    """A running sandbox for each adapter that brings one, with its name. Adapters are known by the registry only."""
    for name in names:
        module = f"{package}.sandbox.{name}"
        if importlib.util.find_spec(module) is not None:
            sandbox = importlib.import_module(module)
            yield name, sandbox.serve(clock=clock, **getattr(sandbox, "DEMO", {}))


def _build_town(stack: ExitStack, clock: Clock, lines: Lines) -> Town:
    registry.load()
    shops, services = [], []
    # A site that tells by itself signs the time, to five minutes: hours pass here while its request is on the way.
    asked = [name for name, cls in sorted(registry.PLATFORMS.items()) if registry.Cap.PUSHED not in cls.capabilities]
    for name, store in sandboxes("platforms", asked, clock):
        stack.callback(store.server.close)
        cls = registry.PLATFORMS[name]
        shops.append(
            Shop(name, cls.title, store, Doorway(store.server, clock), registry.Cap.STARTS in cls.capabilities)
        )
    for name, crm in sandboxes("crm", sorted(registry.CRMS), clock):
        stack.callback(crm.server.close)
        services.append(Service(name, registry.CRMS[name].title, crm))
    return Town(clock, shops, services, Ledger(), lines.tell)


def client_file(town: Town) -> dict[str, Any]:
    """The client's file: what an owner would write, but for the pace."""
    stores = [{"id": shop.id, **shop.sandbox.options(), "poll_every": POLL_EVERY} for shop in town.shops]
    pace = {"requests_per_second": REQUESTS_PER_SECOND}
    crms = [{"id": each.id, "fields": FIELDS, **each.sandbox.options(), **pace} for each in town.services]
    return {"client": CLIENT, "stores": stores, "crms": crms}


def _open_engine(stack: ExitStack, folder: Path, town: Town) -> Context:
    path = folder / f"{CLIENT}.yaml"
    path.write_text(yaml.safe_dump(client_file(town), sort_keys=False), encoding="utf-8")
    loaded = load(path, {})
    db = Database(sqlite_url(folder / f"{CLIENT}.db")).open()
    stack.callback(db.close)
    http = Http()
    stack.callback(http.close)
    clients = {config.client: Client.of(config) for config in loaded.clients}
    return Context(db, http, loaded.settings, town.clock, clients)


@contextmanager
def _quiet_log(notes: Notes) -> Iterator[Notes]:
    """The log goes to the screen's own column while the demo runs."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    root.addHandler(notes)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield notes
    finally:
        root.removeHandler(notes)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
