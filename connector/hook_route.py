"""`POST /hooks/CLIENT/STORE`: the web server's side of webhooks. It wants no password, because they are signed.

Whoever knocks without a signature learns nothing, and costs little: so many at a time, so large, so long.
"""

from __future__ import annotations

from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from connector.db import is_out
from connector.engine.context import log
from connector.engine.hooked import UnknownStoreError
from connector.hooks import SignatureError
from connector.request_body import TooLargeError, body_of

LARGEST = 2 * 1024 * 1024  # bytes; an order of 500 lines has about 1.3 MB
AT_ONCE = 32


class Receiver(Protocol):
    """What the route hands webhooks to: `engine.hooked.Hooks`."""

    def knows(self, client: str, store: str) -> bool: ...

    def receive(self, client_id: str, store_id: str, headers: dict[str, str], body: bytes) -> None: ...


def route(hooks: Receiver) -> Route:
    """The route, for `web.State.signed`. Every answer has an empty body."""
    under_way = 0

    async def endpoint(request: Request) -> Response:
        nonlocal under_way
        if not hooks.knows(request.path_params["client"], request.path_params["store"]):
            return Response(status_code=404)
        if under_way >= AT_ONCE:
            return Response(status_code=503, headers={"retry-after": "5"})
        under_way += 1
        try:
            return Response(status_code=await _take(hooks, request))
        finally:
            under_way -= 1

    return Route("/hooks/{client}/{store}", endpoint, methods=["POST"])


async def _take(hooks: Receiver, request: Request) -> int:
    try:
        body = await body_of(request, LARGEST)
    except TooLargeError:
        return 413
    except TimeoutError:
        return 408
    except ClientDisconnect:
        return 400
    return await run_in_threadpool(_receive, hooks, request, body)


def _receive(hooks: Receiver, request: Request, body: bytes) -> int:
    headers = {name.lower(): value for name, value in request.headers.items()}
    client, store = request.path_params["client"], request.path_params["store"]
    try:
        hooks.receive(client, store, headers, body)
    except UnknownStoreError:
        return 404
    except SignatureError:
        return 401
    except Exception as error:  # the store sends it again
        if not is_out(error):
            log.error("%s/%s: a webhook could not be taken in: %s", client, store, type(error).__name__)
        return 503
    return 200
