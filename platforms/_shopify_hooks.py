"""Shopify's webhooks: what they ask for, and our subscriptions to them.

Signature: X-Shopify-Hmac-SHA256, base64 of HMAC-SHA256 over the raw body with the app's client secret.
https://shopify.dev/docs/apps/build/webhooks/verify-deliveries (read 2026-11-22)
Privacy requests: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance (read 2026-11-22)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector.errors import ConfigError
from connector.hooks import Asks, Hint, Installed, check_signature, same_place
from platforms import _shopify_words as words
from platforms._shopify_api import Answer, Api
from platforms._shopify_queries import HOOK_CREATE, HOOK_DELETE, HOOKS

# checkouts/create is not among them: Shopify lists no checkout before it has been left for ten minutes. An order that
# is cancelled, edited or refunded is updated, too.
TOPICS = ("checkouts/update", "orders/create", "orders/updated")
# Nothing of a shopper is sent at all. Without a time, changes in quick succession would look alike to Shopify, which
# then sends only one: https://shopify.dev/changelog/webhooks-delivered-from-shopify-are-being-improved-to-send-payloads-more-efficiently
FIELDS = ("id", "updated_at")
PAGE, MOST_PAGES = 100, 20
# The topic is not signed. So that no other signed body can be passed off as a request, each must also look like it.
PRIVACY = {
    "customers/redact": (Asks.ERASURE, "orders_to_redact"),
    "customers/data_request": (Asks.ACCOUNT, "data_request"),
    "shop/redact": (Asks.CLOSURE, "shop_id"),
}


def read(shop: str, secret: str, headers: Mapping[str, str], body: bytes) -> Hint | None:
    """What a webhook asks for. Raises SignatureError."""
    check_signature(secret, body, headers.get("x-shopify-hmac-sha256", ""))
    topic = headers.get("x-shopify-topic", "")
    if topic in PRIVACY:
        return _privacy(shop, topic, _object(body))
    return Hint() if topic.startswith(("checkouts/", "orders/")) else None


def _privacy(shop: str, topic: str, request: Mapping[str, Any]) -> Hint | None:
    asks, telling = PRIVACY[topic]
    about = request.get("shop_domain")
    if telling not in request or not isinstance(about, str) or (asks is Asks.CLOSURE and "customer" in request):
        return None
    customer, asked = _inner(request, "customer"), _inner(request, "data_request")
    email, number = customer.get("email"), customer.get("id")
    return Hint(
        asks,
        email=email if isinstance(email, str) else "",
        customer_id=f"gid://shopify/Customer/{number}" if type(number) is int else "",
        number=str(asked["id"]) if type(asked.get("id")) is int else "",
        other_store="" if about.lower() == shop else about,
    )


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _inner(request: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = request.get(name)
    return found if isinstance(found, dict) else {}


def installed(api: Api, url: str) -> list[Installed]:
    """Our subscriptions. Shopify shows an app no others than its own."""
    found: list[Installed] = []
    after = None
    for _ in range(MOST_PAGES):
        data = _data(api, api.query(HOOKS, {"first": PAGE, "after": after}))["webhookSubscriptions"]
        for node in data["nodes"]:
            one = Installed(node["id"], node["topic"].lower().replace("_", "/", 1), node["uri"])
            found += [one] if same_place(one.url, url) else []
        after = data["pageInfo"]["endCursor"]
        if not data["pageInfo"]["hasNextPage"]:
            break
    return found


def install(api: Api, url: str) -> list[str]:
    """Subscribes to what is missing at this address, and ends subscriptions at others. Says what was done."""
    had, done = installed(api, url), []
    keep: dict[str, Installed] = {}
    for one in had:
        if one.url == url and one.topic in TOPICS:
            keep.setdefault(one.topic, one)
    for topic in TOPICS:
        if topic not in keep:
            _create(api, topic, url)
            done.append(f"{topic}: installed")
    return done + [_delete(api, one) for one in had if one not in keep.values()]


def remove(api: Api, url: str) -> list[str]:
    """Ends every subscription of ours. Says what was done."""
    return [_delete(api, one) for one in installed(api, url)]


def _create(api: Api, topic: str, url: str) -> None:
    hook = {"uri": url, "format": "JSON", "includeFields": list(FIELDS)}
    name = topic.upper().replace("/", "_")
    answer = _data(api, api.query(HOOK_CREATE, {"topic": name, "hook": hook}))["webhookSubscriptionCreate"]
    # A request whose answer was lost is sent again, and refused then because it has had its effect.
    if (errors := _errors(answer)) and (topic, url) not in [(one.topic, one.url) for one in installed(api, url)]:
        raise ConfigError(f"{api.name}: Shopify does not take the webhook {topic} to {url}: {errors}")


def _delete(api: Api, one: Installed) -> str:
    answer = _data(api, api.query(HOOK_DELETE, {"id": one.id}))["webhookSubscriptionDelete"]
    if (errors := _errors(answer)) and one.id in [each.id for each in installed(api, one.url)]:
        raise ConfigError(f"{api.name}: Shopify does not remove the webhook {one.topic}: {errors}")
    return f"{one.topic}: removed from {one.url}"


def _errors(answer: Mapping[str, Any]) -> str:
    return "; ".join(str(error["message"]) for error in answer["userErrors"])


def _data(api: Api, answer: Answer) -> Mapping[str, Any]:
    if answer.refusals:
        raise words.denied(api.name, answer.refusals[0])
    if not answer.data:
        raise ConfigError(f"{api.name}: Shopify answered without the webhooks")
    return answer.data
