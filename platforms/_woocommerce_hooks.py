"""WooCommerce's webhooks: what they ask for, and those of ours in the store.

API: `/wp-json/wc/v3/webhooks`, https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks (read November 2026;
tried on 10.5.0). Reading them takes the permission Read, making and deleting them Read/Write.
Signature: X-WC-Webhook-Signature, base64 of HMAC-SHA256 over the raw body with the webhook's own secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connector.errors import ConfigError
from connector.hooks import Hint, Installed, check_signature, same_place
from platforms._woocommerce_api import Api

# A draft that is paid is created and updated. A deleted order is in no list, so there would be nothing to read.
TOPICS = ("order.created", "order.updated")
NAME = "Winback"
PING = re.compile(rb"webhook_id=\d+")
PAGE, MOST_PAGES = 100, 20
# wp_safe_remote_request connects to no other: https://developer.wordpress.org/reference/functions/wp_http_validate_url/
PORTS = (None, 80, 443, 8080)
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")  # a test server's
DISABLED = (
    "WooCommerce has switched it off, because it could not be delivered more than five times in a row. See that the "
    "address can be reached from the store, then run `winback hooks install`"
)
PAUSED = "it is paused. Activate it under WooCommerce > Settings > Advanced > Webhooks"
OTHER_KEY = "it is signed with the secret of another key, so what it sends is refused: run `winback hooks install`"


def derived_secret(consumer_secret: str) -> str:
    """The secret of our webhooks, where the owner chose none: the same for as long as the key is, and kept nowhere."""
    return hmac.new(consumer_secret.encode(), b"winback webhooks", hashlib.sha256).hexdigest()


def read(secret: str, headers: Mapping[str, str], body: bytes) -> Hint | None:
    """What a webhook asks for. Raises SignatureError."""
    given = headers.get("x-wc-webhook-signature", "")
    if not given and PING.fullmatch(body):
        return None  # sent unsigned when a webhook is made; WooCommerce wants a 200
    check_signature(secret, body, given)
    return Hint() if headers.get("x-wc-webhook-topic", "").startswith("order.") else None


def installed(api: Api, url: str, secret: str) -> list[Installed]:
    """The store's webhooks that lead to us. Ours are known by their names, too: other people's are never touched."""
    found: list[Installed] = []
    for page in range(1, MOST_PAGES + 1):
        rows = api.get("webhooks", {"per_page": str(PAGE), "page": str(page), "orderby": "id", "order": "asc"}).data
        if not isinstance(rows, list):
            raise ConfigError(f"{api.door.name}: WooCommerce's list of webhooks is no list")
        found += [_installed(row, secret) for row in rows if same_place(str(row.get("delivery_url")), url)]
        if len(rows) < PAGE:
            break
    return found


def _installed(row: Mapping[str, Any], secret: str) -> Installed:
    name, status = str(row.get("name")), row.get("status")
    ours = name.split(" ")[0] == NAME
    problem = ""
    if status != "active":
        problem = PAUSED if status == "paused" else DISABLED
    elif ours and name != name_for(secret):
        problem = OTHER_KEY
    return Installed(str(row["id"]), str(row.get("topic")), str(row["delivery_url"]), problem, ours)


def name_for(secret: str) -> str:
    """What our webhooks are called in the store. WooCommerce shows no secret, so the name tells which one it has."""
    return f"{NAME} {hmac.new(secret.encode(), b'name', hashlib.sha256).hexdigest()[:8]}"


def install(api: Api, url: str, secret: str) -> list[str]:
    """Makes what is missing, and replaces ours that lead elsewhere or bring nothing. Says what was done.

    Replaced and not changed, because WooCommerce goes on counting the failures of one that is activated again.
    """
    parts = urlsplit(url)
    if parts.port not in PORTS and parts.hostname not in THIS_MACHINE:
        raise ConfigError(f"{api.door.name}: WordPress sends webhooks to the ports 80, 443 and 8080 only, not to {url}")
    had = [one for one in installed(api, url, secret) if one.ours]
    done: list[str] = []
    keep: dict[str, Installed] = {}
    for one in had:
        if one.url == url and one.topic in TOPICS and not one.problem:
            keep.setdefault(one.topic, one)
    for topic in TOPICS:
        if topic not in keep:
            api.post("webhooks", {"name": name_for(secret), "topic": topic, "delivery_url": url, "secret": secret})
            done.append(f"{topic}: installed")
    return done + [_delete(api, one) for one in had if one not in keep.values()]


def remove(api: Api, url: str, secret: str) -> list[str]:
    """Deletes ours. Says what was done."""
    return [_delete(api, one) for one in installed(api, url, secret) if one.ours]


def _delete(api: Api, one: Installed) -> str:
    api.delete(f"webhooks/{one.id}")
    return f"{one.topic}: removed from {one.url}"
