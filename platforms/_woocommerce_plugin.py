"""The companion plugin of a WooCommerce store: whether it is there, and what it has kept.

API: `/wp-json/wc-winback/v1` under the store's own REST keys, served by the plugin in `woocommerce_plugin/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from connector.errors import ConfigError, TransientError
from connector.model import Finding, Visits
from platforms._woocommerce_api import Answer, Api, NoRouteError, PluginRefusesError
from platforms._woocommerce_captured import at
from platforms._woocommerce_page_size import Pages
from platforms._woocommerce_records import Record

NAMESPACE = "wc-winback/v1"
VERSION = "1"  # of the endpoint, not of the plugin
PAGE = 200
OVERLAP = timedelta(seconds=60)  # behind the cursor: a database replica may lag behind
REMEMBERED = timedelta(days=30)  # after which one that went is not missed any more
LOOK_EVERY = timedelta(minutes=10)  # on the store's clock, while it is not there

SWITCHED_OFF = Finding(
    "The companion plugin is not there any more: it was switched off or removed. Winback goes on with the store's "
    "orders, and may miss shoppers who leave with only an address typed. Activate Winback for WooCommerce under "
    "Plugins, and it goes on from where it was; if it is meant to be off, this note ends after 30 days.",
    "companion plugin",
    "error",
)


@dataclass(frozen=True)
class Batch:
    """Rows oldest change first. `reached` is the change time as far as which all rows were given."""

    rows: tuple[Any, ...]
    reached: datetime
    date: datetime | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Page:
    rows: tuple[Any, ...]
    reached: datetime
    more: bool
    last: dict[str, str]  # where the list goes on


class Plugin:
    """The plugin's endpoints.

    Raises NoRouteError where it is not active, PluginRefusesError where only it cannot be read, and the three errors.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._there = False
        self._looked: datetime | None = None

    def is_there(self) -> bool:
        """Whether it is active. One that came meanwhile is found within LOOK_EVERY; one that went, by reading it."""
        now = self._api.date
        if not self._there and (self._looked is None or now is None or now - self._looked >= LOOK_EVERY):
            self.was_seen(self._look())
        return self._there

    def was_seen(self, there: bool) -> None:
        """Notes what a look, or reading it, has shown."""
        self._there, self._looked = there, self._api.date

    def is_missed(self, reached: datetime) -> bool:
        """Whether it was read not long ago, as far as `reached`."""
        return self._api.date is None or self._api.date - reached < REMEMBERED

    def _look(self) -> bool:
        try:
            return offers(self._api.index().data)
        except ConfigError:  # security plugins hide the index: then only asking tells
            pass
        try:
            self.status()
        except NoRouteError:
            return False
        except PluginRefusesError:  # reading it will say so
            return True
        return True

    def status(self) -> Record:
        """What it says of itself."""
        body: Record = self._get("status", {}).data
        return body

    def checkouts(self, reached: datetime) -> Iterator[Batch]:
        """Every checkout with an address that changed since `reached`, from OVERLAP before it."""
        start = (reached - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
        query, pages = {"modified_after": start}, Pages(partial(self._get, "checkouts"), PAGE, 1)
        while True:
            answer = pages.ask(query)
            page = self._page(answer.data)
            reached = max(reached, min(page.reached, answer.date or page.reached))
            yield Batch(page.rows, reached, answer.date, answer.findings)
            if not page.more:
                return
            if not page.last or query == (query := query | page.last):
                raise TransientError(f"{self._api.door.name}: the companion plugin's list does not go on")

    def _page(self, body: Record) -> _Page:
        try:
            last, more = body.get("next") or {}, bool(body.get("has_more"))
            # By the clock that wrote the rows. At the end of the list, all that it wrote till now was given.
            clock = at(body["store_time"])
            reached = min(clock, at(last["modified_after"])) if more and last else clock
            following = {name: str(last[name]) for name in ("modified_after", "after_id") if last}
            return _Page(tuple(body["checkouts"]), reached, more, following)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._odd() from None

    def visits(self, since: date) -> list[Visits]:
        """Checkouts started on each day since, by whomever."""
        body = self._get("visits", {"since": since.isoformat()}).data
        try:
            return [
                Visits(date.fromisoformat(one["day"]), int(one["started"]), int(one["contactable"]))
                for one in body["days"]
            ]
        except (KeyError, TypeError, ValueError, ArithmeticError):
            raise self._odd() from None

    def _get(self, endpoint: str, query: Mapping[str, str]) -> Answer:
        answer = self._api.get(endpoint, query, namespace=NAMESPACE)
        if not isinstance(answer.data, dict) or "version" not in answer.data:
            raise self._odd()
        if str(answer.data["version"]) != VERSION:
            raise PluginRefusesError(
                f"{self._api.door.name}: this Winback does not know version {answer.data['version']} of the companion "
                f"plugin's answers. Update Winback, or put the plugin in that `winback woocommerce-plugin` writes"
            )
        return answer

    def _odd(self) -> TransientError:
        return TransientError(f"{self._api.door.name}: the companion plugin answered with something else than expected")


def offers(index: Any) -> bool:
    """Whether WordPress' index of itself names the plugin."""
    return isinstance(index, dict) and NAMESPACE in (index.get("namespaces") or ())
