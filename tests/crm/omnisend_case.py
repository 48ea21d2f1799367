"""Adapters and an account for the tests of Omnisend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from connector.http import Http
from connector.sandbox import Clock, utc_now
from crm.omnisend import Omnisend
from crm.sandbox.omnisend import OmnisendSandbox, serve

READ, CREATE, EVENT = "GET /api/contacts", "POST /api/contacts", "POST /api/events"
TAG, UNTAG = "POST /api/contacts/tags", "DELETE /api/contacts/tags"
FIRST = "67447b7d5c1c000000000001"  # the id of the account's first contact
CHANGE = f"PATCH /api/contacts/{FIRST}"


def adapter(sandbox: OmnisendSandbox, **changes: Any) -> Omnisend:
    """An adapter for the sandbox, configured as a client's file would."""
    keys = {"id": "mail", **sandbox.options(), "requests_per_second": 10_000, **changes}
    options = Omnisend.Options.model_validate({name: value for name, value in keys.items() if value is not None})
    return Omnisend(options, Http())  # type: ignore[arg-type]


@contextmanager
def account(clock: Clock = utc_now, **serving: Any) -> Iterator[OmnisendSandbox]:
    """A running account."""
    made = serve(clock, **serving)
    with made.server:
        yield made


def bodies(sandbox: OmnisendSandbox, call: str) -> list[Any]:
    """What these calls sent, oldest first."""
    sent = [each.request for each in sandbox.server.journal]
    return [request.json() for request in sent if f"{request.method} {request.path}" == call]
