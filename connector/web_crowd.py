"""How much of the web server those can hold who knock and say nothing, or too much at once.

The routes that shops and browsers reach want no password, so anybody can open connections. `/healthz` answers even
then: whoever watches over the daemon must not take a crowd for a daemon that is stuck.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE = 10.0  # seconds that a connection may be without a whole request head
MOST_WAITING = 400  # connections without one; the one that waits longest goes. More than come in before one is read
MOST_AT_ONCE = 200  # requests


class PatientProtocol(H11Protocol):
    """uvicorn's own, which waits for a request without end, and whose limit counts connections that wait, too."""

    _waits_since = 0.0
    _limit: asyncio.TimerHandle | None = None

    @property
    def _is_asked(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete  # there is none before the first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()
        waiting = [
            one
            for one in self.connections
            if isinstance(one, PatientProtocol) and not one._is_asked and not one.transport.is_closing()
        ]
        if len(waiting) > MOST_WAITING:
            min(waiting, key=lambda one: one._waits_since).transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_asked:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_asked:  # the next request may have come with this one
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._wait_no_more()
        self._waits_since = self.loop.time()
        self._limit = self.loop.call_later(PATIENCE, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


class Room:
    """Takes so many requests at once, and tells the others to come back; health is told to everybody."""

    def __init__(self, app: ASGIApp, *, always: str) -> None:
        self._app, self._always, self._under_way = app, always, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == self._always:
            await self._app(scope, receive, send)
            return
        answer: Any = self._app if self._under_way < MOST_AT_ONCE else Response(None, 503, {"retry-after": "5"})
        self._under_way += 1
        try:
            await answer(scope, receive, send)
        finally:
            self._under_way -= 1
