"""A browser with cookies, and what it gets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import urllib3

Json = Any


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: urllib3.HTTPHeaderDict
    text: str

    @property
    def json(self) -> Json:
        """The body, which must be JSON."""
        return json.loads(self.text)


@dataclass
class Browser:
    """A browser with its own cookies; it follows no redirect by itself."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=30))

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Opens a page."""
        return self._send(method, path, None, headers)

    def post(self, path: str, **fields: Any) -> Answer:
        """Sends a form."""
        return self._send("POST", path, urlencode(_flat(fields)), {"content-type": "application/x-www-form-urlencoded"})

    def act(self, act: str, **fields: Any) -> Json:
        """Has the stand-in do something, see store/shopper.php."""
        answer = self.post("/", stub=act, **fields)
        assert answer.status == 200, answer.text
        return answer.json

    def type(self, email: str, **fields: str) -> Answer:
        """The block checkout pushes what was typed."""
        return self.push({"billing_address": {"email": email, **fields}})

    def push(self, addresses: Json, **headers: str) -> Answer:
        """The block checkout pushes addresses."""
        path = "/wp-json/wc/store/v1/cart/update-customer"
        answer = self._send("POST", path, json.dumps(addresses), headers | {"content-type": "application/json"})
        assert answer.status == 200, answer.text
        return answer

    def follow(self, path: str) -> Answer:
        """Opens a page and what it redirects to."""
        answer = self.get(path)
        return self.get(answer.headers["location"].removeprefix(self.url)) if answer.status == 302 else answer

    def log_in(self, user: int) -> None:
        """From here on the shopper is logged in."""
        assert self.post("/", stub_login=user).json == {"user": user}

    def look(self) -> Json:
        """The cart, the customer and the notices of this browser's session."""
        return self.act("look")

    def _send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"cookie": cookie}
        got = self.pool.request(method, self.url + path, body=body, headers=sent, redirect=False)
        for line in got.headers.getlist("set-cookie"):
            self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
        return Answer(got.status, got.headers, got.data.decode())


def _flat(fields: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        full = f"{prefix}[{name}]" if prefix else name
        pairs += _flat(value, full) if isinstance(value, dict) else [(full, str(value))]
    return pairs
