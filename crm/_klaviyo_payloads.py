"""What Klaviyo is sent: profiles and events, in the words of its own abandoned-cart templates.

https://developers.klaviyo.com/en/docs/guide_to_integrating_a_platform_without_a_pre_built_klaviyo_integration
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from connector.model import Enrolment, LineItem, Withdrawal

T = TypeVar("T")
Json = dict[str, Any]

TAGS, KEY = "winback_tags", "winback_key"
ORDERED, WITHDRAWN = "Placed Order", "Checkout Withdrawn"
MAX_EVENTS, MAX_BYTES = 1000, 4_500_000  # in one bulk request; Klaviyo takes 5 MB
BULK_HEAD = b'{"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":['
BULK_TAIL = b"]}}}}"


def profile(enrolment: Enrolment, extra: Mapping[str, str] | None = None, *, tags: bool = True) -> Json:
    """A profile as the bulk and the profile calls take it.

    It is identified by the e-mail address alone: a phone number beside it that another profile has is answered with
    409 (https://github.com/klaviyo/klaviyo-api-php/issues/63).
    """
    customer = enrolment.checkout.customer
    attributes: Json = {"email": enrolment.email, "properties": {**enrolment.fields, **(extra or {})}}
    if customer.first_name:
        attributes["first_name"] = customer.first_name
    if customer.last_name:
        attributes["last_name"] = customer.last_name
    made: Json = {"type": "profile", "attributes": attributes}
    if tags and enrolment.tags:
        made["meta"] = {"patch_properties": {"append": {TAGS: list(enrolment.tags)}}}
    return made


def started(enrolment: Enrolment, metric: str) -> Json:
    """The attributes of the event that starts a flow."""
    checkout = enrolment.checkout
    return {
        "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
        "properties": {
            "CheckoutURL": checkout.url,
            "ItemNames": [line.title for line in checkout.lines],
            "Items": [_item(line) for line in checkout.lines],
            "Store": enrolment.store,
            "Step": enrolment.step + 1,
            **enrolment.fields,
        },
        # The moment of this step, not of the checkout: a flow counts its delays from here.
        "time": enrolment.at.isoformat(timespec="seconds"),
        "value": float(checkout.total.amount),
        "value_currency": checkout.total.currency,
        "unique_id": enrolment.key,
    }


def _item(line: LineItem) -> Json:
    words = {
        "ProductID": line.product_id,
        "SKU": line.sku,
        "ProductName": line.title,
        "Variant": line.variant,
        "ImageURL": line.image_url,
        "ProductURL": line.product_url,
    }
    item: Json = {name: value for name, value in words.items() if value}
    if line.price:
        item["ItemPrice"] = float(line.price.amount)
    return {**item, "Quantity": line.quantity, "RowTotal": float(line.total.amount)}


def left(withdrawal: Withdrawal) -> Json:
    """The attributes of the event that ends flows. Its time is now, whenever the order was placed: a filter looks
    for events since the flow started, and an order may lie seconds before the enrolment that it ends."""
    bought = withdrawal.reason == "bought"
    order = withdrawal.order if bought else None
    event: Json = {
        "metric": {"data": {"type": "metric", "attributes": {"name": ORDERED if bought else WITHDRAWN}}},
        "properties": {"Store": withdrawal.store, "CheckoutID": withdrawal.checkout_id, "Reason": withdrawal.reason},
        "time": withdrawal.at.isoformat(timespec="seconds"),
        "unique_id": f"{withdrawal.placed_in}:{order.id}" if order else withdrawal.key,
    }
    if order:
        placed = order.placed_at or order.created_at
        event["properties"] |= {"OrderId": order.id, "PlacedAt": placed.isoformat(timespec="seconds")}
        event |= {"value": float(order.total.amount), "value_currency": order.total.currency}
    return event


def retag(withdrawal: Withdrawal) -> Json:
    """The `meta` that takes our tags off a profile and puts the others on, or nothing."""
    lists = {"append": list(withdrawal.add_tags), "unappend": list(withdrawal.tags)}
    patch = {name: {TAGS: tags} for name, tags in lists.items() if tags}
    return {"meta": {"patch_properties": patch}} if patch else {}


def emptied(fields: Iterable[str]) -> Json:
    """What takes our properties and the names off a profile. Which of the names are ours, nobody knows any more."""
    meta = {"patch_properties": {"unset": [*sorted(fields), TAGS, KEY]}}
    return {"type": "profile", "attributes": {"first_name": None, "last_name": None}, "meta": meta}


def single_event(event: Json, made: Json) -> Json:
    """The body of the single call, which has `meta` among the profile's attributes and not beside them."""
    inner = {**made["attributes"], **({"meta": made["meta"]} if "meta" in made else {})}
    return {
        "data": {"type": "event", "attributes": {**event, "profile": {"data": {**_bare(made), "attributes": inner}}}}
    }


def _bare(made: Json) -> Json:
    return {name: value for name, value in made.items() if name not in ("meta", "attributes")}


def bulk_item(enrolment: Enrolment, metric: str) -> bytes:
    """One profile with its event, encoded for the bulk call."""
    event = {"type": "event", "attributes": started(enrolment, metric)}
    attributes = {"profile": {"data": profile(enrolment)}, "events": {"data": [event]}}
    item = {"type": "event-bulk-create", "attributes": attributes}
    # A shop's text can hold half a character (a lone surrogate), which no UTF-8 can.
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def by_size(items: Iterable[tuple[T, bytes]]) -> Iterator[list[tuple[T, bytes]]]:
    """Parts that one bulk request can hold."""
    part: list[tuple[T, bytes]] = []
    size = 0
    for item in items:
        if part and (len(part) == MAX_EVENTS or size + len(item[1]) > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item[1]) + 1
    if part:
        yield part
