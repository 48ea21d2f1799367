"""What the database weighs over a simulated year, and what a pass costs at that size: `python bench/disk.py`.

What it shows, and the last figures, are in README.md. It ends with 1 where the database is heavier than it may be.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of this folder

from volume.copies import copy_rows  # noqa: E402
from volume.looks import looks  # noqa: E402
from volume.shop import Shop, shop  # noqa: E402
from volume.weight import LOG, MB, bound, rows, size, weights  # noqa: E402

DAY = timedelta(days=1)


def play(made: Shop, per_day: int, days: int, every: int, beat: timedelta) -> Iterator[str]:
    """The days, with a line of the table now and then. Raises SystemExit where the file is heavier than it may be."""
    yield "| day | checkouts | kept | MB | may be | log MB | s of CPU for a day | a look, s | peak MB of memory |"
    yield "|---|---|---|---|---|---|---|---|---|"
    day = 0
    while day < days:
        step = min(every, days - day)
        cpu = time.process_time()
        made.go_on(step * DAY, beat)
        day, cpu = day + step, time.process_time() - cpu
        file, log = size(made.db)
        may_be = bound(per_day, day, made.client.policy.keep_for)
        kept, look = rows(made.db)["checkouts"], seconds(lambda: made.go_on(timedelta(minutes=5), timedelta(minutes=5)))
        cells = (day, made.world.traffic.started, kept, f"{file / MB:.0f}", f"{may_be / MB:.0f}", f"{log / MB:.0f}")
        yield f"| {' | '.join(map(str, cells))} | {cpu / step:.2f} | {look:.2f} | {memory():.0f} |"
        if file > may_be or log > LOG:
            raise SystemExit(f"after {day} days: {file} bytes and a log of {log}, but {may_be:.0f} and {LOG} it may be")


def memory() -> float:
    """The highest resident set of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def seconds(do: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.monotonic()
    do()
    return time.monotonic() - began


def table_of_weights(made: Shop) -> Iterator[str]:
    """What a row of each table weighs, with its indexes and free room."""
    yield "\n| table | rows | bytes a row | MB |\n|---|---|---|---|"
    counted = rows(made.db)
    for name, weight in sorted(weights(made.db).items(), key=lambda each: -each[1]):
        if counted.get(name, 0) > 100:
            yield f"| {name} | {counted[name]} | {weight / counted[name]:.0f} | {weight / MB:.1f} |"


def table_of_looks(made: Shop) -> Iterator[str]:
    """What the engine, the web page and the commands do, and how long each takes."""
    yield "\n| what | s | peak MB of memory |\n|---|---|---|"
    for name, do in looks(made):
        took = seconds(do)
        yield f"| {name} | {took:.3f} | {memory():.0f} |"


def main() -> int:
    options = argparse.ArgumentParser(description="Weighs a simulated year; see README.md beside this file.")
    options.add_argument("--checkouts", type=int, default=100_000, help="a year (default 100000)")
    options.add_argument("--days", type=int, default=365, help="of simulated time (default 365)")
    options.add_argument("--beat", type=float, default=8, help="simulated hours between two looks (default 8)")
    options.add_argument("--every", type=int, default=30, help="simulated days between two lines (default 30)")
    options.add_argument("--times", type=int, default=10, help="at the end, as if so many times as many (default 10)")
    options.add_argument("--database", help="its address, and it must be empty (default: SQLite in a temporary folder)")
    asked = options.parse_args()
    began, per_day = time.monotonic(), round(asked.checkouts / 365)
    with tempfile.TemporaryDirectory(prefix="winback-disk-") as name:
        url = asked.database or f"sqlite:///{name}/winback.db"
        with shop(Path(name), url, per_day) as made:
            for line in play(made, per_day, asked.days, asked.every, timedelta(hours=asked.beat)):
                print(line, flush=True)
            print("\n".join(table_of_weights(made)), flush=True)
            if asked.times > 1:
                copy_rows(made.db, asked.times)
                kept, weight = rows(made.db)["checkouts"], size(made.db)[0] / MB
                print(f"\n{asked.times} times as many: {kept} checkouts, {weight:.0f} MB")
            for line in table_of_looks(made):
                print(line, flush=True)
    used = resource.getrusage(resource.RUSAGE_SELF)
    machine = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
    print(
        f"\n{(time.monotonic() - began) / 60:.1f} minutes, {(used.ru_utime + used.ru_stime) / 60:.1f} of CPU; {machine}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
