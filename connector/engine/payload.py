"""A Checkout as it is kept in the table: JSON."""

from __future__ import annotations

from pydantic import TypeAdapter

from connector.model import Checkout

_PAYLOAD: TypeAdapter[Checkout] = TypeAdapter(Checkout)


def write_payload(checkout: Checkout) -> str:
    """The Checkout as JSON, the same for the same content."""
    return _PAYLOAD.dump_json(checkout).decode()


def read_payload(payload: str) -> Checkout:
    """The Checkout that was stored."""
    return _PAYLOAD.validate_json(payload)
