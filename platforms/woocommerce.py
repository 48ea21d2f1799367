"""WooCommerce: `checkout-draft`, `pending` and `failed` orders are its open checkouts.

API: `/wp-json/wc/v3/orders`, https://woocommerce.github.io/woocommerce-rest-api-docs/ (read November 2026; tried on
10.5.0). Key: a REST API key with the permission Read. Limits: none of WooCommerce's own, 100 orders a page; small hosts
are slow (about a second for a full page), so two requests at a time. Over https the key goes by Basic, over plain http
each request is signed (OAuth 1).

Up to 10.8 the block checkout keeps a draft from the moment that its page opens, with the e-mail as soon as it is typed.
From 10.9 on, and on classic checkouts always, an order comes to be with "Place order" and no sooner.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from connector.errors import ConfigError, WinbackError
from connector.hooks import Hint, Installed
from connector.http import Http, Rate
from connector.model import Checkout, Finding, Health, Identity, Order, Page
from connector.registry import Cap, StoreOptions, Url, platform
from platforms import _woocommerce_hooks as webhooks
from platforms import _woocommerce_records as records
from platforms._woocommerce_api import PERMALINKS, Answer, Api, Credentials, UnknownValueError
from platforms._woocommerce_paging import read

T = TypeVar("T")

NO_DRAFTS_SINCE = (10, 9)  # https://github.com/woocommerce/woocommerce/pull/64155
OLDEST = (5, 8)  # modified_after and dates_are_gmt
STATUS_FIELDS = "environment.home_url,environment.version,pages"  # _fields picks nothing inside a list
ONLY_PLACED = (
    "its API shows only shoppers who pressed Place order and did not pay. Who leaves earlier, with an e-mail address "
    "typed, is not seen"
)


class WooCommerceOptions(StoreOptions):
    """A WooCommerce store."""

    platform: Literal["woocommerce"]
    url: Url = Field(description="The store's address, as WordPress has it under Settings > General.")
    consumer_key: SecretStr = Field(description="From WooCommerce > Settings > Advanced > REST API; Read is enough.")
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
        {Cap.CHECKOUTS, Cap.ORDERS, Cap.CONSENT, Cap.RECOVERY_URL, Cap.WEBHOOKS}
    )
    hook_topics: ClassVar[tuple[str, ...]] = webhooks.TOPICS
    rate: ClassVar[Rate] = Rate(connections=2)
    Options: ClassVar[type[StoreOptions]] = WooCommerceOptions

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
        self._open_statuses: tuple[str, ...] = records.OPEN_STATUSES
        self._hook_secret = options.webhook_secret or SecretStr(webhooks.derived_secret(secret))

    def __repr__(self) -> str:
        return f"WooCommerce({self.options.id})"

    def checkouts(self, cursor: str | None, since: datetime) -> Iterator[Page[Checkout]]:
        """Unpaid orders made at a checkout, oldest change first."""
        return self._pages("checkouts", self._unpaid, self._checkout, cursor, since)

    def orders(self, cursor: str | None, since: datetime) -> Iterator[Page[Order]]:
        """Orders in every status but drafts. Which are purchases is decided here, so that no status is refused."""
        return self._pages("orders", self._placed, self._order, cursor, since)

    def check(self) -> Health:
        """Whether the store can be read with this key, and what it will not show. Raises the three errors."""
        about = self._about()
        findings = [*self._unknown_statuses(), *self._plain_http()]
        status = self._system_status(findings)
        home = about.get("home") or about.get("url") or (status.get("environment") or {}).get("home_url")
        identity = Identity(_without_scheme(home or self.options.url), str(about.get("name") or ""))
        return Health(identity, tuple(findings))

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

    def _pages(
        self,
        source: str,
        fetch: Callable[[Mapping[str, str]], Answer],
        convert: Callable[[records.Record], tuple[T | None, Finding | None]],
        cursor: str | None,
        since: datetime,
    ) -> Iterator[Page[T]]:
        # One key for each source, so that a cursor stays good when another source is added.
        reached = json.loads(cursor) if cursor else {}
        start = datetime.fromisoformat(reached[source]) if source in reached else since
        for batch in read(fetch, start, self.options.id):
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
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            words = self._api.door.redact(f"{type(error).__name__}: {error}")
            return None, Finding(f"Order {one.id} could not be read ({words}).", str(one.id))

    def _unpaid(self, query: Mapping[str, str]) -> Answer:
        wanted = {**query, "_fields": records.FIELDS}
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

    def _system_status(self, findings: list[Finding]) -> Mapping[str, Any]:
        try:
            status = self._api.get("system_status", {"_fields": STATUS_FIELDS}).data
        except WinbackError as error:
            message = f"WooCommerce's version could not be read ({error}). Winback works without knowing it."
            findings.append(Finding(message, "system_status", "info"))
            return {}
        if not isinstance(status, dict):
            return {}
        version = str((status.get("environment") or {}).get("version") or "")
        findings.append(_about_version(version, _is_classic(status.get("pages"))))
        return status


def _about_version(version: str, classic: bool) -> Finding:
    found, number = f"WooCommerce {version or 'of an unknown version'} found", records.version_of(version)
    if (0, 0) < number < OLDEST:
        return Finding(f"{found}: it cannot say what changed. Update it to 5.8 or later.", "version", "error")
    if number >= NO_DRAFTS_SINCE:
        return Finding(f"{found}: from 10.9 on, {ONLY_PLACED}.", "version")
    if classic:
        return Finding(f"{found} with a classic (shortcode) checkout page: there, {ONLY_PLACED}.", "checkout page")
    return Finding(
        f"{found}: shoppers are seen from the moment that they type an e-mail address into the block checkout. From "
        f"10.9 on that ends: then {ONLY_PLACED}.",
        "version",
        "info",
    )


def _is_classic(pages: Any) -> bool:
    """Whether the checkout page is the classic one. Page names are translated, its block is not."""
    for page in pages if isinstance(pages, list) else ():
        if page.get("block") == "woocommerce/checkout":
            return bool(page.get("shortcode_present")) and not page.get("block_present")
    return False


def _without_scheme(url: str) -> str:
    """The home URL to pin: WordPress gives it with http or https, as it was asked."""
    parts = urlsplit(url)
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}"
