"""The body of a request that anybody can have sent: so large, and so long."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

PATIENCE = 10.0  # seconds for the whole body to arrive; platforms give up after five


class TooLargeError(Exception):
    """The body is larger than it may be."""


async def body_of(request: Request, largest: int, drained: int = 0) -> bytes:
    """The body of at most `largest` bytes. Raises TooLargeError, TimeoutError or ClientDisconnect.

    One of up to `drained` bytes is read to its end before it is refused: a sender whom we hang up on never sees the
    answer. What announces itself as larger is not read at all.
    """
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > max(largest, drained):
        raise TooLargeError
    body, size = bytearray(), 0
    async with asyncio.timeout(PATIENCE):
        async for part in request.stream():
            size += len(part)
            if size <= largest:
                body += part
            elif size > drained:
                break
    if size > largest:
        raise TooLargeError
    return bytes(body)
