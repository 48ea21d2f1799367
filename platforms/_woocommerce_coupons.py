"""WooCommerce's coupons (`wc/v3/coupons`), and the links that apply them. They need a key with Read/Write.

https://woocommerce.github.io/woocommerce-rest-api-docs/#coupons (read November 2026; tried on 10.5.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from connector.coupons import Coupon, Offer
from connector.errors import ConfigError, TransientError, WinbackError
from connector.model import Checkout, Finding, LineItem
from platforms._woocommerce_api import Api, CodedError

THERE_ALREADY = "woocommerce_rest_coupon_code_already_exists"
NOT_THERE = "woocommerce_rest_shop_coupon_invalid_id"
SWITCHED_OFF = (
    "WooCommerce's coupons are switched off, so no code is taken. Switch them on under WooCommerce > Settings > "
    "General > Enable coupons"
)
CHECKOUT_LINK, RECOVERY = "/checkout-link/", "wc-winback"  # the companion plugin's links have that parameter
FIELDS = "id,code,date_expires_gmt,usage_count"


class WooCommerceCoupons:
    """The coupons of one store."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def make(self, offer: Offer) -> Coupon:
        """Makes the coupon. WooCommerce refuses a code that is there already, in whatever letter case."""
        try:
            made = _coupon(self._api.post("coupons", _body(offer)).data)
        except CodedError as error:
            if error.code != THERE_ALREADY:
                raise
            found = self.find(offer.code)
            if found is None:
                raise TransientError(f"{self._name}: a coupon is said to be there and cannot be found") from None
            return found
        if made.expires_at is None:
            self.delete(made.id)
            raise ConfigError(f"{self._name} made a coupon that never expires; it was deleted. Check its plugins")
        return made

    def find(self, code: str) -> Coupon | None:
        """The coupon with exactly this code."""
        rows = self._api.get("coupons", {"code": code, "_fields": FIELDS}).data
        if not isinstance(rows, list):
            raise TransientError(f"{self._name} answered with something that is no list of coupons")
        return _coupon(rows[0]) if rows else None

    def delete(self, coupon_id: str) -> None:
        """Deletes it for good: one in the trash would keep its code."""
        try:
            self._api.delete(f"coupons/{coupon_id}")
        except CodedError as error:
            if error.code != NOT_THERE:
                raise

    def check(self) -> tuple[Finding, ...]:
        """Whether the key may write, asked with a batch that holds nothing; and whether coupons are switched on."""
        try:
            self._api.post("coupons/batch", {})
        except ConfigError as error:
            return (Finding(f"A step promises a coupon, but none can be made: {error}", "coupons", "error"),)
        try:
            setting = self._api.get("settings/general/woocommerce_enable_coupons", {"_fields": "value"}).data
        except WinbackError:  # merely a courtesy: shop managers of some stores may not read settings
            return ()
        off = isinstance(setting, dict) and setting.get("value") == "no"
        return (Finding(SWITCHED_OFF, "coupons", "error"),) if off else ()

    @property
    def _name(self) -> str:
        return self._api.door.name


def with_coupon(checkout: Checkout, code: str) -> str:
    """The checkout's URL with this code.

    The checkout link and the companion plugin's links apply one code. WooCommerce's other pages apply none: on the
    payment page of an order none can even be typed, so its best line goes into a new cart, where one can.
    """
    parts = urlsplit(checkout.url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "coupon"]
    names = {name for name, _ in query}
    if parts.path.endswith(CHECKOUT_LINK) or RECOVERY in names:
        return urlunsplit(parts._replace(query=urlencode([*query, ("coupon", code)], safe=":,")))
    best = max(checkout.lines, key=lambda line: line.total.amount, default=None)
    if "pay_for_order" in names and best and best.product_id:
        page = parts.path.rstrip("/").rsplit("/", 2)[0]  # /checkout/ of /checkout/order-pay/2337/
        return urlunsplit(parts._replace(path=f"{page}/", query=urlencode(_add_to_cart(best))))
    return checkout.url


def _add_to_cart(line: LineItem) -> dict[str, str]:
    variant = {"variation_id": line.variant_id} if line.variant_id else {}
    return {"add-to-cart": line.product_id, "quantity": str(line.quantity), **variant}


def _body(offer: Offer) -> dict[str, Any]:
    """No e-mail restriction: until the shopper has typed the address it makes a link drop the code without a word.

    `date_expires_gmt` would be ignored, and the coupon never expire.
    """
    off = offer.discount
    return {
        "code": offer.code,
        "discount_type": "fixed_cart" if off.percent is None else "percent",
        "amount": f"{off.percent or off.amount or 0:f}",
        "free_shipping": off.free_shipping,
        "date_expires": offer.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "usage_limit": 1,
        "usage_limit_per_user": 1,
        "individual_use": True,
        "description": "Winback: made for one abandoned checkout",
    }


def _coupon(record: Any) -> Coupon:
    if not isinstance(record, Mapping) or "id" not in record:
        raise TransientError("WooCommerce answered with something that is no coupon")
    expires = record.get("date_expires_gmt")
    return Coupon(
        id=str(int(record["id"])),
        code=str(record.get("code") or ""),
        expires_at=datetime.fromisoformat(expires).replace(tzinfo=UTC) if expires else None,
        used=int(record.get("usage_count") or 0) > 0,
    )
