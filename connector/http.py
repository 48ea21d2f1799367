"""The HTTP door: the only way out to stores and CRMs.

One TLS context and one connection pool for the whole process (the stock vendor clients build both anew for every
request, at ten times the CPU), time-outs, immediate retries of what may be repeated, Retry-After, limits per account,
and redaction of whatever ends in an error message. Redirects are never followed: a request carries credentials.
"""

from __future__ import annotations

import http.client
import json as json_module
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import tenacity
import urllib3
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)

from connector import deadline, wire_words
from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.rate import Bucket, Rate
from connector.redact import beginning

__all__ = ["Door", "Http", "Query", "Rate", "Response", "Timeouts", "TooLargeError"]

Query = Mapping[str, str] | Sequence[tuple[str, str]]

# Bytes, unpacked. Read as JSON, these can cost half a gigabyte; an order of 10,000 lines has a third of it.
MAX_BODY = 16 * 1024 * 1024
TRIES = 3
LONGEST_WAIT = 86400.0  # seconds; whatever Retry-After says
LONGEST_SHOWN = 2000  # characters of a refused request, and of its answer, that the owner is shown
LONGEST_SENTENCE = 300  # characters of what a server says of its trouble
READ_OF_BODY = 65536  # bytes in which those are looked for
LONGEST_IMMEDIATE_WAIT = 5.0  # seconds; a longer Retry-After goes back to the queue
USUAL_PORTS = {"http": 80, "https": 443}
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
# How JSON begins (a byte-order mark may come first), or a lone value, or nothing. Possessive: bodies may be huge.
LIKE_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:[\[{]|(?:null|true|false|-?[\d.]++|\"[^\"]*+\")?\s*+\Z)")
UNWELL = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, between two reads, for the whole exchange, and before a retry at once (then twice that)."""

    connect: float = 10.0
    read: float = 60.0
    total: float = 150.0
    again: float = 0.4


@dataclass(frozen=True)
class Response:
    """An answer. Its `repr` shows no header and no body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(default="", repr=False)
    method: str = ""
    sent: bytes = field(default=b"", repr=False)  # the request's body

    @property
    def date(self) -> datetime | None:
        """The server's clock (`Date`), to the second, or None where it sent none that can be read."""
        return _http_date(self.headers.get("date", ""))

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks us to wait; it may say so as a number or as a date."""
        value = self.headers.get("retry-after", "").strip()
        if not value:
            return None
        try:
            seconds = float(value)
        except ValueError:
            until = _http_date(value)
            if until is None:
                return None
            seconds = (until - (self.date or datetime.now(UTC))).total_seconds()
        return max(0.0, min(seconds, LONGEST_WAIT))

    def json(self) -> Any:
        """The body as JSON. Raises TransientError: a truncated or foreign answer is worth another try."""
        try:
            return json_module.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise TransientError(f"the answer (HTTP {self.status}) is not JSON: {error}") from None


class Http:
    """The connection pool of the process, and the buckets of all accounts. Safe to use from many threads."""

    def __init__(self, *, timeouts: Timeouts = Timeouts(), ca_file: str | None = None) -> None:
        from connector import __version__

        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.timeouts = timeouts
        self.observers: list[Callable[[str, str, int, float], None]] = []
        self._user_agent = f"winback/{__version__}"
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()
        self._pool = urllib3.PoolManager(num_pools=256, maxsize=16, ssl_context=context, retries=False)
        deadline.limit(self._pool)

    def door(
        self,
        base_url: str,
        *,
        name: str,
        rate: Rate = Rate(),
        account: str | None = None,
        headers: Mapping[str, str] | None = None,
        secrets: Collection[str] = (),
    ) -> Door:
        """A door to one account. `name` is what messages call it; `account` is what limits are counted by.

        The newest door's rate holds for the whole account, so that a changed configuration takes effect.
        """
        with self._lock:
            bucket = self._buckets.setdefault(account or base_url, Bucket(rate))
        bucket.allow(rate)
        return Door(self, base_url.rstrip("/"), name, bucket, dict(headers or {}), tuple(secrets))

    def close(self) -> None:
        """Closes all idle connections."""
        self._pool.clear()

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """One request, one answer, no retry. Raises what urllib3 raises."""
        limits = self.timeouts
        deadline.begin(limits.total)
        raw = self._pool.urlopen(
            method,
            url,
            body=body,
            headers={"user-agent": self._user_agent, "accept-encoding": "gzip", **headers},
            timeout=urllib3.Timeout(connect=limits.connect, read=limits.read),
            redirect=False,
            preload_content=False,
        )
        try:
            chunks, size = [], 0
            while chunk := raw.read(262144):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BODY:
                    raise _EndlessError
        except BaseException:
            raw.close()
            raise
        raw.release_conn()
        folded = {key.lower(): value for key, value in raw.headers.items()}
        return Response(raw.status, folded, b"".join(chunks), url, method, body or b"")


class Door:
    """Requests to one account. Adapters get one and never import an HTTP library."""

    def __init__(
        self, http: Http, base_url: str, name: str, bucket: Bucket, headers: dict[str, str], secrets: tuple[str, ...]
    ) -> None:
        self.base_url = base_url
        self.name = name
        self._http, self._bucket, self._headers, self._secrets = http, bucket, headers, secrets
        self._origin = _origin(base_url)

    def __repr__(self) -> str:
        return f"Door({self.name})"

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        json: Any = None,
        form: Query | None = None,
        headers: Mapping[str, str] | None = None,
        allow: Collection[int] = (),
        repeatable: bool | None = None,
        pages: bool = False,
    ) -> Response:
        """Sends a request to `base_url + path` and returns a 2xx answer, or one whose status is in `allow`.

        `repeatable` says whether it may be sent again at once when its answer was lost (default: by method).
        Raises ConfigError for 401, 402, 403 and redirects, TransientError for 429, 5xx and network trouble,
        RejectedError for any other status. Success and absence (2xx, 404) that are told in a web page are no word of
        the API's: TransientError too, unless the caller reads such `pages` itself.
        """
        url = self.base_url + path
        if query:
            url += ("&" if "?" in url else "?") + _encode(query)
        sent = _folded(self._headers)
        body: bytes | None = None
        if json is not None:
            # A shop's JSON can hold half a character (a lone surrogate), which no UTF-8 can.
            body = json_module.dumps(json, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
            sent.setdefault("content-type", "application/json")
        elif form is not None:
            body = _encode(form).encode()
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        sent.setdefault("accept", "application/json")
        sent.update(_folded(headers or {}))
        return self.send(method, url, headers=sent, body=body, allow=allow, repeatable=repeatable, pages=pages)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        allow: Collection[int] = (),
        repeatable: bool | None = None,
        pages: bool = False,
    ) -> Response:
        """Like `request`, for a request that a vendor's package built. It must stay on this door's own origin."""
        here = self._origin is not None and _origin(url) == self._origin
        if not here and not url.startswith(f"{self.base_url}/"):
            raise ConfigError(f"{self.name}: a request to another host than the configured one was refused")
        if not all(_sendable(part) for pair in headers.items() for part in pair):
            raise ConfigError(f"{self.name}: a key holds a line break or another odd character. Copy it anew")
        may_repeat = method in REPEATABLE if repeatable is None else repeatable
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES),
            wait=self._wait,
            retry=tenacity.retry_if_exception_type(_AtOnceError),
            reraise=True,
        ):
            with attempt:
                answer = self._once(method, url, _folded(headers), body, may_repeat)
                return self._judged(answer, allow, may_repeat, pages)
        raise AssertionError("unreachable")

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, again: bool) -> Response:
        self._bucket.take()
        started, status = time.monotonic(), 0
        try:
            response = self._http.exchange(method, url, headers, body)
            status = response.status
            return response
        except (HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            raise self._network_error(error, again) from None
        finally:
            self._bucket.give_back()
            for observe in self._http.observers:
                observe(self.name, method, status, time.monotonic() - started)

    def _judged(self, response: Response, allow: Collection[int], again: bool, pages: bool) -> Response:
        status = response.status
        good = 200 <= status < 300
        if (good or status == 404) and not pages and not LIKE_JSON.match(response.body):
            # Of a proxy, a challenge or a shop under repair: nothing was done, and nothing is known to be absent.
            raise TransientError(f"{self.name} answered HTTP {status} with a web page or other text, which is not JSON")
        if good or status in allow:
            return response
        problem = self.error(response)
        if isinstance(problem, TransientError):
            wait = response.retry_after
            refused_unread = status in (429, 503)  # the server says that it did not take the request
            if (again and wait is None) or (
                (again or refused_unread) and wait is not None and wait <= LONGEST_IMMEDIATE_WAIT
            ):
                raise _AtOnceError(str(problem), wait)
        raise problem

    def error(self, response: Response, detail: str | None = None) -> WinbackError:
        """The error that an answer means by its status, for adapters that allowed a status and then want it raised."""
        status = response.status
        words = self.redact(detail if detail is not None else wire_words.detail(response.body))
        message = f"{self.name} answered HTTP {status}" + (f": {words}" if words else "")
        if status in UNWELL or status >= 500 or status < 200:
            return TransientError(message, response.retry_after)
        if status in (401, 403):
            return ConfigError(f"{message.rstrip('.')}. Check the key and what it may do")
        if status == 402:
            return ConfigError(f"{message.rstrip('.')}. Look into the account's plan and its bills")
        if 300 <= status < 400:
            where = _origin(response.headers.get("location", "")) or "another page"
            return ConfigError(f"{self.name} redirects to {where}. Put the final address into the configuration")
        return self.refusal(response, message)

    def refusal(self, response: Response, message: str) -> RejectedError:
        """What says no to one lead, in an adapter's own words, with what was sent and answered."""
        path = self.redact(response.url.removeprefix(self._origin or ""), LONGEST_SHOWN)
        bodies = (body[:READ_OF_BODY].decode("utf-8", "replace") for body in (response.sent, response.body))
        sent, answered = (self.redact(body, LONGEST_SHOWN) for body in bodies)
        return RejectedError(message, f"{response.method} {path}\n{sent}\n\nHTTP {response.status}\n{answered}")

    def redact(self, text: str, longest: int = LONGEST_SENTENCE) -> str:
        """The beginning of `text` without what points to a shopper, and without this account's secrets."""
        return beginning(text, longest, self._secrets)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, _AtOnceError) else None
        pause: float = self._http.timeouts.again * 2 ** (state.attempt_number - 1) * random.uniform(0.5, 1)
        return asked if asked is not None else pause

    def _network_error(self, error: Exception, again: bool) -> WinbackError:
        host = urlsplit(self.base_url).hostname
        if isinstance(error, (LocationValueError, UnicodeError, http.client.InvalidURL)):
            return ConfigError(f"{self.name}: {host} is not an address that can be asked. Correct it")
        if isinstance(error, (SSLError, ssl.SSLError)):
            why = self.redact(wire_words.tls_words(error, host))
            return TransientError(f"{self.name}: the TLS connection failed: {why}")
        if isinstance(error, _EndlessError):
            return TooLargeError(f"{self.name}: the answer is larger than {MAX_BODY // 1024**2} MiB")
        if isinstance(error, NameResolutionError):
            return TransientError(f"{self.name}: the host name {host} cannot be found")
        never_sent = isinstance(error, (NewConnectionError, ConnectTimeoutError, ClosedPoolError))
        words = "no connection" if never_sent else "the answer was lost"
        message = f"{self.name}: {words}: {self.redact(wire_words.words(error))}"
        return _AtOnceError(message) if never_sent or again else TransientError(message)


class TooLargeError(TransientError):
    """More was answered than is read at once: a list is asked for in smaller pages."""


class _EndlessError(HTTPError):
    """A body that went on after MAX_BODY."""


class _AtOnceError(TransientError):
    """A TransientError that may be retried before it is reported."""


def _encode(pairs: Query) -> str:
    return urlencode(list(pairs.items() if isinstance(pairs, Mapping) else pairs), errors="replace")


def _folded(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


def _sendable(text: str) -> bool:
    return all(" " <= letter <= "\xff" and letter != "\x7f" for letter in text)


def _origin(url: str) -> str | None:
    """Scheme, host and any unusual port, or None. Read by the parser that connects: two could be told two hosts."""
    try:
        parts = urllib3.util.parse_url(url)
    except LocationValueError:
        return None
    if not parts.host or parts.auth:
        return None
    unusual = parts.port is not None and parts.port != USUAL_PORTS.get(parts.scheme or "")
    return f"{parts.scheme}://{parts.host}" + (f":{parts.port}" if unusual else "")


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
