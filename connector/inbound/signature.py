"""`Winback-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 over `t`, a dot and the body, with the site's own clock as `t`."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

HEADER = "winback-signature"
WINDOW = timedelta(minutes=5)
_TIME = re.compile(r"\d{9,11}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def sign(key: bytes, body: bytes, at: datetime) -> str:
    """The header's value for a body that is sent at `at`."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_digest(key, str(seconds), body)}"


def signed_at(header: str, body: bytes, keys: Iterable[bytes], now: datetime) -> datetime | None:
    """When the site sent this by its own clock, or None where the signature, or its time, is not right.

    Every key is tried to the end, whatever fits, so that the time it takes tells nothing.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t" and _TIME.fullmatch(value)]
    given = [value for name, _, value in parts if name == "v1" and _DIGEST.fullmatch(value)][:4]
    if len(times) != 1:
        return None
    wanted = [_digest(key, times[0], body) for key in keys]
    fits = [hmac.compare_digest(one, other) for one in given for other in wanted]
    at = datetime.fromtimestamp(int(times[0]), UTC)
    return at if any(fits) and abs(at - now) <= WINDOW else None


def _digest(key: bytes, seconds: str, body: bytes) -> str:
    return hmac.new(key, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
