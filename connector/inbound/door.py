"""What every request has to pass, whoever sends it. Refusals say what to do, and tell an intruder nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from connector import registry, request_body
from connector.db import is_out
from connector.engine.context import Client, Context
from connector.engine.told import NotReadyError
from connector.http import Rate
from connector.inbound.limits import Limiter
from connector.inbound.options import PushedOptions
from connector.inbound.reading import RefusedError
from connector.request_body import TooLargeError

DRAINED = 8 * 1024 * 1024  # bytes
NO_STORE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def guarded(handle: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Every refusal as JSON, and every trouble with the database as one that passes."""

    async def endpoint(request: Request) -> Response:
        headers: dict[str, str] = {}
        try:
            response: Response = await handle(request)
            return response
        except RefusedError as refused:
            status, message, headers = refused.status, refused.message, refused.headers
        except ClientDisconnect:
            status, message = 400, "the connection was closed before the end"
        except NotReadyError:
            status, message, headers = 503, "this store is only being made ready", {"retry-after": "2"}
        except Exception as error:
            if not is_out(error):
                raise
            status, message, headers = 503, "the database does not answer; nothing was stored", {"retry-after": "10"}
        return JSONResponse({"error": message}, status, {**NO_STORE, **headers})

    return endpoint


def find(ctx: Context, request: Request) -> tuple[Client, PushedOptions]:
    """The client and the store of a request. Raises RefusedError (404)."""
    client = ctx.clients.get(request.path_params["client"])
    options = client.store(request.path_params["store"]) if client else None
    if client is None or not isinstance(options, PushedOptions):
        raise RefusedError(404, "there is no such store, or it is not one that tells by itself")
    return client, options


def kind_of(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def take(limiter: Limiter, name: tuple[str, ...], options: PushedOptions) -> None:
    """One of the requests that a key may send. Raises RefusedError (429)."""
    take_at(limiter, name, options.limit(registry.PLATFORMS[options.platform].rate))


def take_at(limiter: Limiter, name: tuple[str, ...], rate: Rate) -> None:
    """One of the requests that this rate allows. Raises RefusedError (429)."""
    wait = limiter.wait(name, rate)
    if wait:
        raise RefusedError(429, "too many requests; see Retry-After", **{"retry-after": str(math.ceil(wait))})


async def body_of(request: Request, largest: int) -> bytes:
    """The body, kept no longer than it may be. Raises RefusedError (408, 413, 415)."""
    if request.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise RefusedError(415, "send it without compression")
    try:
        return await request_body.body_of(request, largest, DRAINED)
    except TooLargeError:
        message = f"the body is larger than {largest // 1024} KB; send it in parts"
        raise RefusedError(413, message, connection="close") from None
    except TimeoutError:
        message = f"the body took longer than {request_body.PATIENCE:.0f} seconds; send it faster, or in parts"
        raise RefusedError(408, message, connection="close") from None
