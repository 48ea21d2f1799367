"""Tries every cell and writes the table into docs/reliability.md: what `make reliability` runs.

A result is kept in .reliability.jsonl until the table is whole, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from faults import TROUBLES
from life import COUPONS, CRMS, STORES
from matrix import ACCOUNTS, SIGNS, rows_of, try_cell
from outages import CLOCKS, DATABASE, WAYS, try_clock, try_database, try_way

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / ".reliability.jsonl"
BEGIN, END = "<!-- fault matrix: begin (make reliability) -->", "<!-- fault matrix: end -->"
PLACES = ("DATABASE", *ACCOUNTS)
DATABASE_CRM = "ActiveCampaign"
NEVER = {(account, which) for account in (*CRMS, "DATABASE") for which in CLOCKS}
NOT_TRIED = "?"

Job = tuple[str, str, str]  # account, call ("" for all of it), trouble


def jobs() -> Iterator[Job]:
    """Every cell of every table."""
    for account in ACCOUNTS:
        for call in rows_of(account):
            yield from ((account, call, trouble.name) for trouble in TROUBLES)
        if account not in COUPONS:
            yield from ((account, "", way) for way in (*WAYS, *(CLOCKS if account in STORES else ())))
    yield from (("DATABASE", "", what) for what in DATABASE)


def run(job: Job) -> tuple[Job, str, tuple[str, ...]]:
    """One cell: its sign, and what is wrong."""
    logging.getLogger().addHandler(logging.NullHandler())
    account, call, name = job
    trouble = next((each for each in TROUBLES if each.name == name), None)
    if trouble:
        cell = try_cell(account, trouble, call, lasting=trouble.lasts)
    elif name in DATABASE:
        cell = try_database(DATABASE_CRM, name)
    elif name in WAYS:
        cell = try_way(account, name)
    else:
        cell = try_clock(account, name)
    return job, cell.sign, cell.wrong


def known() -> dict[Job, str]:
    """The cells that a stopped run has tried already; red ones are tried again."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    found = {tuple(job): sign for job, sign in map(json.loads, lines)}
    return {job: sign for job, sign in found.items() if sign != "✗"}


def main() -> int:
    """Tries what was not tried yet, and writes the page. 1 where a cell is red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write-only", action="store_true", help="write the page from what was tried so far")
    signs = known()
    if not parser.parse_args().write_only:
        left = [job for job in jobs() if job not in signs]
        with multiprocessing.Pool(os.cpu_count()) as pool, RESULTS.open("a") as file:
            for number, (job, sign, wrong) in enumerate(pool.imap_unordered(run, left), 1):
                signs[job] = sign
                file.write(json.dumps([job, sign]) + "\n")
                file.flush()
                print(f"{number}/{len(left)} {sign} {' | '.join(filter(None, job))}", *wrong, sep="\n    ", flush=True)
        if not any(sign == "✗" for sign in signs.values()):
            RESULTS.unlink()
    write(signs)
    return int("✗" in signs.values())


def write(signs: dict[Job, str]) -> None:
    """Puts the tables between the marks of the page, which keeps everything else."""
    old = PAGE.read_text() if PAGE.exists() else f"# Reliability\n\n{BEGIN}\n{END}\n"
    if BEGIN not in old:
        old += f"\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{render(signs)}\n{END}{rest.partition(END)[2]}")


def render(signs: dict[Job, str]) -> str:
    """The text of the chapter."""
    wanted = list(jobs())
    tried = sum(job in signs for job in wanted)
    text = [INTRODUCTION.format(cells=len(wanted), tried=tried)]
    text += [f"- `{sign}` {meaning}." for sign, meaning in SIGNS.items()]
    text += ["- `–` makes no sense: only a store's clock counts.", f"- `{NOT_TRIED}` was not tried.", ""]
    for account in ACCOUNTS:
        if calls := rows_of(account):
            text += [f"### {account}", "", *_calls(account, calls, signs), ""]
    text += ["### All of it", "", *_places(signs), ""]
    return "\n".join(text)


def _calls(account: str, calls: tuple[str, ...], signs: dict[Job, str]) -> Iterator[str]:
    yield "| call | " + " | ".join(trouble.name for trouble in TROUBLES) + " |"
    yield "|---|" + ":-:|" * len(TROUBLES)
    for call in calls:
        cells = (signs.get((account, call, trouble.name), NOT_TRIED) for trouble in TROUBLES)
        yield f"| `{call}` | " + " | ".join(cells) + " |"


def _places(signs: dict[Job, str]) -> Iterator[str]:
    yield "| account | " + " | ".join((*WAYS, *CLOCKS)) + " |"
    yield "|---|" + ":-:|" * (len(WAYS) + len(CLOCKS))
    for account in (*STORES, *CRMS):
        cells = (
            "–" if (account, each) in NEVER else signs.get((account, "", each), NOT_TRIED) for each in (*WAYS, *CLOCKS)
        )
        yield f"| {account} | " + " | ".join(cells) + " |"
    yield ""
    yield "| the daemon's own database (SQLite) | |"
    yield "|---|:-:|"
    for what in DATABASE:
        yield f"| {what} | {signs.get(('DATABASE', '', what), NOT_TRIED)} |"


INTRODUCTION = """## The fault matrix

Every call that the daemon makes, with every fault. The calls are found by watching a healthy life: first poll, check,
enrolment, refresh, purchase, a second trigger after seven days, erasure, expiry. Each cell is such a life, by the real
engine over real sockets against the sandboxes, with that fault at that call once in each phase, or for two simulated
hours of each. In every cell:

- nothing is lost: the lead table, and every contact's status, tags and fields end as in the life without a fault;
- every due shopper is enrolled exactly once, with at most one repeat for each lost answer where the CRM declares it;
- nobody is enrolled after a purchase that the store showed;
- what needs the owner (401, a redirect) pauses the account, with an alert that says what to do, and it goes on by
  itself; all else waits, and the log says that Winback tries again;
- no line shows a traceback, a secret or a full address.

{tried} of {cells} cells were tried. `make reliability` tries them all and writes this chapter (half an hour on two
cores); `make test` tries every call with one fault of each class; with `LONG_TESTS=1` it tries all of them.
"""

if __name__ == "__main__":
    sys.exit(main())
