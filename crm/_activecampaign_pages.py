"""Reading ActiveCampaign's lists: 20 records to an answer, unless it is asked for more, which may be 100.

https://developers.activecampaign.com/reference/pagination (read November 2026)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.errors import TransientError
from connector.http import Door

USUAL = 20  # records of a list that nobody asked more of, such as one that comes along with another answer
PAGE = 100  # the most that one answer holds
MOST_PAGES = 100  # of any list: no account has so much, and no answer may keep us busy without an end


def each(door: Door, path: str, key: str, query: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Every record under `key`, page by page. Raises TransientError for a list without an end."""
    seen: set[str] = set()
    for number in range(MOST_PAGES):
        page = rows(door, path, key, {**(query or {}), "limit": str(PAGE), "offset": str(number * PAGE)})
        fresh = [row for row in page if str(row["id"]) not in seen]
        yield from fresh
        seen.update(str(row["id"]) for row in fresh)
        if len(page) < PAGE or not fresh:  # a list that knows no offset comes whole each time
            return
    raise TransientError(f"ActiveCampaign lists more than {len(seen)} {key}, without an end")


def rows(door: Door, path: str, key: str, query: Mapping[str, str] | None = None) -> list[Any]:
    """The records under `key`. Raises TransientError where there are none: absence must not look like emptiness."""
    return related(door, path, query, key)[key]  # type: ignore[no-any-return]


def related(door: Door, path: str, query: Mapping[str, str] | None, *keys: str) -> dict[str, Any]:
    """A whole answer, with lists under all `keys`."""
    answer = door.request("GET", path, query=query or {}).json()
    if not isinstance(answer, dict) or any(not isinstance(answer.get(key), list) for key in keys):
        raise TransientError(f"ActiveCampaign's answer to GET {path} lacks {' or '.join(keys)}")
    return answer


def is_whole(found: Any) -> bool:
    """Whether a list that came along with another answer is certainly all there is: a full one may go on."""
    return isinstance(found, list) and len(found) < USUAL
