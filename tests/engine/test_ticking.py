"""The daemon's tick."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from connector.engine.ticking import Ticks


def test_a_tick_that_is_planned_for_long_after_the_next_one_comes_all_the_same() -> None:
    """That is what a machine's clock leaves behind when it is set back by an hour."""
    came = threading.Event()
    ticks = Ticks(came.set, 0.1)
    ticks.start()
    try:
        assert came.wait(10)
        ticks.job.modify(next_run_time=datetime.now(UTC) + timedelta(hours=1))
        came.clear()
        assert came.wait(10)
        came.clear()
        assert came.wait(10), "and goes on"
    finally:
        ticks.stop()
