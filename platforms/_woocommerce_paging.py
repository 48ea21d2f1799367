"""Reading a list that changes under the reader's hands: by the modified time, never by page number.

Three orders touched while pages were counted off made three orders be missed. So each request asks for what was
modified after the last row's second, less one (`modified_after` is exclusive, to the second).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from connector.errors import ConfigError, TransientError
from connector.model import Finding
from platforms._woocommerce_page_size import Fetch, Pages
from platforms._woocommerce_records import Row, row

PAGE, SMALLEST = 100, 2  # each slice of `_walk` begins with a row that is known
OVERLAP = timedelta(seconds=120)  # behind the cursor: a slow request commits with an older modified time
SECOND = timedelta(seconds=1)
RESTARTS = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that this read has not given yet. `reached` is as far as a later read need not go back (but OVERLAP)."""

    rows: tuple[Row, ...]
    reached: datetime
    date: datetime | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Slice:
    ids: tuple[str, ...]  # of every record, also of those that cannot be read
    rows: tuple[Row, ...]
    date: datetime | None
    findings: tuple[Finding, ...]
    full: bool


def read(fetch: Fetch, reached: datetime, name: str) -> Iterator[Batch]:
    """Everything modified since `reached`, oldest first, from OVERLAP before it. No row is given twice as it is.

    `name` is what messages call the store.
    """
    after = reached.replace(microsecond=0) - OVERLAP - SECOND
    seen: set[tuple[int, datetime, str]] = set()
    pages = Pages(fetch, PAGE, SMALLEST)
    while True:
        part = _slice(pages, {"modified_after": _naive(after), "orderby": "modified"}, name)
        in_order = all(one.modified <= other.modified for one, other in pairwise(part.rows))
        before, reached = reached, _reached(part.rows, part.date, reached)
        yield Batch(_fresh(part.rows, seen), reached if in_order else before, part.date, part.findings)
        if not part.full:
            return
        if not in_order:
            yield from _unordered(pages, after, seen, before, part.date, name)
            return
        last = max((one.modified for one in part.rows), default=after)
        if last <= after:
            raise ConfigError(
                f"{name} does not answer with what changed since a given time. Update WooCommerce: it can from 5.8 on"
            )
        seen = {mark for mark in seen if mark[1] >= last}  # nothing older is asked for any more
        if last - SECOND > after:
            after = last - SECOND
            continue
        # One second holds more than a page, as after a bulk edit.
        window = {"modified_after": _naive(last - SECOND), "modified_before": _naive(last + SECOND)}
        for part in _walk(pages, window, name):
            yield Batch(_fresh(part.rows, seen), reached, part.date, part.findings)
        after = last


def _unordered(
    pages: Pages,
    after: datetime,
    seen: set[tuple[int, datetime, str]],
    reached: datetime,
    date: datetime | None,
    name: str,
) -> Iterator[Batch]:
    """Stores that keep orders as posts sort by local time, which runs twice through one hour in autumn."""
    for part in _walk(pages, {"modified_after": _naive(after)}, name):
        reached = _reached(part.rows, date, reached)
        yield Batch(_fresh(part.rows, seen), after, part.date, part.findings)
    yield Batch((), reached, date, ())


def _walk(pages: Pages, window: Mapping[str, str], name: str) -> Iterator[_Slice]:
    """All rows of a window in the order of their ids, because rows of one second have no order of their own.

    Each slice begins with the last row of the one before. Where it does not, rows have left the window meanwhile and
    others moved up unseen: it is read again from the start.
    """
    for _ in range(RESTARTS):
        offset, last = 0, ""
        while True:
            part = _slice(pages, {**window, "orderby": "id", "offset": str(offset)}, name)
            if last and part.ids[:1] != (last,):
                break
            yield part
            if not part.full:
                return
            offset, last = offset + len(part.ids) - 1, part.ids[-1]
    raise TransientError(f"{name} changes many orders at this moment; they are read a little later")


def _slice(pages: Pages, query: Mapping[str, str], name: str) -> _Slice:
    # Naive UTC with this flag. A `Z` together with the flag shifts the time by the store's own zone, silently.
    answer = pages.ask({**query, "dates_are_gmt": "true", "order": "asc"})
    if not isinstance(answer.data, list):
        raise TransientError(f"{name} answered with something that is not a list of orders")
    ids, rows, findings = [], [], list(answer.findings)
    for record in answer.data:
        ids.append(str(record.get("id", "")) if isinstance(record, dict) else "")
        try:
            rows.append(row(record))
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            findings.append(Finding("An order without a readable number or modified time was left out.", ids[-1]))
    return _Slice(tuple(ids), tuple(rows), answer.date, tuple(findings), len(ids) >= pages.size)


def _fresh(rows: tuple[Row, ...], seen: set[tuple[int, datetime, str]]) -> tuple[Row, ...]:
    fresh = []
    for one in rows:
        mark = (one.id, one.modified, one.status)
        if mark not in seen:
            seen.add(mark)
            fresh.append(one)
    return tuple(fresh)


def _reached(rows: tuple[Row, ...], date: datetime | None, before: datetime) -> datetime:
    """The newest modified time, but no later than the store's clock: an import may have written one from next year."""
    newest = max((one.modified for one in rows), default=before)
    return max(before, min(newest, date) if date else newest)


def _naive(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S")
