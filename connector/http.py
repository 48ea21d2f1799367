"""The HTTP door: the only way out to stores and CRMs.

One TLS context and one connection pool for the whole process (the stock vendor clients build both anew for every
request, at ten times the CPU), time-outs, immediate retries of what may be repeated, Retry-After, limits per account,
and redaction of whatever ends in an error message. Redirects are never followed: a request carries credentials.
"""

from __future__ import annotations

import json as json_module
import random
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
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as UrllibTimeout

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.redact import redact

Query = Mapping[str, str] | Sequence[tuple[str, str]]

MAX_BODY = 64 * 1024 * 1024  # bytes; no page of any vendor comes near
TRIES = 3
LONGEST_IMMEDIATE_WAIT = 5.0  # seconds; a longer Retry-After goes back to the queue
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
UNWELL = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


@dataclass(frozen=True)
class Rate:
    """What one account allows: requests per second on average, at once in a burst, and connections in parallel."""

    per_second: float | None = None
    burst: int = 1
    connections: int = 4


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, between two reads, and for the whole exchange."""

    connect: float = 10.0
    read: float = 60.0
    total: float = 150.0


@dataclass(frozen=True)
class Response:
    """An answer. Its `repr` shows no header and no body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(default="", repr=False)

    @property
    def date(self) -> datetime | None:
        """The server's clock (`Date`), to the second, or None where it sent none that can be read."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).astimezone(UTC)
        except (ValueError, TypeError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks us to wait; it may say so as a number or as a date."""
        value = self.headers.get("retry-after", "").strip()
        if not value:
            return None
        try:
            return max(0.0, min(float(value), 86400.0))
        except ValueError:
            pass
        try:
            until = parsedate_to_datetime(value).astimezone(UTC)
        except (ValueError, TypeError):
            return None
        return max(0.0, (until - (self.date or datetime.now(UTC))).total_seconds())

    def json(self) -> Any:
        """The body as JSON. Raises TransientError: a truncated or foreign answer is worth another try."""
        try:
            return json_module.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise TransientError(f"the answer (HTTP {self.status}) is not JSON: {error}") from None


class Bucket:
    """A token bucket with a place for each connection. One for each account, shared by every client that uses it."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._tokens, self._at = float(rate.burst), clock()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(max(1, rate.connections))

    def take(self) -> None:
        """Waits for a connection and for the next token."""
        self._places.acquire()
        if self._rate.per_second is None:
            return
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self._rate.burst), self._tokens + (now - self._at) * self._rate.per_second) - 1
            self._at = now
            wait = -self._tokens / self._rate.per_second
        if wait > 0:
            time.sleep(wait)

    def give_back(self) -> None:
        """Frees the connection."""
        self._places.release()


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
        """A door to one account. `name` is what messages call it; `account` is what limits are counted by."""
        with self._lock:
            bucket = self._buckets.setdefault(account or base_url, Bucket(rate))
        return Door(self, base_url.rstrip("/"), name, bucket, dict(headers or {}), tuple(secrets))

    def close(self) -> None:
        """Closes all idle connections."""
        self._pool.clear()

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """One request, one answer, no retry. Raises what urllib3 raises."""
        limits = self.timeouts
        deadline = time.monotonic() + limits.total
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
            # read1 answers with what has arrived, so that a server that drips cannot hold us past the deadline.
            while chunk := raw.read1(262144):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BODY:
                    raise HTTPError(f"the answer is larger than {MAX_BODY} bytes")
                if time.monotonic() > deadline:
                    raise UrllibTimeout(f"the answer took longer than {limits.total:g} s")
        except BaseException:
            raw.close()
            raise
        raw.release_conn()
        folded = {key.lower(): value for key, value in raw.headers.items()}
        return Response(raw.status, folded, b"".join(chunks), url)


class Door:
    """Requests to one account. Adapters get one and never import an HTTP library."""

    def __init__(
        self, http: Http, base_url: str, name: str, bucket: Bucket, headers: dict[str, str], secrets: tuple[str, ...]
    ) -> None:
        self.base_url = base_url
        self.name = name
        self._http, self._bucket, self._headers, self._secrets = http, bucket, headers, secrets

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
    ) -> Response:
        """Sends a request to `base_url + path` and returns a 2xx answer, or one whose status is in `allow`.

        `repeatable` says whether it may be sent again at once when its answer was lost (default: by method).
        Raises ConfigError for 401, 403 and redirects, TransientError for 429, 5xx and network trouble, RejectedError
        for any other status.
        """
        url = self.base_url + path
        if query:
            url += ("&" if "?" in url else "?") + urlencode(
                list(query.items() if isinstance(query, Mapping) else query)
            )
        sent = dict(self._headers)
        body: bytes | None = None
        if json is not None:
            body = json_module.dumps(json, separators=(",", ":"), ensure_ascii=False).encode()
            sent.setdefault("content-type", "application/json")
        elif form is not None:
            body = _encode(form).encode()
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        sent.setdefault("accept", "application/json")
        sent.update(headers or {})
        return self.send(method, url, headers=sent, body=body, allow=allow, repeatable=repeatable)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        allow: Collection[int] = (),
        repeatable: bool | None = None,
    ) -> Response:
        """Like `request`, for a request that a vendor's package built. It must stay on this door's own origin."""
        if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
            raise ConfigError(f"{self.name}: a request to another host than the configured one was refused")
        may_repeat = method in REPEATABLE if repeatable is None else repeatable
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(_AtOnceError),
            reraise=True,
        ):
            with attempt:
                return self._once(method, url, headers, body, allow, may_repeat)
        raise AssertionError("unreachable")

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, allow: Collection[int], again: bool
    ) -> Response:
        self._bucket.take()
        started, status = time.monotonic(), 0
        try:
            response = self._http.exchange(method, url, headers, body)
            status = response.status
        except (HTTPError, OSError, ssl.SSLError) as error:
            raise self._network_error(error, again) from None
        finally:
            self._bucket.give_back()
            for observe in self._http.observers:
                observe(self.name, method, status, time.monotonic() - started)
        if 200 <= status < 300 or status in allow:
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
        words = self.redact(detail if detail is not None else _detail(response))
        message = f"{self.name} answered HTTP {status}" + (f": {words}" if words else "")
        if status in UNWELL or status >= 500:
            return TransientError(message, response.retry_after)
        if status in (401, 403):
            return ConfigError(f"{message}. Check the key and what it may do")
        if 300 <= status < 400:
            target = urlsplit(response.headers.get("location", ""))
            where = f"{target.scheme}://{target.netloc}" if target.netloc else "another page"
            return ConfigError(f"{self.name} redirects to {where}. Put the final address into the configuration")
        return RejectedError(message)

    def redact(self, text: str) -> str:
        """`text` without addresses and without this account's secrets."""
        return redact(text, self._secrets)

    def _network_error(self, error: Exception, again: bool) -> WinbackError:
        cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        if isinstance(cause, (SSLError, ssl.SSLError)):
            return TransientError(f"{self.name}: the TLS connection failed: {self.redact(_words(cause))}")
        if isinstance(cause, NameResolutionError):
            return TransientError(f"{self.name}: the host name {urlsplit(self.base_url).hostname} cannot be found")
        never_sent = isinstance(cause, (NewConnectionError, ConnectTimeoutError))
        words = "no connection" if never_sent else "the answer was lost"
        message = f"{self.name}: {words}: {self.redact(_words(cause))}"
        return _AtOnceError(message) if never_sent or again else TransientError(message)


class _AtOnceError(TransientError):
    """A TransientError that may be retried before it is reported."""


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, _AtOnceError) else None
    return asked if asked is not None else float(0.2 * 2**state.attempt_number * random.uniform(0.5, 1))


def _encode(pairs: Query) -> str:
    return urlencode(list(pairs.items()) if isinstance(pairs, Mapping) else list(pairs))


def _words(error: BaseException) -> str:
    text = str(error).replace("\n", " ")
    return text.split(": ", 1)[-1][:200] or type(error).__name__


def _detail(response: Response) -> str:
    """The sentence in an error body, whichever of the common shapes it has."""
    text = response.body[:4000].decode("utf-8", "replace")
    try:
        data = json_module.loads(text)
    except ValueError:
        return "" if "<" in text[:200] else text[:200].strip()
    found = _sentence(data)
    return found[:300]


def _sentence(data: Any) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return _sentence(data[0]) if data else ""
    if isinstance(data, dict):
        for key in ("detail", "message", "error_description", "title", "error", "errors"):
            if data.get(key):
                return _sentence(data[key])
    return ""
