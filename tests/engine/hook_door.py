"""A world's web server with its hook route, and short ways to knock at it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

from world import World

from connector.engine.hooked import Hooks
from connector.hook_route import route
from connector.hooks import signature
from connector.metrics import Metrics
from connector.web import Running, State, create_app, serve

SHOP_TOPIC = {"X-Shopify-Topic": "orders/create"}


class Door:
    """A world's web server with its hook route, and short ways to knock at it."""

    def __init__(self, acme: World, web: Running, hooks: Hooks, metrics: Metrics) -> None:
        self.acme, self.web, self.hooks, self.metrics = acme, web, hooks, metrics

    def url(self, store: str = "shop", client: str = "acme") -> str:
        """Where the webhooks of a store go."""
        return f"{self.web.url}/hooks/{client}/{store}"

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> int:
        """Knocks; the answer's status. Its body must be empty."""
        connection = http.client.HTTPConnection(self.web.host, self.web.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            said = answer.read()
            assert method != "POST" or said == b""
            return answer.status
        finally:
            connection.close()

    def signed(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/hooks/acme/shop") -> int:
        """A webhook that the pretend Shopify shop has signed."""
        mine = {"X-Shopify-Hmac-SHA256": signature(self.acme.shop.client_secret, body)}
        return self.post(path, body, {**(SHOP_TOPIC if headers is None else headers), **mine})

    def count(self, outcome: str) -> float:
        """How many webhooks ended so."""
        name, labels = "winback_webhooks_total", {"client": "acme", "store": "shop", "outcome": outcome}
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def opened(acme: World) -> Iterator[Door]:
    """The web server of a world, with a password."""
    metrics, hooks = Metrics(), Hooks(acme.ctx)
    acme.ctx.numbers = metrics
    state = State(dict, metrics.registry, login=lambda: ("", "secret"), signed=[route(hooks)])
    web = serve(create_app(state), "127.0.0.1:0", password="secret")
    try:
        yield Door(acme, web, hooks, metrics)
    finally:
        web.close()
