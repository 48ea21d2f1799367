"""Mailchimp's own abandoned cart: stores, products, carts and orders of its e-commerce API.

A variant must exist before a cart line may name it. The abandoned-cart e-mail starts when a cart is made, goes to
contacts that did not subscribe too (the first one of a series), and a DELETE before the delay is over cancels it.
https://mailchimp.com/developer/marketing/docs/e-commerce/ (read 2026-11)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from connector.errors import ConfigError, RejectedError
from connector.model import Checkout, Enrolment, Finding, LeadId, LineItem, Order, Withdrawal
from crm._mailchimp_api import Api, subscriber_hash

Body = dict[str, Any]
PAGE = 1000  # Mailchimp's most


class Carts:
    """The native carts of one audience. All of a client's stores share one Mailchimp store."""

    def __init__(self, api: Api, audience: str, store_id: str, currency: str) -> None:
        self._api, self._audience, self._currency = api, audience, currency
        self.store_id = store_id
        self._store = f"/ecommerce/stores/{store_id}"

    def check(self) -> Iterator[Finding]:
        """What stands between a cart and its e-mail. Raises ConfigError for a store of another audience."""
        answer = self._api.request("GET", self._store, allow=(404,))
        if answer.status == 404:
            yield Finding(
                f"Mailchimp has no store {self.store_id} yet: Winback makes it at the first start. Then switch on an "
                "abandoned-cart e-mail for that store in Mailchimp.",
                "native_cart",
            )
            return
        store = answer.json()
        if store.get("list_id") != self._audience:
            raise ConfigError(
                f"The Mailchimp store {self.store_id} belongs to another audience, which Mailchimp cannot change. "
                "Set another store_id."
            )
        cart_email = (store.get("automations") or {}).get("abandoned_cart") or {}
        if cart_email.get("status") != "sending":
            yield Finding(
                f"Mailchimp reports no classic abandoned-cart e-mail that is on for the store {self.store_id}. "
                "Switch one on there, or make sure that a flow which starts with an abandoned cart is on.",
                "native_cart",
            )

    def prepare(self) -> None:
        """Makes the store that the carts live in."""
        if self._api.request("GET", self._store, allow=(404,)).status == 404:
            self._make_store()

    def put(self, enrolment: Enrolment) -> bool:
        """Makes the lead's cart, which starts its e-mail, in place of earlier leads' carts.

        False where it was there already: then it is brought up to date, and nothing starts. The id holds the shopper
        and the lead, so Mailchimp itself refuses a second one.
        """
        checkout = enrolment.checkout
        if not checkout.lines or not (checkout.url or enrolment.short_url):
            raise RejectedError(
                "Mailchimp mails a cart only with items and a link back to it; this checkout lacks one."
            )
        if self.refresh(enrolment):
            return False
        for lead in enrolment.former:
            self._delete(_cart_id(lead, enrolment.email))
        for line in _merged(checkout.lines):
            self._put_product(_shown_store(enrolment), line)
        body = {
            "id": _cart_id(enrolment.lead, enrolment.email),
            "customer": _customer(enrolment.email, checkout),
            **_cart(enrolment),
            "lines": [{"id": str(n), **row} for n, row in enumerate(_rows(_shown_store(enrolment), checkout.lines), 1)],
        }
        return self._create(f"{self._store}/carts", body)

    def refresh(self, enrolment: Enrolment) -> bool:
        """Newer items, total and link for a cart that is there. False where there is none: it makes none."""
        checkout = enrolment.checkout
        found = self._find(enrolment)
        if found is None or not checkout.lines:
            return found is not None
        path, there = found
        self._api.request("PATCH", path, json=_cart(enrolment), repeatable=True)
        for line in _merged(checkout.lines):
            self._put_product(_shown_store(enrolment), line)
        rows = list(_rows(_shown_store(enrolment), checkout.lines))
        # Existing lines are rewritten rather than replaced: adding lines was seen to copy the whole cart
        # (github.com/mailchimp/mailchimp-client-lib-codegen/issues/210), so that is kept for carts that grew.
        for line_id, row in zip(there, rows, strict=False):
            self._api.request("PATCH", f"{path}/lines/{line_id}", json=row, repeatable=True)
        for n, row in enumerate(rows[len(there) :], len(there) + 1):
            self._create(f"{path}/lines", {"id": str(n), **row})
        for line_id in there[len(rows) :]:
            # Seen to be refused (github.com/mailchimp/APIv3-examples/issues/48). Then it stays: the way round it, a
            # cart made anew, would start a second e-mail.
            self._api.request("DELETE", f"{path}/lines/{line_id}", allow=(400, 404))
        return True

    def _find(self, enrolment: Enrolment) -> tuple[str, list[str]] | None:
        """The path of the lead's cart, and the ids of its lines."""
        shown = replace(enrolment.lead, checkout_id=enrolment.checkout.id)  # an earlier Winback named it after that
        for lead in dict.fromkeys((enrolment.lead, shown)):
            path = f"{self._store}/carts/{_cart_id(lead, enrolment.email)}"
            answer = self._api.request("GET", path, query={"fields": "id,lines.id"}, allow=(404,))
            if answer.status != 404:
                return path, [str(line["id"]) for line in answer.json().get("lines", [])]
        return None

    def remove(self, withdrawal: Withdrawal) -> None:
        """Deletes the carts, which cancels their e-mails, and hands the order over so that a running series stops."""
        leads = [lead for lead in (withdrawal.lead, *withdrawal.former) if lead.checkout_id]
        carts = [_cart_id(lead, withdrawal.email) for lead in leads]
        try:
            if withdrawal.order is not None:
                self._put_order(carts, withdrawal, withdrawal.order)
        finally:  # whatever became of the order, the carts must go
            for cart_id in carts:
                self._delete(cart_id)

    def forget(self, email: str) -> None:
        """Deletes every cart of that address, which cancels their e-mails, and then its customer record."""
        customer = subscriber_hash(email)
        for cart_id in self._carts_of(customer):
            self._delete(cart_id)
        self._api.request("DELETE", f"{self._store}/customers/{customer}", allow=(404,))

    def _carts_of(self, customer: str) -> list[str]:
        """Found by reading through all of them: Mailchimp cannot be asked for one customer's carts."""
        found: list[str] = []
        fields = "carts.id,carts.customer.id"
        for offset in count(0, PAGE):
            query = {"fields": fields, "count": str(PAGE), "offset": str(offset)}
            answer = self._api.request("GET", f"{self._store}/carts", query=query, allow=(404,))
            carts = answer.json().get("carts", []) if answer.status != 404 else []
            found += [str(cart["id"]) for cart in carts if (cart.get("customer") or {}).get("id") == customer]
            if len(carts) < PAGE:
                break
        return found

    def _delete(self, cart_id: str) -> None:
        self._api.request("DELETE", f"{self._store}/carts/{cart_id}", allow=(404,))

    def _make_store(self) -> None:
        body = {
            "id": self.store_id,
            "list_id": self._audience,
            "name": f"Winback {self.store_id}",
            "platform": "Winback",
            "currency_code": self._currency,
        }
        self._create("/ecommerce/stores", body)

    def _put_product(self, store: str, line: LineItem) -> None:
        product_id, variant_id = _product_ids(store, line)
        variant = _without_empty(
            id=variant_id,
            title=line.variant or line.title,
            sku=line.sku,
            price=_unit_price(line),
            url=line.product_url,
            image_url=line.image_url,
        )
        product = f"{self._store}/products"
        if (
            self._api.request("PUT", f"{product}/{product_id}/variants/{variant_id}", json=variant, allow=(404,)).status
            != 404
        ):
            return
        body = _without_empty(
            id=product_id, title=line.title, url=line.product_url, image_url=line.image_url, variants=[variant]
        )
        if self._api.request("GET", self._store, query={"fields": "id"}, allow=(404,)).status == 404:
            self._make_store()
        self._create(product, body)

    def _put_order(self, carts: Sequence[str], withdrawal: Withdrawal, order: Order) -> None:
        lines = next(filter(None, map(self._lines, carts)), [])
        if not lines:
            return
        names = ("id", "product_id", "product_variant_id", "quantity", "price")
        body = {
            "id": _slug(withdrawal.placed_in, order.id),
            # No financial_status: it would send Mailchimp's own order notifications to the buyer.
            "customer": {"id": subscriber_hash(withdrawal.email)},
            "currency_code": order.total.currency,
            "order_total": float(order.total.amount),
            "processed_at_foreign": (order.placed_at or order.created_at).isoformat(),
            "lines": [{name: line[name] for name in names} for line in lines],
        }
        try:
            self._create(f"{self._store}/orders", body)
        except RejectedError:
            # An order that Mailchimp does not want costs us its revenue report, never the exit.
            return

    def _lines(self, cart_id: str) -> list[Body]:
        """Of a cart; none where it is gone."""
        path = f"{self._store}/carts/{cart_id}"
        answer = self._api.request("GET", path, query={"fields": "id,lines"}, allow=(404,))
        return [] if answer.status == 404 else list(answer.json().get("lines", []))

    def _create(self, path: str, body: Body) -> bool:
        """POSTs something that has an id of ours, so that it is safe to repeat. False where it was there already."""
        answer = self._api.request("POST", path, json=body, allow=(400,), repeatable=True)
        if answer.status != 400:
            return True
        problem = self._api.problem(answer)
        if problem is not None and "already exists" in problem.text:
            return False
        raise self._api.bad_request(answer)


def _cart_id(lead: LeadId, email: str) -> str:
    text = "\n".join((lead.store, lead.checkout_id, email.lower(), str(lead.generation)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _shown_store(enrolment: Enrolment) -> str:
    """Where the items are sold: two stores may give one id to different products."""
    return enrolment.shown_store or enrolment.store


def _slug(*parts: str) -> str:
    """An id for a path: readable where it can be, else a digest (platform ids may hold slashes or be long)."""
    joined = "_".join(parts)
    if re.fullmatch(r"[A-Za-z0-9_-]{1,50}", joined):
        return joined
    return hashlib.sha256(joined.encode("utf-8", "replace")).hexdigest()[:32]


def _product_ids(store: str, line: LineItem) -> tuple[str, str]:
    product = line.product_id or line.sku or line.title
    return _slug(store, product), _slug(store, product, line.variant_id or line.sku or line.variant or "only")


def _unit_price(line: LineItem) -> float:
    price = line.price.amount if line.price else line.total.amount / max(1, line.quantity)
    return float(round(price, 4))


def _merged(lines: tuple[LineItem, ...]) -> list[LineItem]:
    """Each variant once, as Mailchimp knows it."""
    return list(
        {(line.product_id, line.sku, line.title, line.variant_id, line.variant): line for line in lines}.values()
    )


def _rows(store: str, lines: tuple[LineItem, ...]) -> Iterator[Body]:
    for line in lines:
        product_id, variant_id = _product_ids(store, line)
        yield {
            "product_id": product_id,
            "product_variant_id": variant_id,
            "quantity": line.quantity,
            "price": _unit_price(line),
        }


def _cart(enrolment: Enrolment) -> Body:
    total = enrolment.checkout.total
    return {
        "checkout_url": enrolment.checkout.url or enrolment.short_url,
        "currency_code": total.currency,
        "order_total": float(total.amount),
    }


def _customer(email: str, checkout: Checkout) -> Body:
    # Always false: true would subscribe a contact who is transactional now. The member is written before, with R9.
    shopper = checkout.customer
    return _without_empty(
        id=subscriber_hash(email),
        email_address=email,
        opt_in_status=False,
        first_name=shopper.first_name,
        last_name=shopper.last_name,
    )


def _without_empty(**values: Any) -> Body:
    return {name: value for name, value in values.items() if value != ""}
