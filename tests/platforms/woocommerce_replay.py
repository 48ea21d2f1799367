"""The recorded exchanges of a real WooCommerce store, and a server that gives them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connector.http import Http, Timeouts
from connector.sandbox import Reply, Request, Server
from platforms.woocommerce import WooCommerce, WooCommerceOptions

FOLDER = Path(__file__).parents[1] / "recorded" / "woocommerce"
STORE = "https://127.0.0.1:8088"  # what the recorded store calls itself
KEYS = {"consumer_key": "ck_" + "1" * 40, "consumer_secret": "cs_" + "2" * 40}

HTTP = Http(timeouts=Timeouts(total=10))

Exchange = dict[str, Any]


def names() -> list[str]:
    """Every recorded file, without its ending."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def exchanges(name: str) -> list[Exchange]:
    """The exchanges of one file, in their order."""
    recorded = json.loads((FOLDER / f"{name}.json").read_text())
    found: list[Exchange] = recorded.get("exchanges") or [recorded]
    return found


def order_bodies(name: str) -> list[list[dict[str, Any]]]:
    """The lists of orders that a file's good GETs brought; a single order is a list of one."""
    bodies = [
        exchange["response"]["body"]
        for exchange in exchanges(name)
        if exchange["request"]["method"] == "GET"
        and exchange["request"]["path"].startswith("/wp-json/wc/v3/orders")
        and "/notes" not in exchange["request"]["path"]
        and exchange["response"]["status"] == 200
    ]
    lists = [body if isinstance(body, list) else [body] for body in bodies if isinstance(body, list | dict)]
    return [body for body in lists if body]


def reply(exchange: Exchange) -> Reply:
    """The recorded answer, once more."""
    answer = exchange["response"]
    body = answer["body"].encode() if isinstance(answer["body"], str) else answer["body"]
    return Reply(answer["status"], body, answer["headers"])


@contextmanager
def store(handler: Callable[[Request], Reply], **options: Any) -> Iterator[WooCommerce]:
    """The adapter before a server that answers as `handler` says."""
    with Server(handler) as server:
        given = {"id": "shop", "platform": "woocommerce", "url": STORE, "base_url": server.url, **KEYS, **options}
        yield WooCommerce(WooCommerceOptions(**given), HTTP)


@contextmanager
def listing(orders: list[dict[str, Any]], **options: Any) -> Iterator[WooCommerce]:
    """The adapter before a store whose every list of orders is this one."""
    with store(lambda _: Reply(200, orders), **options) as adapter:
        yield adapter
