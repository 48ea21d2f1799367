"""WooCommerce: its open checkouts are those that the companion plugin has kept, or else unpaid orders.

API: `/wp-json/wc/v3/orders`, https://woocommerce.github.io/woocommerce-rest-api-docs/ (read November 2026; tried on
10.5.0). Key: a REST API key with the permission Read. Limits: none of WooCommerce's own, 100 orders a page; small hosts
are slow (about a second for a full page), so two requests at a time. Over https the key goes by Basic, over plain http
each request is signed (OAuth 1).

Without the plugin: up to 10.8 the block checkout keeps a draft order from the moment that its page opens, with the
e-mail as soon as it is typed. From 10.9 on, and on classic checkouts always, an order comes to be with "Place order"
and no sooner. With it, unpaid orders are read too, but for those whose checkout the plugin tells of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr

from connector.errors import ConfigError, WinbackError
from connector.hooks import Hint, Installed
from connector.http import Http, Rate
from connector.model import Checkout, Finding, Health, Identity, Order, Page, Visits
from connector.registry import Cap, Companion, StoreOptions, Url, platform
from platforms import _woocommerce_captured as captured
from platforms import _woocommerce_hooks as webhooks
from platforms import _woocommerce_records as records
from platforms._woocommerce_about import sight, time_zone, without_scheme
from platforms._woocommerce_api import (
    PERMALINKS,
    Answer,
    Api,
    Credentials,
    NoRouteError,
    PluginRefusesError,
    UnknownValueError,
)
from platforms._woocommerce_coupons import WooCommerceCoupons, with_coupon
from platforms._woocommerce_paging import read
from platforms._woocommerce_plugin import SWITCHED_OFF, Plugin, offers

T = TypeVar("T")

PLUGIN = "plugin"  # its place in the cursor, which has one for each source
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
# _fields picks nothing inside a list
STATUS_FIELDS = "environment.home_url,environment.version,environment.language,pages"


class WooCommerceOptions(StoreOptions):
    """A WooCommerce store."""

    platform: Literal["woocommerce"]
    url: Url = Field(description="The store's address, as WordPress has it under Settings > General.")
    consumer_key: SecretStr = Field(
        description="From WooCommerce > Settings > Advanced > REST API; Read is enough without coupons."
    )
    consumer_secret: SecretStr
    purchase_statuses: tuple[str, ...] = Field(
        ("processing", "completed", "on-hold", "refunded"), description="Order statuses that mean: bought."
    )
    consent_keys: tuple[str, ...] = Field(
        (
            "mailchimp_woocommerce_is_subscribed",
            "_wc_other/*/marketing-opt-in",
            "_wc_other/*/marketing-consent",
            "_wc_other/*/newsletter-opt-in",
            "_wc_other/*/newsletter",
        ),
        description="Order fields that hold the marketing opt-in, the most telling first; * stands for anything.",
    )
    key_in_query: bool = Field(
        False, description="Send the key in the address, for web servers that drop the Authorization header."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="The secret of webhooks that you made by hand. Default: made of the consumer secret."
    )


@platform
class WooCommerce:
    """One WooCommerce store, read with a REST API key."""

    name: ClassVar[str] = "woocommerce"
    title: ClassVar[str] = "WooCommerce"
    capabilities: ClassVar[frozenset[Cap]] = frozenset(
        {Cap.CHECKOUTS, Cap.ORDERS, Cap.CONSENT, Cap.RECOVERY_URL, Cap.STARTS, Cap.WEBHOOKS, Cap.COUPONS}
    )
    hook_topics: ClassVar[tuple[str, ...]] = webhooks.TOPICS
    companion: ClassVar[Companion] = Companion(
        command="woocommerce-plugin",
        title="the plugin for WooCommerce",
        folder=Path(__file__).parent / "woocommerce_plugin",
        name="winback-for-woocommerce",
        install="In WordPress, open Plugins > Add New > Upload Plugin, choose the file, and activate it.",
    )
    rate: ClassVar[Rate] = Rate(connections=2)
    Options: ClassVar[type[StoreOptions]] = WooCommerceOptions
    with_coupon = staticmethod(with_coupon)

    def __init__(self, options: WooCommerceOptions, http: Http) -> None:
        self.options = options
        door = http.door(
            options.base_url or options.url,
            name=options.id,
            rate=options.limit(self.rate),
            secrets=options.secrets(),
        )
        key, secret = options.consumer_key.get_secret_value(), options.consumer_secret.get_secret_value()
        self._api = Api(door, Credentials(key, secret, options.key_in_query))
        self._plugin = Plugin(self._api)
        self._captures = False  # whether the plugin tells of checkouts, so that the orders of those are left out
        self.coupons = WooCommerceCoupons(self._api)
        self._open_statuses: tuple[str, ...] = records.OPEN_STATUSES
        self._hook_secret = options.webhook_secret or SecretStr(webhooks.derived_secret(secret))

    def __repr__(self) -> str:
        return f"WooCommerce({self.options.id})"

    def checkouts(self, cursor: str | None, since: datetime) -> Iterator[Page[Checkout]]:
        """What the companion plugin has kept, then unpaid orders made at a checkout; each oldest change first."""
        reached = _places(cursor)
        trouble = yield from self._captured(reached, since)
        for page in self._pages("checkouts", self._unpaid, self._checkout, reached, since):
            yield replace(page, findings=(*trouble, *page.findings))
            trouble = ()

    def orders(self, cursor: str | None, since: datetime) -> Iterator[Page[Order]]:
        """Orders in every status but drafts. Which are purchases is decided here, so that no status is refused."""
        return self._pages("orders", self._placed, self._order, _places(cursor), since)

    def visits(self, since: date) -> Sequence[Visits]:
        """Checkouts started on each UTC day, as the companion plugin counts them; none without it."""
        try:
            return self._plugin.visits(since) if self._plugin.is_there() else ()
        except ConfigError:  # reading its checkouts says why
            return ()

    def check(self) -> Health:
        """Whether the store can be read with this key, and what it will not show. Raises the three errors."""
        about = self._about()
        findings = [*self._unknown_statuses(), *self._plain_http()]
        plugin, status = self._plugin_status(about, findings), self._system_status(findings)
        if status or plugin:
            findings += sight(status, plugin)
        environment = status.get("environment") or {}
        home = about.get("home") or about.get("url") or environment.get("home_url")
        identity = Identity(without_scheme(home or self.options.url), str(about.get("name") or ""))
        return Health(identity, tuple(findings), time_zone(about), str(environment.get("language") or ""))

    def read_hook(self, headers: Mapping[str, str], body: bytes) -> Hint | None:
        """What a webhook asks for. Raises SignatureError."""
        return webhooks.read(self._hook_secret.get_secret_value(), headers, body)

    def hooks(self, url: str) -> Sequence[Installed]:
        """The store's webhooks that lead to us."""
        return webhooks.installed(self._api, url, self._hook_secret.get_secret_value())

    def install_hooks(self, url: str) -> Sequence[str]:
        """Makes the webhooks. The key needs the permission Read/Write."""
        return webhooks.install(self._api, url, self._hook_secret.get_secret_value())

    def remove_hooks(self, url: str) -> Sequence[str]:
        """Deletes the webhooks. The key needs the permission Read/Write."""
        return webhooks.remove(self._api, url, self._hook_secret.get_secret_value())

    def _captured(
        self, reached: dict[str, str], since: datetime
    ) -> Generator[Page[Checkout], None, tuple[Finding, ...]]:
        """The plugin's pages; returns why there are none (any more) where the owner should know."""
        self._captures = False
        if not self._plugin.is_there():
            return self._missed(reached)
        try:
            for batch in self._plugin.checkouts(_place(reached, PLUGIN, since)):
                items, findings = self._rows(batch.rows)
                reached[PLUGIN] = batch.reached.isoformat()
                yield Page(items, json.dumps(reached), batch.date, (*batch.findings, *findings))
        except NoRouteError:
            self._plugin.was_seen(False)
            return self._missed(reached)
        except PluginRefusesError as error:
            return (_unreadable(error),)
        self._captures = True
        return ()

    def _missed(self, reached: Mapping[str, str]) -> tuple[Finding, ...]:
        was_there = PLUGIN in reached and self._plugin.is_missed(datetime.fromisoformat(reached[PLUGIN]))
        return (SWITCHED_OFF,) if was_there else ()

    def _rows(self, rows: Sequence[Any]) -> tuple[tuple[Checkout, ...], list[Finding]]:
        items, findings = [], []
        for row in rows:
            try:
                items.append(captured.checkout(row, self.options.url, self.options.purchase_statuses))
            except UNREADABLE as error:
                number = str(row.get("id", "")) if isinstance(row, dict) else ""
                words = self._api.door.redact(f"{type(error).__name__}: {error}")
                findings.append(
                    Finding(f"Checkout {number} of the companion plugin could not be read ({words}).", number)
                )
        return tuple(items), findings

    def _pages(
        self,
        source: str,
        fetch: Callable[[Mapping[str, str]], Answer],
        convert: Callable[[records.Record], tuple[T | None, Finding | None]],
        reached: dict[str, str],
        since: datetime,
    ) -> Iterator[Page[T]]:
        for batch in read(fetch, _place(reached, source, since), self.options.id):
            items, findings = [], list(batch.findings)
            for one in batch.rows:
                item, finding = self._converted(convert, one)
                if item is not None:
                    items.append(item)
                if finding is not None and finding not in findings:
                    findings.append(finding)
            reached[source] = batch.reached.isoformat()
            yield Page(tuple(items), json.dumps(reached), batch.date, tuple(findings))

    def _converted(
        self, convert: Callable[[records.Record], tuple[T | None, Finding | None]], one: records.Row
    ) -> tuple[T | None, Finding | None]:
        try:
            return convert(one.record)
        except UNREADABLE as error:
            words = self._api.door.redact(f"{type(error).__name__}: {error}")
            return None, Finding(f"Order {one.id} could not be read ({words}).", str(one.id))

    def _unpaid(self, query: Mapping[str, str]) -> Answer:
        wanted = {**query, "_fields": records.FIELDS}
        if self._captures:  # a draft's checkout is the plugin's to tell of
            return self._api.get("orders", {**wanted, "status": ",".join(records.PLACED_STATUSES)})
        try:
            return self._api.get("orders", {**wanted, "status": ",".join(self._open_statuses)})
        except UnknownValueError as error:
            if "status" not in error.parameters or records.DRAFT not in self._open_statuses:
                raise
        # One unknown status refuses them all, and a plugin may have taken the draft's away.
        self._open_statuses = tuple(one for one in self._open_statuses if one != records.DRAFT)
        return self._api.get("orders", {**wanted, "status": ",".join(self._open_statuses)})

    def _placed(self, query: Mapping[str, str]) -> Answer:
        return self._api.get("orders", {**query, "_fields": records.ORDER_FIELDS, "status": "any"})

    def _checkout(self, record: records.Record) -> tuple[Checkout | None, Finding | None]:
        if self._captures and any(records.tokens(record)):
            return None, None
        return records.checkout(record, self.options.url, self.options.consent_keys), None

    def _order(self, record: records.Record) -> tuple[Order | None, Finding | None]:
        status = str(record["status"])
        if status == records.DRAFT:  # `any` holds drafts up to 10.7
            return None, None
        finding = None
        if status not in records.CORE_STATUSES and status not in self.options.purchase_statuses:
            finding = Finding(
                f"Orders in the status {status} are not taken for purchases. If they are paid, add it to "
                f"purchase_statuses.",
                status,
            )
        return records.order(record, self.options.purchase_statuses), finding

    def _about(self) -> Mapping[str, Any]:
        """The index that WordPress shows to anyone. Security plugins may hide it, and then the key must tell."""
        try:
            answer = self._api.index()
        except ConfigError:
            self._api.get("orders", {"per_page": "1", "_fields": "id"})  # says better what is wrong, or that nothing is
            return {}
        if not isinstance(answer.data, dict) or "namespaces" not in answer.data:
            raise ConfigError(f"{self.options.id}: {self.options.url} is no WordPress site. {PERMALINKS}")
        if "wc/v3" not in answer.data["namespaces"]:
            raise ConfigError(
                f"{self.options.id}: WordPress answers, but WooCommerce does not. Activate WooCommerce under Plugins"
            )
        return answer.data

    def _unknown_statuses(self) -> list[Finding]:
        """A real read with this key, asking for the purchase statuses: the store refuses those it does not know."""
        query = {"per_page": "1", "_fields": "id"}
        try:
            self._api.get("orders", {**query, "status": ",".join(self.options.purchase_statuses)})
            return []
        except UnknownValueError:
            return [
                Finding(
                    f"purchase_statuses names {status}, which this store does not know. Correct it, or switch the "
                    f"plugin on again that brings it.",
                    status,
                    "error",
                )
                for status in self.options.purchase_statuses
                if not self._knows(status, query)
            ]

    def _knows(self, status: str, query: Mapping[str, str]) -> bool:
        try:
            self._api.get("orders", {**query, "status": status})
        except UnknownValueError:
            return False
        return True

    def _plain_http(self) -> list[Finding]:
        if self._api.encrypted:
            return []
        return [
            Finding("The store is read over plain http: shoppers' data travel openly. Use its https address.", "url")
        ]

    def _plugin_status(self, about: Mapping[str, Any], findings: list[Finding]) -> Mapping[str, Any] | None:
        """What the companion plugin says of itself; None where it is not there or refuses."""
        if about:
            self._plugin.was_seen(offers(about))
        if not self._plugin.is_there():
            return None
        try:
            return self._plugin.status()
        except NoRouteError:
            return None
        except PluginRefusesError as error:
            findings.append(_unreadable(error))
            return None

    def _system_status(self, findings: list[Finding]) -> Mapping[str, Any]:
        try:
            status = self._api.get("system_status", {"_fields": STATUS_FIELDS}).data
        except WinbackError as error:
            message = f"WooCommerce's version could not be read ({error}). Winback works without knowing it."
            findings.append(Finding(message, "system_status", "info"))
            return {}
        return status if isinstance(status, dict) else {}


def _unreadable(error: ConfigError) -> Finding:
    return Finding(f"The companion plugin cannot be read: {error}.", "companion plugin", "error")


def _places(cursor: str | None) -> dict[str, str]:
    """How far each source was read. One key for each, so that a cursor stays good when another source is added."""
    found: dict[str, str] = json.loads(cursor) if cursor else {}
    return found


def _place(reached: Mapping[str, str], source: str, since: datetime) -> datetime:
    return datetime.fromisoformat(reached[source]) if source in reached else since
