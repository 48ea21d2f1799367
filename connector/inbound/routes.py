"""POST /inbound/CLIENT/STORE/checkouts|orders, and the snippet. What is answered with 200 is on the disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.engine.context import Client, Context
from connector.engine.told import Told, take_checkouts, take_orders
from connector.inbound import browser
from connector.inbound.door import NO_STORE, body_of, find, guarded, kind_of, take
from connector.inbound.limits import Limiter
from connector.inbound.options import PushedOptions
from connector.inbound.reading import Read, RefusedError, parse, read
from connector.inbound.records import CheckoutRecord, OrderRecord
from connector.inbound.signature import HEADER, signed_at
from connector.inbound.translate import checkout_of, order_of

LARGEST = 1024 * 1024  # bytes that a site's server may send at once


@dataclass(frozen=True)
class Post:
    """What a site's server sent, and when by its own clock."""

    client: Client
    options: PushedOptions
    body: bytes
    sent_at: datetime


def routes(ctx: Context) -> list[Route]:
    """For the web server, beside its password: each request brings a signature, or a key that can only write."""
    limiter = Limiter()

    async def snippet(request: Request) -> Response:
        return browser.snippet(find(ctx, request)[1], request)

    async def preflight(request: Request) -> Response:
        return browser.preflight(find(ctx, request)[1], request)

    async def checkouts(request: Request) -> Response:
        client, options = find(ctx, request)
        if HEADER not in request.headers and "key" in request.query_params:
            return await browser.post(ctx, limiter, client, options, request)
        post = await _signed(ctx, limiter, request)
        return await run_in_threadpool(_take_checkouts, ctx, post)

    async def orders(request: Request) -> Response:
        post = await _signed(ctx, limiter, request)
        return await run_in_threadpool(_take_orders, ctx, post)

    store = "/inbound/{client}/{store}"
    return [
        Route(f"{store}/snippet.js", guarded(snippet), methods=["GET"]),
        Route(f"{store}/checkouts", guarded(preflight), methods=["OPTIONS"]),
        Route(f"{store}/checkouts", guarded(checkouts), methods=["POST"]),
        Route(f"{store}/orders", guarded(orders), methods=["POST"]),
    ]


async def _signed(ctx: Context, limiter: Limiter, request: Request) -> Post:
    client, options = find(ctx, request)
    if kind_of(request) != "application/json":
        raise RefusedError(415, "send it as Content-Type: application/json")
    body = await body_of(request, LARGEST)
    sent_at = signed_at(request.headers.get(HEADER, ""), body, options.signing_keys, ctx.clock())
    if sent_at is None:
        raise RefusedError(401, "the signature, or its time, is not right")
    take(limiter, ("server", client.id, options.id), options)
    return Post(client, options, body, sent_at)


def _take_checkouts(ctx: Context, post: Post) -> Response:
    found = read(parse(post.body), "checkouts", CheckoutRecord, post.sent_at)
    records = [checkout_of(record) for record in found.records]
    told = take_checkouts(ctx, post.client, post.options.id, records, post.sent_at)
    return _answer(ctx, post, "checkouts", told, found)


def _take_orders(ctx: Context, post: Post) -> Response:
    found = read(parse(post.body), "orders", OrderRecord, post.sent_at)
    records = [order_of(record) for record in found.records]
    told = take_orders(ctx, post.client, post.options.id, records, found.complete_through, post.sent_at)
    through = found.complete_through.isoformat().replace("+00:00", "Z") if found.complete_through else None
    return _answer(ctx, post, "orders", told, found, complete_through=through)


def _answer(ctx: Context, post: Post, what: str, told: Told, found: Read[Any], **more: Any) -> Response:
    """200, or 422 where a record was refused; what is good is stored all the same."""
    ctx.numbers.polled(post.client.id, post.options.id, what, ctx.clock().timestamp())
    body = {**asdict(told), **more, "refused": [asdict(problem) for problem in found.problems]}
    return JSONResponse(body, 422 if found.problems else 200, NO_STORE)
