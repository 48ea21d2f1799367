"""Measures the main job: `python bench/run.py`. What it measures, and the last figures, are in README.md.

CPU is user and system time of the whole process; memory is its highest resident set; both from wait4(2).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FAST = 100_000  # requests a second: no vendor's limit, so that the machine is measured and not the waiting
FIELDS = {"CART": "{{ product_name }}", "CHECKOUT": "{{ checkout_url }}"}


@dataclass(frozen=True)
class Cost:
    """What one process used."""

    cpu: float  # seconds
    memory: float  # MB
    wall: float  # seconds


class Servers:
    """The sandbox process."""

    def __init__(self, people: int, crm: str, version: str) -> None:
        command = [sys.executable, str(HERE / "servers.py"), "--people", str(people), "--crm", crm]
        self._process = subprocess.Popen(
            [*command, "--version", version], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.about = self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def seen(self) -> dict[str, Any]:
        """What was asked of them since they started, and who was enrolled."""
        assert self._process.stdin
        print("seen", file=self._process.stdin, flush=True)
        return self._line()

    def close(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def servers(people: int, crm: str, version: str) -> Iterator[Servers]:
    """Running servers, ended at last."""
    running = Servers(people, crm, version)
    try:
        yield running
    finally:
        running.close()


def measured(command: list[str], folder: Path) -> Cost:
    """Runs a command to its end. Raises SystemExit where it fails."""
    started = time.monotonic()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "",  # as after an installation, Python finds everything compiled
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "winback-bench-bytecode"),
        "WINBACK_DATABASE_URL": f"sqlite:///{folder}/winback.db",
    }
    with open(folder / "out", "a") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[1:3]} failed:\n{(folder / 'out').read_text()}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, time.monotonic() - started)


def configuration(about: dict[str, Any], folder: Path) -> Path:
    """A client's file for these servers (JSON is YAML)."""
    account = {"id": "mail", **about["crm"], "requests_per_second": FAST, "fields": FIELDS}
    account.setdefault("tags", ["abandoned-cart"])
    if account["adapter"] != "klaviyo":  # the others mail subscribers only: else nobody would be enrolled
        account["subscribe"] = "eligible"
    store = {"id": "shop", **about["store"], "requests_per_second": FAST}
    path = folder / "acme.yaml"
    path.write_text(json.dumps({"client": "acme", "stores": [store], "crms": [account]}))
    return path


@dataclass
class Measure:
    """All runs of one row."""

    name: str
    costs: list[Cost]
    calls: str = ""


def check(seen: dict[str, Any], people: int) -> None:
    """A run counts only if everybody was enrolled, and nobody twice."""
    if (seen["enrolled"], seen["people"]) != (people, people):
        raise SystemExit(f"{seen['people']} people were enrolled, {seen['enrolled']} times, of {people}: {seen}")


def calls(seen: dict[str, Any], people: int) -> str:
    """How many requests went to the store and to the CRM."""
    store, crm = (sum(seen[name].values()) for name in ("store_calls", "crm_calls"))
    return f"{store} to the store, {crm} to the CRM ({crm / people:.2f} a lead)"


def run_floor(people: int, version: str, row: Measure) -> None:
    with tempfile.TemporaryDirectory(prefix="winback-bench-") as name, servers(people, "klaviyo", version) as running:
        about = running.about
        command = [sys.executable, str(HERE / "floor.py"), json.dumps(about["store"]), json.dumps(about["crm"])]
        row.costs.append(measured([*command, f"{name}/floor.db"], Path(name)))
        seen = running.seen()
        check(seen, people)
        row.calls = calls(seen, people)


def run_winback(people: int, crm: str, version: str, first: Measure, second: Measure | None) -> None:
    with tempfile.TemporaryDirectory(prefix="winback-bench-") as name, servers(people, crm, version) as running:
        folder = Path(name)
        config = configuration(running.about, folder)
        command = [sys.executable, "-m", "connector", "sync", "-c", str(config)]
        first.costs.append(measured(command, folder))
        seen = running.seen()
        check(seen, people)
        first.calls = calls(seen, people)
        if second is None:
            return
        second.costs.append(measured(command, folder))
        again = running.seen()
        check(again, people)
        store, crm_calls = (sum(again[key].values()) - sum(seen[key].values()) for key in ("store_calls", "crm_calls"))
        second.calls = f"{store} to the store, {crm_calls} to the CRM"


def spread(values: list[float], digits: int) -> str:
    """Least, median and most."""
    return " / ".join(f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))


def table(rows: list[Measure]) -> Iterator[str]:
    """The rows as a table in Markdown."""
    yield "| row | runs | CPU s (min / median / max) | peak MB (min / median / max) | wall s (min) | HTTP requests |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        if row.costs:
            cpu, memory = spread([cost.cpu for cost in row.costs], 2), spread([cost.memory for cost in row.costs], 1)
            wall = min(cost.wall for cost in row.costs)
            yield f"| {row.name} | {len(row.costs)} | {cpu} | {memory} | {wall:.1f} | {row.calls} |"


def main() -> None:
    options = argparse.ArgumentParser(description="Measures the main job; see README.md beside this file.")
    options.add_argument("--people", type=int, default=8000, help="people; a quarter more checkouts (default 8000)")
    options.add_argument("--runs", type=int, default=3, help="of each row of the comparison (default 3)")
    options.add_argument("--store-version", default="10.8.0", help="of the sandbox WooCommerce (default 10.8.0)")
    options.add_argument(
        "--others", nargs="*", default=["activecampaign", "mailchimp"], help="CRMs that take one person at a time"
    )
    options.add_argument("--other-people", type=int, default=1000, help="people in those rows (default 1000)")
    asked = options.parse_args()
    people, version = asked.people, asked.store_version
    floor, ours = Measure("floor: aiohttp + SQLite", []), Measure("winback, klaviyo", [])
    again = Measure("winback, second sync: nothing new", [])
    rows = [floor, ours, again]
    run_floor(4, version, Measure("", []))  # what these leave behind is compiled code
    run_winback(4, "klaviyo", version, Measure("", []), None)
    for _ in range(asked.runs):  # in turn, so that a busy moment of the machine hits both
        run_floor(people, version, floor)
        run_winback(people, "klaviyo", version, ours, again)
    for crm in asked.others:
        rows.append(Measure(f"winback, {crm}, {asked.other_people} people", []))
        run_winback(asked.other_people, crm, version, rows[-1], None)
    machine = f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
    print(f"{people} people, {people + people // 4} checkouts; {machine}")
    print("\n".join(table(rows)))
    ratio = statistics.median(cost.cpu for cost in ours.costs) / statistics.median(cost.cpu for cost in floor.costs)
    print(f"winback / floor: {ratio:.2f} times the CPU")


if __name__ == "__main__":
    main()
