"""The ground that every sandbox stands on: a real HTTP server on loopback with a clock, a journal and faults.

Sandbox stores and CRMs ship with the product. `winback demo` runs the daemon against them, and so do the tests.
A sandbox is a function from Request to Reply; what the vendor's API does is its own affair.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from connector.model import ConsentState

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The machine's clock, as aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Request:
    """What a client sent. Header names are lower case; `path` is decoded and without the query."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    target: str = ""  # as it was sent, for signatures

    def json(self) -> Any:
        """The body as JSON, or None for an empty one. Raises ValueError."""
        return json.loads(self.body) if self.body else None

    def param(self, name: str, default: str = "") -> str:
        """The last value of a query parameter, as PHP takes it."""
        return dict(self.query).get(name, default)


@dataclass(frozen=True)
class Reply:
    """What the sandbox answers. `body` may be anything that JSON can hold, bytes, or None."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """The bytes on the wire."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Fault:
    """Trouble for one request: a reply of its own, or a lost answer, before or after the effect."""

    reply: Reply | None = None
    after_effect: bool = False
    reset: bool = False  # closes the connection in place of an answer
    delay: float = 0.0  # seconds before anything else happens, or between the effect and the answer
    truncate: int | None = None  # sends only so many bytes of the body
    drip: float = 0.0  # seconds between two bytes of the body


@dataclass(frozen=True)
class Exchange:
    """One entry of the journal. `status` 0 means that the client got no answer."""

    at: datetime
    request: Request
    status: int
    reply: Reply | None


class Server:
    """A running sandbox. `fault` may be set at any time; `journal` holds every exchange, oldest first."""

    def __init__(
        self, handler: Callable[[Request], Reply], *, clock: Clock = utc_now, port: int = 0, keep_journal: bool = True
    ) -> None:
        self.handler, self.clock = handler, clock
        self.journal: list[Exchange] = []
        self.fault: Callable[[Request], Fault | None] | None = None
        self._keep = keep_journal
        self._http = _QuietServer(("127.0.0.1", port), _handler_for(self))
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening and closes every connection."""
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, request: Request) -> tuple[Reply | None, Fault | None]:
        """The reply to send, and the trouble to send it with. No reply means that the connection is reset."""
        fault = self.fault(request) if self.fault else None
        if fault and fault.delay and not fault.after_effect:
            time.sleep(fault.delay)
        reply: Reply | None
        if fault and not fault.after_effect and (fault.reply or fault.reset):
            reply = fault.reply
        else:
            reply = self._handle(request)
            if fault and fault.after_effect:
                time.sleep(fault.delay)
                reply = fault.reply
        if self._keep:
            self.journal.append(Exchange(self.clock(), request, reply.status if reply else 0, reply))
        return reply, fault

    def _handle(self, request: Request) -> Reply:
        try:
            return self.handler(request)
        except Exception as error:  # a sandbox that breaks must say so loudly, in the answer too
            return Reply(500, {"sandbox_error": f"{type(error).__name__}: {error}"})


@dataclass(frozen=True)
class Effect:
    """Something that a shopper would notice, or that would stop them from noticing more.

    `what` is "enrolled" (a campaign, flow or native-cart e-mail really started for them), "refreshed" or "withdrawn".
    """

    at: datetime
    email: str
    what: str
    detail: str = ""


class StoreSandbox(Protocol):
    """A pretend store with shoppers to order about. Ids are the store's own."""

    server: Server

    def options(self) -> dict[str, Any]:
        """The keys of a store in a client's file, but for `id`, that reach this sandbox."""
        ...

    def abandon(self, email: str, *, consent: ConsentState = ..., title: str = ..., quantity: int = ...) -> str:
        """A shopper fills a checkout, leaves, and its id is returned."""
        ...

    def touch(self, checkout_id: str, *, email: str | None = None, quantity: int | None = None) -> None:
        """The shopper is back at that checkout: other quantity, corrected address, or just a look."""
        ...

    def buy(self, *, checkout_id: str | None = None, email: str | None = None) -> str:
        """The shopper completes that checkout, or buys afresh under that address; the order's id is returned."""
        ...

    def cancel(self, order_id: str) -> None:
        """The shop cancels an order."""
        ...


class MadeCoupons(Protocol):
    """The coupons of a pretend store."""

    made_ever: list[Any]


class CouponStoreSandbox(StoreSandbox, Protocol):
    """A pretend store of a platform with Cap.COUPONS."""

    @property
    def coupons(self) -> MadeCoupons:
        """What was made there."""
        ...

    def allow_coupons(self) -> None:
        """The owner gives Winback the right to make them."""
        ...

    def open_link(self, url: str) -> str:
        """The code that is applied for a shopper who follows this link in a fresh browser, or ""."""
        ...

    def buy(self, *, checkout_id: str | None = None, email: str | None = None, coupon: str = "") -> str:
        """Likewise, with a coupon. Raises ValueError for one that the store does not take now."""
        ...


class CrmSandbox(Protocol):
    """A pretend CRM account. `effects` is what a shopper would have noticed, in order."""

    server: Server
    effects: list[Effect]

    def options(self) -> dict[str, Any]:
        """The keys of a CRM in a client's file, but for `id`, that reach this sandbox (with a campaign that exists)."""
        ...

    def unsubscribe(self, email: str) -> None:
        """The contact unsubscribes from marketing."""
        ...

    def status(self, email: str) -> str:
        """The contact's marketing status in the CRM's own word, "" where there is no such contact."""
        ...

    def fields(self, email: str) -> dict[str, str]:
        """The contact's custom fields by the names used in the configuration."""
        ...

    def tags(self, email: str) -> set[str]:
        """The tags that the contact carries now (list names or properties where the CRM has no tags)."""
        ...


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._connections):  # else a client that keeps its connection is answered for ever
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


def _handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            request = Request(
                self.command,
                unquote(parts.path),
                tuple(parse_qsl(parts.query, keep_blank_values=True)),
                {key.lower(): value for key, value in self.headers.items()},
                self.rfile.read(length) if length else b"",
                self.path,
            )
            reply, fault = server.answer(request)
            if reply is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(reply, fault)

        def _send(self, reply: Reply, fault: Fault | None) -> None:
            payload = reply.payload()
            headers = {"Content-Type": "application/json", **reply.headers}
            headers.setdefault("Date", format_datetime(server.clock(), usegmt=True))
            self.send_response_only(reply.status)
            for key, value in headers.items():
                self.send_header(key, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            if self.command == "HEAD" or reply.status == 204:
                return
            if fault and fault.truncate is not None:
                self.wfile.write(payload[: fault.truncate])
                self.close_connection = True
            elif fault and fault.drip:
                for byte in payload:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(fault.drip)
            else:
                self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """The journal is the log."""

    return Handler
