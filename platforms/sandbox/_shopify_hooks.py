"""The pretend Shopify shop's webhook subscriptions, and what is sent to them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from connector.sandbox import Clock
from platforms.sandbox._hooks import Courier, Parcel

Object = dict[str, Any]
NO_DATA: Object = {"deletedWebhookSubscriptionId": None, "webhookSubscription": None}
GIVEN_UP_AFTER = 8  # failures in a row; then Shopify deletes the subscription


@dataclass
class Subscription:
    """One of the app's subscriptions."""

    id: str
    topic: str
    uri: str
    fields: list[str] = field(default_factory=list)
    failures: int = 0

    def shown(self) -> Object:
        """As the API has it."""
        return {"__typename": "WebhookSubscription", "id": self.id, "topic": self.topic, "uri": self.uri}


class Subscriptions:
    """All of the app's subscriptions in the shop. Not safe for threads by itself, but for the courier's."""

    def __init__(self, shop: str, clock: Clock, secret: Callable[[], str]) -> None:
        self.courier = Courier()
        self._shop, self._clock, self._secret = shop, clock, secret
        self._all: dict[str, Subscription] = {}
        self._next = 1077030158336

    def roots(self) -> Object:
        """The fields of QueryRoot and Mutation."""
        return {
            "webhookSubscriptions": self._list,
            "webhookSubscriptionCreate": lambda args: self._create(args["topic"], args["webhookSubscription"]),
            "webhookSubscriptionDelete": lambda args: self._delete(args["id"]),
        }

    def subscribe(self, topic: str, uri: str, fields: Sequence[str] = ()) -> Subscription:
        """Makes a subscription, as other software with the same app does."""
        self._next += 1
        one = Subscription(f"gid://shopify/WebhookSubscription/{self._next}", topic, uri, list(fields))
        self._all[one.id] = one
        return one

    def clear(self) -> None:
        """The app is removed from the shop, and its subscriptions with it."""
        self._all.clear()

    def urls(self) -> list[str]:
        """Where the subscriptions lead."""
        return [one.uri for one in self._all.values()]

    def fire(self, topic: str, record: Mapping[str, Any]) -> None:
        """Something happened in the shop: tells who subscribed. `record` is in the API's own words."""
        body = {"id": int(str(record["id"]).rpartition("/")[2]), "updated_at": record["updatedAt"]}
        body |= {"email": record.get("email"), "created_at": record["createdAt"]}
        for one in list(self._all.values()):
            if one.topic == topic.upper().replace("/", "_"):
                sent = {key: value for key, value in body.items() if not one.fields or key in one.fields}
                self.send(one.uri, topic, sent, partial(self._counted, one))

    def send(self, url: str, topic: str, body: Mapping[str, Any], done: Callable[[int], None] = lambda _: None) -> None:
        """Sends one webhook of the app; privacy requests come from its configuration, without a subscription."""
        text = json.dumps(body).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": self._shop,
            "X-Shopify-API-Version": "2026-10",
            "X-Shopify-Webhook-Id": secrets.token_hex(16),
            "X-Shopify-Triggered-At": self._clock().astimezone(UTC).isoformat(),
        }
        self.courier.post(Parcel(url, headers, lambda: text, self._secret(), "X-Shopify-Hmac-SHA256", done))

    def _counted(self, one: Subscription, status: int) -> None:
        one.failures = 0 if 200 <= status < 300 else one.failures + 1
        if one.failures >= GIVEN_UP_AFTER:
            self._all.pop(one.id, None)

    def _list(self, args: Mapping[str, Any]) -> Object:
        after = args.get("after") or ""
        rest = [one for one in self._all.values() if one.id > after]
        nodes = [one.shown() for one in rest[: args["first"]]]
        more, cursor = len(rest) > len(nodes), nodes[-1]["id"] if nodes else None
        info = {"__typename": "PageInfo", "hasNextPage": more, "endCursor": cursor}
        return {"__typename": "WebhookSubscriptionConnection", "nodes": nodes, "pageInfo": info}

    def _create(self, topic: str, wanted: Mapping[str, Any]) -> Object:
        parts = urlsplit(wanted["uri"])
        if parts.scheme != "https" and parts.hostname != "127.0.0.1":
            return _refused("Create", "Address protocol http:// is not supported")
        if any((one.topic, one.uri) == (topic, wanted["uri"]) for one in self._all.values()):
            return _refused("Create", "Address for this topic has already been taken")
        one = self.subscribe(topic, wanted["uri"], wanted.get("includeFields") or ())
        return {"__typename": "WebhookSubscriptionCreatePayload", "webhookSubscription": one.shown(), "userErrors": []}

    def _delete(self, hook_id: str) -> Object:
        if self._all.pop(hook_id, None) is None:
            return _refused("Delete", "Webhook subscription does not exist")
        return {
            "__typename": "WebhookSubscriptionDeletePayload",
            "deletedWebhookSubscriptionId": hook_id,
            "userErrors": [],
        }


def _refused(what: str, message: str) -> Object:
    error = {"__typename": "UserError", "field": ["webhookSubscription"], "message": message}
    return {"__typename": f"WebhookSubscription{what}Payload", **NO_DATA, "userErrors": [error]}
