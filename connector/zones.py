"""Time zones as stores write them: `Europe/Berlin`, or a bare offset such as `+02:00`."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=256)
def zone_of(text: str) -> tzinfo:
    """The zone of that name, or UTC where nobody here knows it."""
    if offset := re.fullmatch(r"([+-])(\d\d):(\d\d)", text):
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-span if offset[1] == "-" else span) if span < timedelta(hours=24) else UTC
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # "", no such zone, or a machine without the zones' data
        return UTC
