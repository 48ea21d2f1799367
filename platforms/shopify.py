"""Shopify: abandoned checkouts and orders over the GraphQL Admin API 2026-10.

Endpoint: https://SHOP.myshopify.com/admin/api/2026-10/graphql.json
Scopes: read_orders, read_customers; read_products for product links; write_discounts for coupons.
Protected customer data: name, email, phone, address.
Limits: 1,000 points for one query, a budget per app and shop that refills at 100 points a second or more.
Documentation: https://shopify.dev/docs/api/admin-graphql/2026-10/queries/abandonedCheckouts (read 2026-11-22)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connector.errors import ConfigError, TransientError
from connector.hooks import Hint, Installed
from connector.http import Door, Http, Rate
from connector.model import Checkout, Consent, Customer, Finding, Health, Identity, Order, Page
from connector.registry import Cap, StoreOptions, platform
from platforms import _shopify_hooks as webhooks
from platforms import _shopify_records as records
from platforms import _shopify_words as words
from platforms._shopify_api import MAX_COST, VERSION, Answer, Api, Client, shop_domain, shop_origin
from platforms._shopify_coupons import ShopifyCoupons, with_coupon
from platforms._shopify_queries import CHECK, CHECKOUTS, CUSTOMERS, LINES, ORDERS

R = TypeVar("R", Checkout, Order)

# A checkout is listed some ten minutes after the shopper's last move, so it can turn up behind newer changes.
CHECKOUT_OVERLAP = timedelta(minutes=30)
# Search runs up to ten seconds behind: https://github.com/lightward/mechanic-tasks/issues/66
ORDER_OVERLAP = timedelta(minutes=5)
FIRST_CHECKOUTS, FIRST_ORDERS, LINES_EACH, MORE_LINES = 10, 50, 10, 50
LARGEST_PAGE = 250
MOST_PAGES_OF_LINES = 200  # a cart that goes on after that is no cart
DEEPEST = 5000  # records in one run of pages; Shopify refuses to page past 25,000
UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError)  # a record of another shape
READABLE = {"firstName", "lastName", "phone", "phoneNumber", "defaultPhoneNumber", "address1", "countryCodeV2"} | {
    "shippingAddress",
    "billingAddress",
}


class ShopifyOptions(StoreOptions):
    """The keys of a Shopify store. A Dev Dashboard app has client_id and client_secret, an admin app access_token."""

    platform: Literal["shopify"]
    shop: Annotated[str, AfterValidator(shop_domain)] = Field(
        description="The shop's name as the Shopify admin shows it.", examples=["acme.myshopify.com"]
    )
    access_token: SecretStr | None = Field(None, description="shpat_…, of an app made in the store's admin.")
    client_id: str | None = Field(None, description="Dev Dashboard → your app → Settings.")
    client_secret: SecretStr | None = Field(None, description="Dev Dashboard → your app → Settings.")
    webhook_secret: SecretStr | None = Field(
        None, description="With access_token: the app's API secret key, which signs webhooks. Default: client_secret."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> ShopifyOptions:
        by_client = bool(self.client_id and self.client_secret)
        half = bool(self.client_id or self.client_secret) and not by_client
        if half or by_client == bool(self.access_token):
            raise ValueError(
                "give either client_id and client_secret (Dev Dashboard → your app → Settings), "
                "or access_token (shpat_…, of an app made in the store's admin)"
            )
        return self


@dataclass
class _Run:
    """One run through a list: what is asked for, and what Shopify has refused so far."""

    root: str
    document: str
    where: str
    first: int
    variables: dict[str, Any]
    beyond: Callable[[Mapping[str, Any]], str]  # the filter for what comes after a record
    told: set[str] = field(default_factory=set)

    def fit(self, answer: Answer) -> None:
        """Chooses the page size whose cost, as Shopify counts it before it reads, is just within the limit."""
        if answer.too_costly:
            self.first = max(1, self.first // 2)
        elif answer.budget.requested:
            most = min(MAX_COST, answer.budget.maximum) * 0.9
            self.first = max(1, min(LARGEST_PAGE, int(self.first * most / answer.budget.requested)))


@platform
class Shopify:
    """One Shopify shop."""

    name: ClassVar[str] = "shopify"
    title: ClassVar[str] = "Shopify"
    capabilities: ClassVar[frozenset[Cap]] = frozenset(
        {Cap.CHECKOUTS, Cap.ORDERS, Cap.CONSENT, Cap.RECOVERY_URL, Cap.WEBHOOKS, Cap.COUPONS}
    )
    hook_topics: ClassVar[tuple[str, ...]] = webhooks.TOPICS
    rate: ClassVar[Rate] = Rate(connections=2)  # the budget of points is the limit, and Shopify keeps count
    Options: ClassVar[type[StoreOptions]] = ShopifyOptions
    with_coupon = staticmethod(with_coupon)

    def __init__(self, options: ShopifyOptions, http: Http) -> None:
        self._shop = options.shop
        self._name = f"Shopify {options.shop}"
        self._hook_secret = options.webhook_secret or options.client_secret or SecretStr("")
        origin = options.base_url or shop_origin(options.shop)

        def open_door(token: str) -> Door:
            return http.door(
                origin,
                name=self._name,
                rate=options.limit(self.rate),
                headers={"X-Shopify-Access-Token": token} if token else None,
                secrets=(*options.secrets(), token),
            )

        self._api = Api(self._name, open_door, **_credentials(options))
        self.coupons = ShopifyCoupons(self._api)

    def checkouts(self, cursor: str | None, since: datetime) -> Iterator[Page[Checkout]]:
        """Abandoned checkouts, recovered ones too, in the order of their ids.

        Because that is not the order of change, the cursor moves only with the last page. It stays `CHECKOUT_OVERLAP`
        behind, so the newest ones come again with the next read.
        """
        start = _start(cursor, since)
        where = _updated_since(start)
        run = _Run(
            "abandonedCheckouts",
            CHECKOUTS,
            where,
            FIRST_CHECKOUTS,
            {"lines": LINES_EACH, "withUrl": True, "withProducts": True},
            lambda node: f"{where} AND id:>{records.number(node['id'])}",
        )

        def read(node: Mapping[str, Any]) -> Checkout:
            return records.checkout(self._with_all_lines(node, run), self._shop)

        return self._pages(run, read, start, CHECKOUT_OVERLAP, in_order=False)

    def orders(self, cursor: str | None, since: datetime) -> Iterator[Page[Order]]:
        """Orders in every status, oldest change first. One that changes while pages are read moves to the end."""
        start = _start(cursor, since)
        run = _Run(
            "orders",
            ORDERS,
            _updated_since(start),
            FIRST_ORDERS,
            {},
            lambda node: _updated_since(records.moment(node["updatedAt"])),
        )
        return self._pages(run, records.order, start, ORDER_OVERLAP, in_order=True)

    def consents(self, customers: Sequence[str]) -> Sequence[tuple[Customer, Consent]]:
        """What these customers want now: to unsubscribe changes no checkout's `updatedAt`."""
        answer = self._api.query(CUSTOMERS, {"ids": list(customers)})
        nodes = (answer.data or {}).get("nodes")
        if nodes is None:
            refusal = answer.refusals[0] if answer.refusals else None
            raise words.denied(self._name, refusal) if refusal else TransientError(f"{self._name}: an empty answer")
        found = []
        for node in nodes:
            with suppress(*UNREADABLE):  # told of where their checkouts are read
                found += [records.wish(node)] if node else []  # null: deleted, or merged with another customer
        return found

    def check(self) -> Health:
        """Who answers, and what the app may not do. Raises ConfigError where nothing can be read at all."""
        answer = self._api.query(CHECK, {})
        if not answer.data:
            refusal = answer.refusals[0] if answer.refusals else None
            raise words.denied(self._name, refusal) if refusal else TransientError(f"{self._name}: an empty answer")
        shop = answer.data["shop"]
        granted = {scope["handle"] for scope in answer.data["currentAppInstallation"]["accessScopes"]}
        findings = words.scope_findings(granted)
        if not any(finding.level == "error" for finding in findings):
            findings += self._probe(told={finding.message for finding in findings})
        if answer.version and answer.version != VERSION:
            message = f"Shopify answers with its API of {answer.version}, not {VERSION}: update Winback"
            findings.append(Finding(message, subject="API version"))
        return Health(Identity(shop["id"], shop["name"]), tuple(findings), shop.get("ianaTimezone") or "")

    def read_hook(self, headers: Mapping[str, str], body: bytes) -> Hint | None:
        """What a webhook asks for. Raises SignatureError."""
        return webhooks.read(self._shop, self._hook_secret.get_secret_value(), headers, body)

    def hooks(self, url: str) -> Sequence[Installed]:
        """The app's webhooks that lead to us. Those of the app's own configuration file are not shown to it."""
        return webhooks.installed(self._api, url)

    def install_hooks(self, url: str) -> Sequence[str]:
        """Subscribes to the topics. Raises ConfigError where nobody could tell that they come from Shopify."""
        if not self._hook_secret.get_secret_value():
            raise ConfigError(
                f"{self._name}: webhook_secret is missing. With access_token it is the API secret key of the app: "
                "Settings → Apps → Develop apps → your app → API credentials"
            )
        return webhooks.install(self._api, url)

    def remove_hooks(self, url: str) -> Sequence[str]:
        """Ends the subscriptions."""
        return webhooks.remove(self._api, url)

    def _probe(self, told: set[str]) -> list[Finding]:
        """Reads a few records of both kinds, because only then does Shopify say what it withholds."""
        findings: list[Finding] = []
        seen = 0
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        for read in (self.checkouts, self.orders):
            try:
                page: Page[Any] = next(read(None, long_ago))
            except ConfigError as error:
                return [*findings, Finding(str(error), subject="protected customer data", level="error")]
            findings += (finding for finding in page.findings if finding.message not in told)
            seen += len(page.items)
        if not seen:
            message = (
                "There is no checkout and no order yet, so what Shopify withholds cannot be seen: check again later"
            )
            findings.append(Finding(message, subject="protected customer data", level="info"))
        return findings

    def _pages(
        self, run: _Run, read: Callable[[Mapping[str, Any]], R], start: datetime, overlap: timedelta, *, in_order: bool
    ) -> Iterator[Page[R]]:
        newest: datetime | None = None
        begun: datetime | None = None
        for nodes, found, date, last in self._batches(run):
            begun = begun or date
            items: list[R] = []
            findings = list(found)
            for node in nodes:
                try:
                    newest = max(filter(None, (newest, records.moment(node["updatedAt"]))))
                    items.append(read(node))
                except UNREADABLE as error:
                    findings.append(_unreadable(node, error))
            cursor = _cursor(start, newest, begun, overlap) if last or in_order else _cursor(start, None, None, overlap)
            yield Page(tuple(items), cursor, date, tuple(findings))

    def _batches(self, run: _Run) -> Iterator[tuple[list[Mapping[str, Any]], list[Finding], datetime | None, bool]]:
        """The nodes of each page, what was refused, the shop's clock, and whether it is the last page."""
        after, depth = None, 0
        pending: list[Finding] = []
        while True:
            asked = run.first
            answer = self._api.query(
                run.document, {**run.variables, "first": asked, "after": after, "query": run.where}
            )
            run.fit(answer)
            if answer.too_costly:
                if asked == 1:
                    raise TransientError(f"{self._name}: Shopify finds a single record too costly to read")
                continue
            connection = (answer.data or {}).get(run.root)
            pending += self._settle(run, answer.refusals, partial=bool(connection))
            if not connection and not answer.refusals:
                raise TransientError(f"{self._name}: Shopify answered without {run.root}")
            if not connection:
                continue
            nodes, info = connection["nodes"], connection["pageInfo"]
            yield nodes, pending, answer.date, not info["hasNextPage"]
            if not info["hasNextPage"]:
                return
            if info["endCursor"] in (None, after):
                raise TransientError(f"{self._name}: Shopify's list of {run.root} does not go on")
            pending, after, depth = [], info["endCursor"], depth + len(nodes)
            if nodes and depth >= DEEPEST and (where := run.beyond(nodes[-1])) != run.where:
                run.where, after, depth = where, None, 0

    def _settle(self, run: _Run, refusals: tuple[words.Refusal, ...], *, partial: bool) -> list[Finding]:
        """Takes what Shopify refuses off the next requests, and says so once. Raises ConfigError for the essential.

        `partial`: the rest of the answer is there. Where it is not, something must be left off for another try.
        """
        asked, findings = dict(run.variables), {}
        withheld = {refusal.field for refusal in refusals} & READABLE
        for refusal in refusals:
            if "abandonedCheckoutUrl" in refusal.path or "abandonedCheckoutUrl" in refusal.message:
                switch, finding = "withUrl", Finding(words.NO_URL, subject="abandonedCheckoutUrl")
            elif refusal.field in ("product", "variant", "onlineStoreUrl") or refusal.scope == "read_products":
                switch, finding = "withProducts", Finding(words.NO_PRODUCTS, subject="read_products")
            elif refusal.field in READABLE:
                switch, finding = "", words.withheld(withheld)
            else:
                raise words.denied(self._name, refusal)
            if not partial and not asked.get(switch):
                raise words.denied(self._name, refusal)
            findings[finding.message] = finding
            run.variables |= {switch: False} if switch else {}
        new = [finding for message, finding in findings.items() if message not in run.told]
        run.told.update(findings)
        return new

    def _with_all_lines(self, node: Mapping[str, Any], run: _Run) -> Mapping[str, Any]:
        """The checkout with the lines that did not fit on its first page."""
        lines = node["lineItems"]
        found, info = list(lines["nodes"]), lines["pageInfo"]
        for _ in range(MOST_PAGES_OF_LINES):
            if not info["hasNextPage"]:
                break
            answer = self._api.query(
                LINES,
                {
                    "id": node["id"],
                    "first": MORE_LINES,
                    "after": info["endCursor"],
                    "withProducts": run.variables["withProducts"],
                },
            )
            more = ((answer.data or {}).get("node") or {}).get("lineItems")
            if not more:  # the checkout has just been deleted
                break
            found += more["nodes"]
            info = more["pageInfo"]
        return {**node, "lineItems": {"nodes": found}}


def _credentials(options: ShopifyOptions) -> dict[str, Any]:
    if options.access_token:
        return {"token": options.access_token.get_secret_value()}
    secret = options.client_secret.get_secret_value() if options.client_secret else ""
    return {"client": Client(options.client_id or "", secret)}


def _start(cursor: str | None, since: datetime) -> datetime:
    try:
        return datetime.fromisoformat(json.loads(cursor or "")["from"])
    except (ValueError, KeyError, TypeError):
        return since


def _cursor(start: datetime, newest: datetime | None, begun: datetime | None, overlap: timedelta) -> str:
    """Where the next read starts: behind the newest change seen, and behind the moment at which this read began.

    The second, because pages read early in a long read know nothing of what changed later.
    """
    reached = min(filter(None, (newest, begun))) - overlap if newest else start
    return json.dumps({"from": max(start, reached).astimezone(UTC).isoformat()})


def _updated_since(moment: datetime) -> str:
    return f"updated_at:>='{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


def _unreadable(node: Any, error: Exception) -> Finding:
    subject = str(node.get("id", "")) if isinstance(node, Mapping) else ""
    return Finding(f"A record from Shopify could not be read ({type(error).__name__}: {error})", subject, "error")
