"""The daemon's tick: APScheduler, and somebody who sees to it that it does not wait for a time long past."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler


class Ticks:
    """Calls `turn` every `every` seconds, never twice at once, from `start` to `stop`."""

    def __init__(self, turn: Callable[[], None], every: float) -> None:
        self._every = every
        self._stopping = threading.Event()
        self._scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)}, timezone="UTC")
        self.job = self._scheduler.add_job(
            turn, "interval", seconds=every, coalesce=True, max_instances=1, misfire_grace_time=None
        )

    def start(self) -> None:
        """The first turn comes after `every` seconds."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of every turn that waits for the database
        self._scheduler.start()
        threading.Thread(target=self._watch, name="ticks", daemon=True).start()

    def stop(self) -> None:
        """Waits for the turn that is under way."""
        self._stopping.set()
        self._scheduler.shutdown()

    def _watch(self) -> None:
        """APScheduler plans by the machine's clock: once that is set back, the next turn would wait for long."""
        while not self._stopping.wait(max(1.0, self._every)):
            planned = self.job.next_run_time
            if planned is not None and planned.timestamp() - time.time() > self._every + 1.0:
                self.job.reschedule("interval", seconds=self._every)
