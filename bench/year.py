"""A simulated year: 20,000 checkouts through the real engine and the sandboxes: `python bench/year.py`.

What it shows, and the last figures, are in README.md. It ends with 1 where any promise did not hold.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of this folder, in which this file has the same name

from year.simulation import simulate  # noqa: E402

SHOWN = 20  # of what speaks against a promise


def main() -> int:
    options = argparse.ArgumentParser(description="Simulates a year; see README.md beside this file.")
    options.add_argument("--checkouts", type=int, default=20_000, help="about so many (default 20000)")
    options.add_argument("--days", type=int, default=365, help="of simulated time (default 365)")
    options.add_argument("--beat", type=int, default=60, help="simulated minutes between two looks (default 60)")
    options.add_argument("--trouble", type=float, default=4.0, help="simulated days between two troubles (default 4)")
    options.add_argument("--seed", type=int, default=1, help="the same number gives the same year (default 1)")
    asked = options.parse_args()
    began = time.monotonic()
    year = simulate(
        asked.seed,
        asked.checkouts,
        timedelta(days=asked.days),
        timedelta(minutes=asked.beat),
        timedelta(days=asked.trouble),
    )
    took = time.monotonic() - began
    print("| what | how many |\n|---|---|")
    for name, number in year.counts.items():
        print(f"| {name} | {number} |")
    print("\n| what must hold | tried | against it |\n|---|---|---|")
    for promise in year.promises:
        print(f"| {promise.text} | {promise.tried} | {len(promise.against)} |")
    for promise in year.promises:
        for words in promise.against[:SHOWN]:
            print(f"\nagainst “{promise.text}”: {words}")
    cpu = sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    machine = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
    print(f"\nseed {asked.seed}, {took / 60:.1f} minutes, {cpu / 60:.1f} of CPU; {machine}")
    return 1 if any(promise.against for promise in year.promises) else 0


if __name__ == "__main__":
    sys.exit(main())
