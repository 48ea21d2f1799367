"""Shopify's discount codes, and the links that apply them. They need the scope write_discounts.

https://shopify.dev/docs/api/admin-graphql/2026-10/mutations/discountCodeBasicCreate (read 2026-11-22)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from connector.coupons import Coupon, Offer
from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.model import Checkout, Finding
from platforms import _shopify_words as words
from platforms._shopify_api import Api
from platforms._shopify_queries import DELETE_COUPON, FIND_COUPON, MAKE_DISCOUNT, MAKE_FREE_SHIPPING, SCOPES

WRITE = "write_discounts"


class ShopifyCoupons:
    """The discount codes of one shop that were made here."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def make(self, offer: Offer) -> Coupon:
        """Makes the code. Shopify refuses one that is there already as TAKEN."""
        root, document = "discountCodeBasicCreate", MAKE_DISCOUNT
        if offer.discount.free_shipping:
            root, document = "discountCodeFreeShippingCreate", MAKE_FREE_SHIPPING
        answer = self._ask(document, {"coupon": _input(offer)}).get(root) or {}
        errors = answer.get("userErrors") or []
        if any(error.get("code") == "TAKEN" for error in errors):
            found = self.find(offer.code)
            if found is None:
                raise TransientError(f"{self._api.name}: a discount code is said to be taken and cannot be found")
            return found
        if errors:
            raise self._refused(errors[0])
        return self._coupon(answer.get("codeDiscountNode"), offer.code)

    def find(self, code: str) -> Coupon | None:
        """The discount with this code; Shopify knows codes in any letter case."""
        found = self._ask(FIND_COUPON, {"code": code})
        if "codeDiscountNodeByCode" not in found:
            raise TransientError(f"{self._api.name}: Shopify answered without codeDiscountNodeByCode")
        node = found["codeDiscountNodeByCode"]
        return self._coupon(node, code) if node else None

    def delete(self, coupon_id: str) -> None:
        """Deletes the discount with its code. Whether one that is refused is gone already, the next look tells."""
        answer = self._ask(DELETE_COUPON, {"id": coupon_id}).get("discountCodeDelete") or {}
        if not answer.get("deletedCodeDiscountId"):
            said = (answer.get("userErrors") or [{}])[0].get("message") or "no reason given"
            raise TransientError(f"{self._api.name}: Shopify did not delete a discount code: {said}")

    def check(self) -> tuple[Finding, ...]:
        """Whether the app was given the scope."""
        installed = self._ask(SCOPES, {}).get("currentAppInstallation") or {}
        if any(scope.get("handle") == WRITE for scope in installed.get("accessScopes") or ()):
            return ()
        need = words.denied("a step promises a coupon", words.Refusal((), WRITE, ""))
        return (Finding(str(need), WRITE, "error"),)

    def _ask(self, document: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._api.query(document, variables)
        if answer.refusals:
            refusal = answer.refusals[0]
            # Where the scope is missing, Shopify may name that of the field in the answer: the one to add is this.
            raise words.denied(self._api.name, words.Refusal(refusal.path, WRITE, refusal.message))
        if answer.too_costly or answer.data is None:
            raise TransientError(f"{self._api.name}: Shopify answered without data")
        return answer.data

    def _refused(self, error: Mapping[str, Any]) -> WinbackError:
        said = f"{self._api.name} refuses the coupon: {error.get('message') or error.get('code')}"
        if error.get("code") == "INTERNAL_ERROR":
            return TransientError(said)
        if "customers" in (error.get("field") or ()):  # merged or deleted meanwhile: that shopper only
            return RejectedError(said)
        return ConfigError(f"{said}. Correct the step's coupon:, or ask Shopify's support why")

    def _coupon(self, node: Any, code: str) -> Coupon:
        discount = (node or {}).get("codeDiscount") or {}
        if not node or "asyncUsageCount" not in discount:
            raise ConfigError(f"{self._api.name}: {code} is the code of another discount. Delete that one in Shopify")
        ends = discount.get("endsAt")
        expires = datetime.fromisoformat(ends).astimezone(UTC) if ends else None
        return Coupon(str(node["id"]), code, expires, used=int(discount["asyncUsageCount"] or 0) > 0)


def with_coupon(checkout: Checkout, code: str) -> str:
    """The recovery link, or the link that refills the cart, with this code.

    Shopify's own e-mail templates apply one so: https://gist.github.com/4f2f8a5f05d906ccfcc64b716240d984
    """
    parts = urlsplit(checkout.url)
    if not parts.path:
        return checkout.url
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "discount"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("discount", code)])))


def _input(offer: Offer) -> dict[str, Any]:
    who: dict[str, Any] = {"customers": {"add": [offer.customer_id]}} if offer.customer_id else {"all": "ALL"}
    common: dict[str, Any] = {
        "title": f"Winback {offer.code}",
        "code": offer.code,
        "startsAt": _text(offer.starts_at),
        "endsAt": _text(offer.expires_at),
        "usageLimit": 1,
        "appliesOncePerCustomer": True,
        "context": who,
    }
    if offer.discount.free_shipping:
        return {**common, "destination": {"all": True}}
    if offer.discount.percent is not None:
        value: dict[str, Any] = {"percentage": float(offer.discount.percent / 100)}
    else:
        value = {"discountAmount": {"amount": f"{offer.discount.amount or 0:f}", "appliesOnEachItem": False}}
    return {**common, "customerGets": {"items": {"all": True}, "value": value}}


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
