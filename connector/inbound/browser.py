"""The browser's half: a key that can only write, from the owner's own pages, about a checkout of its own."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.engine.context import Client, Context
from connector.engine.told import count_start, take_typed
from connector.http import Rate
from connector.inbound.door import NO_STORE, body_of, kind_of, take, take_at
from connector.inbound.limits import Limiter
from connector.inbound.options import PushedOptions, Snippet
from connector.inbound.reading import Problem, RefusedError, parse, problems_of
from connector.inbound.records import StartedRecord, Typed
from connector.inbound.translate import misplaced, stored_id, typed

LARGEST = 16 * 1024  # bytes that a browser may send at once
OF_ONE_ADDRESS = Rate(per_second=0.5, burst=30)
SOURCE = Path(__file__).with_name("snippet.js")
KINDS = ("text/plain", "application/json")  # the first needs no preflight


def snippet(options: PushedOptions, request: Request) -> Response:
    """The script, with the store's key in it."""
    if options.snippet is None:
        raise RefusedError(404, "this store has no snippet")
    script = served(options.snippet.key)
    tag = f'"{hashlib.sha256(script).hexdigest()[:20]}"'
    headers = {
        "cache-control": "public, max-age=3600",
        "etag": tag,
        "cross-origin-resource-policy": "cross-origin",
        "x-content-type-options": "nosniff",
    }
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known:
        return Response(status_code=304, headers=headers)
    return Response(script, headers=headers, media_type="text/javascript; charset=utf-8")


@lru_cache(maxsize=64)
def served(key: str) -> bytes:
    """The readable source without what only a reader needs: comments, which have lines of their own, and indents."""
    lines = (line.strip() for line in SOURCE.read_text(encoding="utf-8").splitlines())
    kept = "\n".join(line for line in lines if line and not line.startswith("//"))
    return re.sub(r"\n(?=[})\]?:.])|(?<=[{(\[,;])\n", "", kept).replace("KEY", key).encode()


def preflight(options: PushedOptions, request: Request) -> Response:
    """May this page send something that is more than a form could? Only from a listed origin."""
    _snippet_of(options, request)
    headers = _cross_origin(request) | {
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "7200",
    }
    return Response(status_code=204, headers=headers)


async def post(ctx: Context, limiter: Limiter, client: Client, options: PushedOptions, request: Request) -> Response:
    """Stores what a browser told of its own checkout."""
    allowed = _snippet_of(options, request)
    headers = _cross_origin(request)
    try:
        if not hmac.compare_digest(request.query_params["key"].encode(), allowed.key.encode()):
            raise RefusedError(401, "the key is not right")
        if kind_of(request) not in KINDS:
            raise RefusedError(415, f"send it as {' or '.join(KINDS)}")
        if (address := address_of(request)) is not None:
            take_at(limiter, ("address", client.id, options.id, address), OF_ONE_ADDRESS)
        take(limiter, ("browser", client.id, options.id), options)
        body = await body_of(request, LARGEST)
        answer, problems = await run_in_threadpool(_store, ctx, client, options, allowed, body)
    except RefusedError as refused:  # a page may only read the refusal with these headers
        raise RefusedError(refused.status, refused.message, **headers, **refused.headers) from None
    shown = {**answer, "refused": [asdict(problem) for problem in problems]}
    return JSONResponse(shown, 422 if problems else 200, {**NO_STORE, **headers})


def _store(
    ctx: Context, client: Client, options: PushedOptions, allowed: Snippet, body: bytes
) -> tuple[dict[str, Any], list[Problem]]:
    try:
        found = Typed.model_validate(parse(body)).checkouts
    except ValidationError as error:
        return {"stored": 0}, problems_of(error, "body", None)
    stored = 0
    for record in found:
        if isinstance(record, StartedRecord):
            count_start(ctx, client, options.id)
            continue
        if problems := misplaced(record, allowed):
            return {"stored": 0}, problems
        told = take_typed(ctx, client, options.id, stored_id(record), typed(record, allowed))
        stored += told.stored
    return {"stored": stored}, []


def _snippet_of(options: PushedOptions, request: Request) -> Snippet:
    """Raises RefusedError (403) for every page but the owner's own."""
    if options.snippet is None or request.headers.get("origin") not in options.snippet.origins:
        raise RefusedError(403, "this key is not for this page", vary="Origin")
    return options.snippet


def _cross_origin(request: Request) -> dict[str, str]:
    return {"access-control-allow-origin": request.headers["origin"], "vary": "Origin"}


def address_of(request: Request) -> str | None:
    """The shopper's address, as far as it can be known: behind a proxy, the last public one that it passed on.

    None where only addresses of private networks are known: they would be the proxy's, and so everybody's.
    """
    # Some proxies add a line of their own under the one that the shopper may have made up: they are one list.
    passed = ",".join(request.headers.getlist("x-forwarded-for")).split(",")[-5:]
    peer = request.client.host if request.client else ""
    for text in (peer, *reversed(passed)):
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_global:
            return _network(address)
    return None


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """One household has a whole /64 of IPv6."""
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
