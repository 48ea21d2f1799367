"""What Omnisend is sent: contacts and events, in the words of its own e-commerce events.

https://api-docs.omnisend.com/docs/started-checkout and …/docs/placed-order (read November 2026).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.errors import RejectedError
from connector.model import ConsentState, Enrolment, LineItem, Withdrawal

Json = dict[str, Any]

STARTED, ORDERED, WITHDRAWN = "started checkout", "placed order", "checkout withdrawn"
# Omnisend's own events but for the one that starts a checkout automation; they mean something else there.
RECOMMENDED = (
    "added product to cart",
    "order canceled",
    "order fulfilled",
    "order refunded",
    "ordered product",
    "paid for order",
    ORDERED,
    "viewed product",
)
MARK = "winback_event"  # the contact's property that holds the ids of our last events that Omnisend worked off
KEPT = 6  # ids there: a sequence is asked for step by step again after a lost database
NAME = re.compile(r"[A-Za-z0-9_]{1,128}")  # of a custom property, as Omnisend's own plugin checks it
NAMELESS = {"firstName": "", "lastName": ""}  # a null is no value for either
LONGEST_NAME = 50  # letters of a first or last name, in the contact of an event
NAMESPACE = uuid.UUID("5d2a3c0e-7f0b-5d5c-9a53-0b1d8f6f2c11")  # ours; any will do, if it stays


def event_id(key: str) -> str:
    """An event's own id, the same at each attempt: Omnisend wants a UUID."""
    return str(uuid.uuid5(NAMESPACE, key))


def new_contact(enrolment: Enrolment) -> Json:
    """A contact that does not exist yet. Should it exist after all, its later status outdates the one given here."""
    consent = enrolment.checkout.consent
    opted_in = consent.state is ConsentState.OPTED_IN
    since = _time(consent.at if opted_in and consent.at else enrolment.checkout.started_at)
    identifier: Json = {
        "type": "email",
        "id": enrolment.email,
        "channels": {
            "email": {
                "status": "subscribed" if enrolment.may_subscribe else "nonSubscribed",
                "statusChangedAt": since,
            }
        },
        # Or a customer who never signed up for anything is welcomed as a subscriber.
        "sendWelcomeMessage": False,
    }
    if enrolment.may_subscribe and opted_in:
        identifier["consent"] = {"source": consent.source or "checkout", "createdAt": since}
    return {"identifiers": [identifier], **changes(enrolment, enrolment.tags)}


def changes(enrolment: Enrolment, tags: Iterable[str] = ()) -> Json:
    """What is written to a contact at each enrolment. No identifier, so that no status changes.

    A phone number is an identifier too, and may be another contact's.
    """
    customer = enrolment.checkout.customer
    names = {"firstName": customer.first_name[:LONGEST_NAME], "lastName": customer.last_name[:LONGEST_NAME]}
    made: Json = {name: value for name, value in names.items() if value}
    if enrolment.fields:
        made["customProperties"] = dict(enrolment.fields)
    if labels := list(tags):
        made["tags"] = labels
    return made


def started(enrolment: Enrolment, name: str, marks: Sequence[str]) -> Json:
    """The event that starts automations. Omnisend's own has these properties; one of the owner's gets the same.

    `marks` are the ids of our events before it. Raises RejectedError where Omnisend would take the event and start
    nothing.
    """
    checkout = enrolment.checkout
    if name == STARTED and not checkout.url:
        raise RejectedError("Omnisend starts an automation only with a link back to the checkout; this one lacks it.")
    properties: Json = {
        **enrolment.fields,
        "store": enrolment.store,
        "step": enrolment.step + 1,
        "cartID": enrolment.lead.checkout_id,  # as `left` has it, whatever checkout the lead shows now
        "value": float(checkout.total.amount),
        "currency": checkout.total.currency,
        "lineItems": [_item(line) for line in checkout.lines],
    }
    if checkout.url:
        properties["abandonedCheckoutURL"] = checkout.url
    return _event(name, enrolment.email, event_id(enrolment.key), properties, marks)


def left(withdrawal: Withdrawal, marks: Sequence[str], *, orders: bool) -> Json:
    """The event that ends automations: Omnisend's own for a purchase, ours for all else and where `orders` is off."""
    order = withdrawal.order if withdrawal.reason == "bought" else None
    if not (order and orders):
        properties: Json = {
            "store": withdrawal.store,
            "cartID": withdrawal.checkout_id,
            "reason": withdrawal.reason,
        }
        return _event(WITHDRAWN, withdrawal.email, event_id(withdrawal.key), properties, marks)
    properties = {
        "orderID": order.id,
        "cartID": withdrawal.checkout_id,
        "totalPrice": float(order.total.amount),  # without it the order is in no report
        "currency": order.total.currency,
        "createdAt": _time(order.placed_at or order.created_at),
        "fulfillmentStatus": "unfulfilled",
        "store": withdrawal.store,
    }
    made = event_id(f"{withdrawal.placed_in}:{order.id}")
    return {**_event(ORDERED, withdrawal.email, made, properties, marks), "eventVersion": "v2"}


def _event(name: str, email: str, identifier: str, properties: Mapping[str, Any], marks: Sequence[str]) -> Json:
    """An event of this moment. With an `eventTime` it might count as history, which starts and ends nothing."""
    return {
        "eventName": name,
        "eventID": identifier,
        "eventVersion": "",
        "origin": "api",
        "contact": {"email": email, "customProperties": {MARK: ",".join((*marks, identifier)[-KEPT:])}},
        "properties": {key: value for key, value in properties.items() if value != ""},
    }


def _item(line: LineItem) -> Json:
    price = line.price.amount if line.price else line.total.amount / max(1, line.quantity)
    words = {
        "productID": line.product_id,
        "productTitle": line.title,
        "productSKU": line.sku,
        "productVariantID": line.variant_id,
        "productVariantTitle": line.variant,
        "productImageURL": line.image_url,
        "productURL": line.product_url,
    }
    item: Json = {name: value for name, value in words.items() if value}
    return {**item, "productPrice": float(price), "productQuantity": line.quantity}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
