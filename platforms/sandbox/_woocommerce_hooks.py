"""The pretend WooCommerce store's webhooks: made and deleted over REST, delivered as a 10.5.0 store did."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.sandbox import Clock, Reply, Request
from platforms.sandbox._hooks import Courier, Parcel
from platforms.sandbox._woocommerce_auth import error

MOST_FAILURES = 5
AGENT = "WooCommerce/10.5.0 Hookshot (WordPress/6.9.7)"
HOOKS = {
    "order.created": ["woocommerce_new_order"],
    "order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "order.deleted": ["wp_trash_post", "woocommerce_trash_order"],
}


@dataclass
class Webhook:
    """One webhook. Its secret is never shown."""

    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    created: datetime
    status: str = "active"
    failures: int = 0

    def count(self, status: int) -> None:
        """Takes note of a delivery; one failure after five in a row are counted, it is switched off."""
        if 200 <= status < 303:
            self.failures = 0
        elif self.failures > MOST_FAILURES:
            self.status = "disabled"
        else:
            self.failures += 1


class Webhooks:
    """All of the store's webhooks, whoever made them. The caller locks."""

    def __init__(self, clock: Clock, home: Callable[[], str], offset: timedelta) -> None:
        self.courier = Courier()
        self.all: dict[int, Webhook] = {}
        self._clock, self._home, self._offset = clock, home, offset
        self._ids = itertools.count(1)

    def make(self, name: str, topic: str, url: str, secret: str = "", *, status: str = "active") -> Webhook:
        """Makes a webhook, as the API does or as staff do in the admin."""
        webhook = Webhook(next(self._ids), name, topic, url, secret or secrets.token_hex(25), self._clock(), status)
        self.all[webhook.id] = webhook
        ping = f"webhook_id={webhook.id}".encode()
        kind = "application/x-www-form-urlencoded"
        self.courier.post(Parcel(url, {"User-Agent": AGENT, "Content-Type": kind}, lambda: ping))
        return webhook

    def fire(self, topic: str, payload: Callable[[], Any]) -> None:
        """Something happened in the store: tells every active webhook of that topic."""
        for webhook in self.all.values():
            if webhook.topic == topic and webhook.status == "active":
                headers = self._headers(webhook)
                body = lambda: json.dumps(payload()).encode()  # noqa: E731
                self.courier.post(
                    Parcel(webhook.delivery_url, headers, body, webhook.secret, "X-WC-Webhook-Signature", webhook.count)
                )

    def answer(self, endpoint: str, request: Request) -> Reply:
        """`/wc/v3/webhooks` and what is under it."""
        _, _, number = endpoint.partition("/")
        if not number:
            return self._create(request.json()) if request.method == "POST" else self._list(request)
        webhook = self.all.get(int(number)) if number.isdigit() else None
        if webhook is None:
            return error(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        if request.method == "DELETE":
            if request.param("force") != "true":
                return error(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
            del self.all[webhook.id]
        return Reply(200, self._shown(webhook))

    def _create(self, wanted: dict[str, Any]) -> Reply:
        if wanted.get("topic") not in HOOKS:
            words = "Webhook topic is required and must be valid."
            return error(400, "woocommerce_rest_shop_webhook_invalid_topic", words)
        url = str(wanted.get("delivery_url") or "")
        if not url.startswith(("http://", "https://")):
            words = "Webhook delivery URL must be a valid URL starting with http:// or https://."
            return error(400, "woocommerce_rest_shop_webhook_invalid_delivery_url", words)
        webhook = self.make(str(wanted.get("name") or "Webhook"), wanted["topic"], url, wanted.get("secret") or "")
        return Reply(201, self._shown(webhook))

    def _list(self, request: Request) -> Reply:
        size, page = int(request.param("per_page", "10")), int(request.param("page", "1"))
        found = sorted(self.all.values(), key=lambda one: one.id)
        rows = [self._shown(one) for one in found[size * (page - 1) : size * page]]
        headers = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(-(-len(found) // size))}
        return Reply(200, rows, headers)

    def _headers(self, webhook: Webhook) -> dict[str, str]:
        resource, _, event = webhook.topic.partition(".")
        return {
            "User-Agent": AGENT,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self._home()}/",
            "X-WC-Webhook-Topic": webhook.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-ID": str(webhook.id),
            "X-WC-Webhook-Delivery-ID": secrets.token_hex(16),
        }

    def _shown(self, webhook: Webhook) -> dict[str, Any]:
        resource, _, event = webhook.topic.partition(".")
        here = f"{self._home()}/wp-json/wc/v3/webhooks"
        allow = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return {
            "id": webhook.id,
            "name": webhook.name,
            "status": webhook.status,
            "topic": webhook.topic,
            "resource": resource,
            "event": event,
            "hooks": HOOKS[webhook.topic],
            "delivery_url": webhook.delivery_url,
            "date_created": f"{webhook.created + self._offset:%Y-%m-%dT%H:%M:%S}",
            "date_created_gmt": f"{webhook.created:%Y-%m-%dT%H:%M:%S}",
            "date_modified": None,
            "date_modified_gmt": None,
            "_links": {
                "self": [{"href": f"{here}/{webhook.id}", "targetHints": {"allow": allow}}],
                "collection": [{"href": here}],
            },
        }
