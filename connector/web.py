"""The daemon's small web server: its health, its numbers and the short links.

Whatever shows something about shoppers wants the password; without one the server answers this machine only.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.errors import ConfigError
from connector.options import is_loopback
from connector.web_crowd import PatientProtocol, Room

HEALTH = "/healthz"
NO_STORE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


@dataclass(frozen=True)
class Loop:
    """One of the daemon's loops: seconds since it last ran, and how many of them are still well."""

    seconds: float
    limit: float

    @property
    def late(self) -> bool:
        """Whether it is stuck, or has died."""
        return self.seconds > self.limit


@dataclass(frozen=True, repr=False)
class State:
    """What the server asks the daemon for. All of it may be called from any thread, and may use the database.

    `resolve` turns a short link's token into its URL, and counts the click; `front` is where an unknown one leads.
    `login` is the username and the password, "" for none, as they are at that moment. `routes` want them too; `signed`
    do not: they check a signature of their own.
    """

    health: Callable[[], Mapping[str, Loop]]
    registry: CollectorRegistry
    resolve: Callable[[str], str | None] = lambda _: None
    front: Callable[[], str | None] = lambda: None
    login: Callable[[], tuple[str, str]] = lambda: ("", "")
    routes: Sequence[BaseRoute] = ()
    signed: Sequence[Route] = ()


def create_app(state: State) -> Starlette:
    """The application. Everything but health, short links and signed routes wants the password.

    Without one, it wants to be called by a name of this machine: a web page that gave its own host name our address, or
    a proxy that passes on too much, gets nothing.
    """
    unguarded = [Route(HEALTH, _health(state)), Route("/r/{token}", _short_link(state)), *state.signed]
    routes = [*unguarded, Route("/metrics", _metrics(state)), *state.routes]
    guards = [Middleware(Room, always=HEALTH), Middleware(_Guard, refuse=partial(_refuse, state), unguarded=unguarded)]
    return Starlette(routes=routes, middleware=guards)


def _health(state: State) -> Callable[[Request], Any]:
    async def health(_: Request) -> Response:
        loops = await run_in_threadpool(state.health)
        late = sorted(name for name, loop in loops.items() if loop.late)
        ages = {name: round(loop.seconds, 1) for name, loop in loops.items()}
        well = bool(loops) and not late
        body = {"status": "ok" if well else "late", "late": late, "seconds_since": ages}
        return JSONResponse(body, 200 if well else 503, NO_STORE)

    return health


def _metrics(state: State) -> Callable[[Request], Any]:
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(
            await run_in_threadpool(encode, state.registry), headers={"content-type": content_type, **NO_STORE}
        )

    return metrics


def _short_link(state: State) -> Callable[[Request], Any]:
    async def short_link(request: Request) -> Response:
        target = await run_in_threadpool(state.resolve, request.path_params["token"])
        if not _is_web(target):
            target = await run_in_threadpool(state.front)
        if target is None or not _is_web(target):
            return PlainTextResponse("This link is not known, or not any more.\n", 404, NO_STORE)
        return RedirectResponse(target, 302, NO_STORE)

    return short_link


def _is_web(url: str | None) -> bool:
    # A checkout URL comes from a store: it must not become a script in the shopper's browser.
    return url is not None and url.lower().startswith(("https://", "http://"))


Headers = Mapping[bytes, bytes]


class _Guard:
    """Refuses requests, but for some routes."""

    def __init__(
        self, app: ASGIApp, *, refuse: Callable[[Headers], Response | None], unguarded: Sequence[Route]
    ) -> None:
        self._app, self._refuse, self._unguarded = app, refuse, unguarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if self._is_unguarded(scope) else self._refuse(dict(scope["headers"]))
        await (refusal or self._app)(scope, receive, send)

    def _is_unguarded(self, scope: Scope) -> bool:
        return scope["type"] == "http" and any(route.path_regex.match(scope["path"]) for route in self._unguarded)


def _refuse(state: State, headers: Headers) -> Response | None:
    username, password = state.login()
    return _wants_password(f"{username}:{password}".encode(), headers) if password else _wants_name(headers)


def _wants_password(expected: bytes, headers: Headers) -> Response | None:
    """HTTP basic authentication."""
    kind, _, encoded = headers.get(b"authorization", b"").partition(b" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True) if kind.lower() == b"basic" else b""
    except (binascii.Error, ValueError):
        given = b""
    if hmac.compare_digest(given, expected):
        return None
    asks = {"www-authenticate": 'Basic realm="winback", charset="UTF-8"', **NO_STORE}
    return PlainTextResponse("This page wants a username and a password.\n", 401, asks)


def _wants_name(headers: Headers) -> Response | None:
    try:
        host = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}").hostname or ""
    except ValueError:
        host = ""
    if is_loopback(host):
        return None
    words = "Without a password this page is for this machine only: call it by 127.0.0.1, or set http.password.\n"
    return PlainTextResponse(words, 403, NO_STORE)


@dataclass(frozen=True)
class Running:
    """A server that answers, in a thread of its own, until it is closed."""

    host: str
    port: int
    _server: uvicorn.Server
    _thread: threading.Thread

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def close(self, timeout: float = 5.0) -> None:
        """Stops listening, and gives requests under way `timeout` seconds to end."""
        self._server.should_exit = True
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(1.0)


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8484`, `[::1]:8484` or `:8484` (every address). Raises ConfigError."""
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname or "0.0.0.0", parts.port  # noqa: S104
    except ValueError:
        port = None
    if port is None or parts.path or parts.username:
        raise ConfigError(f"http.listen: {listen!r} is not an address with a port; write 127.0.0.1:8484")
    return host, port


def serve(app: ASGIApp, listen: str, *, password: str = "") -> Running:
    """Starts `app` at `listen` (port 0 takes a free one) and returns once it answers.

    Raises ConfigError where the address cannot be had, or is open to others without a password.
    """
    host, port = parse_listen(listen)
    listener = _listener(host, port, anybody=bool(password))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=32768,
        http=PatientProtocol,
        backlog=128,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="winback-web", daemon=True)
    thread.start()
    return Running(host, listener.getsockname()[1], server, thread)


def _listener(host: str, port: int, *, anybody: bool) -> socket.socket:
    """A socket that takes connections at once, also while the server's thread is still starting."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if not anybody and not is_loopback(str(address[0])):
            raise ConfigError(
                f"http.listen: {host}:{port} can be reached by others, and there is no password. "
                "Set http.username and http.password, or listen on 127.0.0.1"
            )
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        number = error.errno or 0  # below 0 a name is not found, which strerror has no words for
        words = os.strerror(number) if number > 0 else error.strerror or error
        raise ConfigError(
            f"http.listen: {host}:{port} cannot be used: {words}. Stop what uses it, or set another one in winback.yaml"
        ) from None
