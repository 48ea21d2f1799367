"""Sends a pretend store's webhooks: real requests over loopback, from a thread of its own, with trouble on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT = 5.0  # seconds that both platforms wait for an answer


def sign(secret: str, body: bytes) -> str:
    """Base64 of HMAC-SHA256."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass(frozen=True)
class Parcel:
    """A webhook to be sent. Its body is made at that moment; `done` is told the status, 0 for no answer."""

    url: str
    headers: Mapping[str, str]
    body: Callable[[], bytes]
    secret: str = ""  # "" sends it unsigned
    signed_in: str = ""  # the header that takes the signature
    done: Callable[[int], None] = lambda _: None


@dataclass(frozen=True)
class Sent:
    """A webhook that was sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int


class Courier:
    """Delivers parcels in turn. `copies` sends each so many times, `forged` signs with a wrong secret.

    Only addresses on this machine are delivered to: a sandbox talks to nobody else.
    """

    def __init__(self) -> None:
        self.copies, self.forged = 1, False
        self.journal: list[Sent] = []
        self._queue: queue.Queue[Parcel] = queue.Queue()
        self._held: list[Parcel] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def post(self, parcel: Parcel) -> None:
        """Takes a parcel; returns at once."""
        with self._lock:
            if self._held is not None:
                self._held.append(parcel)
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="courier", daemon=True)
                self._thread.start()
        for _ in range(self.copies):
            self._queue.put(parcel)

    def hold(self) -> None:
        """Keeps what comes from now on back."""
        self._held = []

    def release(self) -> None:
        """Sends what was kept back, the newest first."""
        held, self._held = self._held or [], None
        for parcel in reversed(held):
            self.post(parcel)

    def wait(self) -> None:
        """Until everything that was posted is delivered."""
        self._queue.join()

    def _work(self) -> None:
        while True:
            parcel = self._queue.get()
            try:
                self._deliver(parcel)
            finally:
                self._queue.task_done()

    def _deliver(self, parcel: Parcel) -> None:
        parts = urlsplit(parcel.url)
        if parts.scheme != "http" or parts.hostname != "127.0.0.1":
            return
        body, headers = parcel.body(), dict(parcel.headers)
        if parcel.signed_in:
            headers[parcel.signed_in] = sign("not the secret" if self.forged else parcel.secret, body)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
        try:
            connection.request("POST", parts.path, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        self.journal.append(Sent(parcel.url, headers, body, status))
        parcel.done(status)
