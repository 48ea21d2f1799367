"""The companion plugin's checkouts (`wc-winback/v1/checkouts`) read into ours. Pure: no network, no clock.

Raises ValueError, KeyError or TypeError for a record that cannot be read; the caller makes that a finding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from connector.model import Checkout, Consent, ConsentState, Customer, LineItem, Money, Source, Stage
from platforms._woocommerce_records import Record, amount, id_, label, on_store, text

COMPLETED, EMPTIED = "completed", "emptied"
PAID = frozenset({"processing", "completed", "on-hold"})  # the core statuses that the plugin takes for a purchase


def checkout(record: Record, store_url: str, purchase_statuses: Sequence[str]) -> Checkout:
    """The checkout that one row of the plugin tells of."""
    token, status, currency = _token(record["token"]), str(record["status"]), str(record["currency"])
    activity = at(record["activity_at"])
    completed = status == COMPLETED and _is_purchase(text(record.get("order_status")), purchase_statuses)
    return Checkout(
        id=token,
        status=status,
        started_at=at(record["created_at"]),
        activity_at=activity,
        # Not updated_at: the plugin knows what the shopper did, so that no change of status need be taken for it (R2).
        modified_at=activity,
        customer=_customer(record),
        total=Money(amount(record["total"]), currency),
        lines=tuple(_line(item, currency, store_url) for item in record.get("lines") or ()),
        url=on_store(text(record.get("recovery_url")), store_url) or f"{store_url}/?wc-winback={token}",
        completed_at=at(record.get("completed_at") or record["updated_at"]) if completed else None,
        emptied=status == EMPTIED,
        order_id=id_(record.get("order_id")),
        tokens=(token,),
        consent=_consent(record.get("consent")),
        country=text(record.get("country")),
        locale=text(record.get("locale")),
        stage=_stage(record.get("stage")),
        coupons=tuple(text(code) for code in record.get("coupons") or () if text(code)),
        source=Source.CAPTURE,
        by_link=bool(int(record.get("parent_id") or 0)),
    )


def at(value: Any) -> datetime:
    """A time such as 2026-11-22T10:00:00Z. Raises ValueError for one that names no zone."""
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError(f"{value!r} names no time zone")
    return found.astimezone(UTC)


def _token(value: Any) -> str:
    token = text(value)
    if not re.fullmatch(r"[0-9a-zA-Z]{16,64}", token):
        raise ValueError("its token is none")
    return token


def _is_purchase(order_status: str, purchase_statuses: Sequence[str]) -> bool:
    """Whether a completed checkout was bought (R7). An order that the owner does not count, say on hold, did not."""
    return order_status not in PAID or order_status in purchase_statuses


def _customer(record: Record) -> Customer:
    customer_id = int(record.get("customer_id") or 0)
    return Customer(
        email=text(record["email"]),
        id=str(customer_id) if customer_id else "",
        first_name=label(record.get("first_name")),
        last_name=label(record.get("last_name")),
        phone=text(record.get("phone")),
    )


def _consent(record: Any) -> Consent:
    if not isinstance(record, dict):
        return Consent()
    try:
        state = ConsentState(text(record.get("state")))
    except ValueError:
        return Consent()
    source = text(record.get("source"))
    return Consent(state, f"checkout field {source}" if source else "", at(record["at"]) if record.get("at") else None)


def _stage(value: Any) -> Stage:
    try:
        return Stage(text(value))
    except ValueError:
        return Stage.CONTACT


def _line(item: Record, currency: str, store_url: str) -> LineItem:
    title, variant = _title(item)
    price, url = item.get("price"), text(item.get("url"))
    return LineItem(
        title=title,
        quantity=max(1, int(amount(item.get("quantity") or 1))),
        total=Money(amount(item["total"]), currency),
        price=Money(amount(price), currency) if price not in (None, "") else None,
        variant=variant,
        sku=text(item.get("sku")),
        product_id=id_(item.get("product_id")),
        variant_id=id_(item.get("variation_id")),
        image_url=text(item.get("image")),
        product_url=on_store(url, store_url),
    )


def _title(item: Record) -> tuple[str, str]:
    """The product's name and the variant's.

    A variation is called `Ridge Jacket - S` after its own attributes; those that it leaves to the shopper stand in
    `attributes`, as `Colour: Red`. What follows the last hyphen is only cut off if all of it was chosen.
    """
    name, others = label(item.get("name")), _values(text(item.get("attributes")))
    head, hyphen, tail = name.rpartition(" - ")
    chosen = item.get("variation")
    if not hyphen or not isinstance(chosen, dict) or not chosen:
        return name, ", ".join(others)
    values, own = {_slug(value) for value in chosen.values()}, tail.split(", ")
    if not all(_slug(value) in values for value in own):
        return name, ", ".join(others)
    return head, ", ".join([*own, *(value for value in others if value not in own)])


def _values(attributes: str) -> list[str]:
    """The values of `Colour: Red, Size: M`, one a line or after commas."""
    parts = (label(part).partition(":") for part in re.split(r"\n|, (?=[^,:]+:)", attributes))
    return [value for value in ((after if colon else before).strip() for before, colon, after in parts) if value]


def _slug(value: Any) -> str:
    """How WordPress writes a value of an attribute that has a page of its own: `Dark Red` is `dark-red` there."""
    return re.sub(r"[\s_-]+", "-", label(value).casefold())
