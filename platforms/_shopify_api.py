"""One Shopify account over HTTP: its address, its token, and one GraphQL request with its query budget.

All use of the `shopifyapi` package is here: it knows domains, versions and paths. Nothing of it is sent through its
own client, which has no time-out and prints error bodies, and no session is ever activated, because that is global.
It is imported late: it costs 0.1 s.

Limits: https://shopify.dev/docs/api/usage/limits (read 2026-11-22)
Client credentials: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.errors import ConfigError, TransientError, WinbackError
from connector.http import Door, Response
from platforms import _shopify_words as words

VERSION = "2026-10"
TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105
MAX_COST = 1000.0  # points that one query may ask for
LONGEST_WAIT = 10.0  # seconds for the budget to fill up; a longer wait goes back to the queue
PATIENCE = 6  # times that one query waits
RENEW_BEFORE = 300.0  # seconds before a token ends


def shop_domain(text: str) -> str:
    """`acme`, `acme.myshopify.com` or its address as `acme.myshopify.com`. Raises ValueError for any other domain."""
    from shopify import Session

    name = re.fullmatch(r"(?:https?://)?([a-z0-9][a-z0-9-]*)(?:\.myshopify\.com)?(?:/admin)?/?", text.strip().lower())
    if not name:
        raise ValueError(
            f"{text!r} is not a Shopify shop name; write it as acme.myshopify.com, "
            "as the Shopify admin shows it under Settings → Domains"
        )
    return str(Session(name[1], VERSION).url)


def shop_origin(domain: str) -> str:
    """`https://acme.myshopify.com`, which the paths are appended to."""
    from shopify import Session

    return f"{Session.protocol}://{domain}"


def graphql_path() -> str:
    """The path of the GraphQL endpoint in the version that this adapter speaks."""
    from shopify import ApiVersion

    return f"{ApiVersion.coerce_to_version(VERSION).api_path('')}/graphql.json"


@dataclass(frozen=True)
class Client:
    """The client id and secret of a Dev Dashboard app. Its `repr` shows neither."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return "Client()"


@dataclass(frozen=True)
class Budget:
    """`extensions.cost`: points asked for, points there now, the most there can be, and points that return a second."""

    requested: float = 100.0
    available: float = 0.0
    maximum: float = MAX_COST
    restored: float = 50.0

    @property
    def wait(self) -> float:
        """Seconds until the same query fits."""
        return max(0.05, (min(self.requested, self.maximum) - self.available) / max(self.restored, 0.1))


@dataclass(frozen=True)
class Answer:
    """What Shopify answered. `data` may be partial; `refusals` says what is missing. `date` is the shop's clock."""

    data: Mapping[str, Any] | None
    refusals: tuple[words.Refusal, ...]
    budget: Budget
    throttled: bool
    too_costly: bool
    date: datetime | None
    version: str


class Api:
    """Sends GraphQL queries for one shop with a valid token. Safe to use from many threads."""

    def __init__(self, name: str, open_door: Callable[[str], Door], *, token: str = "", client: Client | None = None):
        self.name = name
        self._open, self._client = open_door, client
        self._path = graphql_path()
        self._lock = threading.Lock()
        self._door = open_door(token) if token else None
        self._renew_at = float("inf")

    def query(self, document: str, variables: Mapping[str, Any]) -> Answer:
        """The answer to one query, after waiting for the query budget where that is short. Raises the three errors."""
        for _ in range(PATIENCE):
            answer = self._read(self._send({"query": document, "variables": dict(variables)}))
            if not answer.throttled:
                return answer
            if answer.budget.wait > LONGEST_WAIT:
                break
            time.sleep(answer.budget.wait)
        raise TransientError(
            f"{self.name}: the app's query budget is used up; reading goes on later", answer.budget.wait
        )

    def _send(self, payload: Mapping[str, Any]) -> Response:
        door = self._current()
        for last in (False, True):
            response = door.request(
                "POST", self._path, json=payload, allow=(*words.STATUSES, 430), repeatable=True, pages=True
            )
            if response.status != 401 or last or self._client is None:
                break
            door = self._renewed(door)
        if response.status != 200:
            raise self._refused(door, response)
        return response

    def _refused(self, door: Door, response: Response) -> WinbackError:
        if response.status == 430:  # Shopify's own code for a request that its security turned away
            return TransientError(f"{self.name}: Shopify's security turned the request away; it is tried again")
        known = words.STATUSES.get(response.status)
        return ConfigError(f"{self.name}: {known}") if known else door.error(response)

    def _read(self, response: Response) -> Answer:
        body = response.json()
        if not isinstance(body, dict):
            raise TransientError(f"{self.name}: the answer is not a GraphQL answer")
        errors = _errors(body)
        codes = {_code(error) for error in errors}
        limited = bool(codes & {"THROTTLED", "MAX_COST_EXCEEDED"})
        refusals = []
        for error in errors:
            if found := words.refusal(error):
                refusals.append(found)
            elif not limited:
                raise self._trouble(error)
        return Answer(
            body.get("data"),
            tuple(refusals),
            _budget(body),
            throttled="THROTTLED" in codes,
            too_costly="MAX_COST_EXCEEDED" in codes,
            date=response.date,
            version=response.headers.get("x-shopify-api-version", ""),
        )

    def _trouble(self, error: Mapping[str, Any]) -> WinbackError:
        message = str(error.get("message") or "")
        return words.trouble(self.name, _code(error), self._door.redact(message) if self._door else "")

    def _current(self) -> Door:
        with self._lock:
            if self._door is None or time.monotonic() >= self._renew_at:
                self._door = self._login()
            return self._door

    def _renewed(self, stale: Door) -> Door:
        """A door with another token than the refused one; another thread may have opened it already."""
        with self._lock:
            if self._door is stale or self._door is None:
                self._door = self._login()
            return self._door

    def _login(self) -> Door:
        """Trades the client id and secret for a token, which Shopify lets live for a day."""
        if self._client is None:
            raise ConfigError(f"{self.name}: {words.STATUSES[401]}")
        door = self._open("")
        asked_at = time.monotonic()
        response = door.request(
            "POST",
            TOKEN_PATH,
            form={
                "grant_type": "client_credentials",
                "client_id": self._client.id,
                "client_secret": self._client.secret,
            },
            allow=(400, 401, 403, 404),
            repeatable=True,
            pages=True,
        )
        if response.status != 200:
            raise self._grant_refused(response)
        body = response.json()
        token = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token:
            raise TransientError(f"{self.name}: Shopify answered the login without a token")
        life = float(body.get("expires_in") or 0)
        self._renew_at = asked_at + life - min(RENEW_BEFORE, life / 2)
        return self._open(token)

    def _grant_refused(self, response: Response) -> ConfigError:
        if response.status == 404:
            return ConfigError(f"{self.name}: {words.STATUSES[404]}")
        # The reason comes as JSON or in an HTML page, "Oauth error app_not_installed: …".
        text = response.body[:20000].decode("utf-8", "replace")
        for code, meaning in words.GRANT_ERRORS.items():
            if code in text:
                return ConfigError(f"{self.name}: {meaning} ({code})")
        reason = re.search(r"Oauth error (\w+)", text)
        detail = f" ({reason[1]})" if reason else ""
        return ConfigError(
            f"{self.name}: Shopify refuses client_id and client_secret, HTTP {response.status}{detail}. "
            "Copy both again from the Dev Dashboard → your app → Settings"
        )


def _errors(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = body.get("errors") or []
    if not isinstance(errors, list):
        errors = [errors]
    return [error if isinstance(error, dict) else {"message": str(error)} for error in errors]


def _code(error: Mapping[str, Any]) -> str:
    return str((error.get("extensions") or {}).get("code") or "")


def _budget(body: Mapping[str, Any]) -> Budget:
    cost = (body.get("extensions") or {}).get("cost")
    if not isinstance(cost, dict):
        return Budget()
    status = cost.get("throttleStatus") or {}
    return Budget(
        float(cost.get("requestedQueryCost") or 0),
        float(status.get("currentlyAvailable") or 0),
        float(status.get("maximumAvailable") or MAX_COST),
        float(status.get("restoreRate") or 50),
    )
